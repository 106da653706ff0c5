"""Texts and translation from a file to a metric: what is learned, and how it is measured."""

import math
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
for package in ("sklearn", "tokenizers", "sacrebleu"):
    pytest.importorskip(package)

from nasarena.bench.live import LiveBenchmark, LiveSetup, Training  # noqa: E402
from nasarena.bench.live.tokens import Tokenizer  # noqa: E402
from nasarena.spaces.published import text_encoder, translation  # noqa: E402

PAIRS = Path(__file__).parents[4] / "shared/data/en-de"
ATTENTION = (1, 0, 1, 0, 1, 0)  # a GRU reads, an LSTM writes, with attention
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ZAHLEN = ("eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn")
ADAM = {"optimizer": "adam", "learning_rate": 5e-3, "device": "cpu", "batch": 32, "longest": 16}


def task(root, data, **training):
    setups = {"t": LiveSetup(data, training=Training(**(ADAM | training)))}
    return LiveBenchmark(setups, root=root).task("live/t", "t")


def values(live, arch, part="validation"):
    trained = live.trained(arch, 0, live.training.epochs[-1])
    assert not trained.failed
    return getattr(trained, part)[-1]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Six numbers in words, in English and in German: too many for one vector to hold."""
    here = tmp_path_factory.mktemp("counted")
    rows = np.random.default_rng(0).integers(10, size=(900, 6)).tolist()
    english = [" ".join(NUMBERS[i] for i in row) for row in rows]
    german = [" ".join(ZAHLEN[i] for i in row) for row in rows]
    (here / "en").write_text("\n".join(english))
    (here / "de").write_text("\n".join(german))
    pairs = zip(english, german, strict=True)
    (here / "pairs.tsv").write_text("\n".join(f"{a}\t{b}" for a, b in pairs))
    return here


def test_attention_foretells_words_better_than_the_simplest_network(counted, tmp_path):
    setting = {"epochs": (10,), "vocabulary": 100, "batch": 16}
    files = f"lines:{counted}/en,{counted}/de"
    perplexity = task(tmp_path, files, metric="perplexity", **setting)
    simplest = translation.SPACE.simplest()
    for part in ("validation", "test"):
        assert values(perplexity, ATTENTION, part) < 0.85 * values(perplexity, simplest, part)
    # Knowing that words are numbers is a perplexity of ten or less; a perfect guess has 1.
    assert 1.0 < values(perplexity, ATTENTION) < 5.0
    network = perplexity.network(ATTENTION)
    network.load_state_dict(perplexity.journal.weights(ATTENTION, 0))
    loss = task(tmp_path, files, metric="loss", **setting)
    with torch.no_grad():
        nats = loss.objective.measure(network.eval(), "validation")
    assert values(perplexity, ATTENTION) == pytest.approx(math.exp(nats))
    same = task(tmp_path, f"tsv:{counted}/pairs.tsv", metric="perplexity", **setting)
    assert same.dataset.hash == perplexity.dataset.hash


def test_bleu_is_that_of_the_texts_that_are_written(counted, tmp_path):
    from sacrebleu.metrics import BLEU

    live = task(tmp_path, f"lines:{counted}/en,{counted}/de", metric="bleu", epochs=(1,))
    objective, texts = live.objective, live.dataset.validation.targets
    mixed = [texts[0].split()[0] if i % 2 else text for i, text in enumerate(texts)]
    rows = torch.from_numpy(objective.target.encode(mixed, marked=True)[:, 1:])

    class Written:
        def translate(self, source, longest):
            assert longest == 18
            return rows

    assert objective.measure(Written(), "validation") == pytest.approx(
        BLEU(force=True).corpus_score(mixed, [texts]).score
    )


def test_real_sentences_are_learned(tmp_path):
    if not PAIRS.is_dir():
        pytest.skip(f"there is no {PAIRS}: 10,000 pairs of sentences")
    live = task(
        tmp_path,
        f"lines:{PAIRS}/train.en.gz,{PAIRS}/train.de.gz",
        metric="perplexity",
        epochs=(3,),
        examples=800,
        measured=100,
        vocabulary=500,
        batch=16,
    )
    first, *_, last = live.trained(ATTENTION, 0, 3).validation
    # Knowing nothing is a perplexity of as many words as there are.
    assert last < 0.6 * len(live.objective.target) and last < 0.8 * first


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """Texts whose class is the order of two words: no bag of words tells them apart."""
    rng = np.random.default_rng(0)
    fill = [f"w{i}" for i in range(40)]
    rows = ["text,label"]
    for i in range(600):
        words = [*rng.choice(fill, 3)]
        pair = ["not", "good"] if i % 2 else ["good", "not"]
        place = int(rng.integers(4))
        text = [*words[:place], *pair, *words[place:]]
        rows.append(f"{' '.join(text)},{'bad' if i % 2 else 'fine'}")
    file = tmp_path_factory.mktemp("orders") / "orders.csv"
    file.write_text("\n".join(rows))
    return file


@pytest.mark.parametrize("operation", ["conv_3", "gru"])
def test_the_order_of_words_is_learned_by_what_can_see_it(orders, tmp_path, operation):
    live = task(tmp_path, f"text:{orders}", epochs=(6,), vocabulary=300)
    arch = (text_encoder.OPERATIONS.index(operation), 0, 0, 0, 0, 1, 0)
    assert text_encoder.SPACE.describe(arch).startswith(f"node1={operation}(embedding)")
    for part in ("validation", "test"):
        assert values(live, arch, part) > values(live, text_encoder.SPACE.simplest(), part) + 20


def test_a_tokenizer_is_kept_and_read_back(tmp_path):
    texts = ["ein Haus am See", "a house by the lake", "größer"]
    made = Tokenizer(texts, size=60, longest=6)
    made.save(tmp_path / "t.json")
    again = Tokenizer.load(tmp_path / "t.json", 6)
    assert len(again) == len(made)
    for marked in (False, True):
        first, second = (t.encode([*texts, "", "?"], marked=marked) for t in (made, again))
        assert (first == second).all()
    assert again.decode(made.encode(["a house"], marked=True)[:, 1:]) == ["a house"]
