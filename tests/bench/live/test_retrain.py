"""The winner of a search, trained in full: chosen by validation, resumed, loaded, refused."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec import structs

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
for package in ("sklearn", "tokenizers", "safetensors", "sacrebleu"):
    pytest.importorskip(package)

from nasarena.bench._base.errors import ExperimentError, StoreError, UnknownName  # noqa: E402
from nasarena.bench.execute.executor import execute  # noqa: E402
from nasarena.bench.experiment import experiment, registry  # noqa: E402
from nasarena.bench.live import journal, load, model, model_card, trainer  # noqa: E402
from nasarena.bench.live import retrain as retraining  # noqa: E402
from nasarena.bench.live.retrain import Options, plan, winner  # noqa: E402
from nasarena.bench.live.task import LiveTask  # noqa: E402
from nasarena.bench.store import manifest as manifests  # noqa: E402
from nasarena.bench.store import store  # noqa: E402
from nasarena.spaces import MissingPackage  # noqa: E402
from nasarena.studies.retrain import retrain  # noqa: E402

TASKS = """
from pathlib import Path
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training

HERE = Path(__file__).parent
SMALL = dict(epochs=(1, 2), examples=150, measured=60, device="cpu")
TEXT = dict(epochs=(1, 2), optimizer="adam", learning_rate=1e-2, device="cpu", longest=8)
BENCHMARK = LiveBenchmark(
    {
        "digits": LiveSetup("digits", training=Training(**SMALL)),
        "text": LiveSetup(f"text:{HERE}/text.csv", training=Training(**TEXT)),
        "pairs": LiveSetup(f"tsv:{HERE}/pairs.tsv", training=Training(**TEXT, metric="bleu")),
    },
    root=HERE / "cache",
)
"""
KINDS = ("digits", "text", "pairs")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A results folder with two runs of a search on images, texts and pairs; and task ids."""
    here = tmp_path_factory.mktemp("searched")
    (here / "tasks.py").write_text(TASKS)
    rng = np.random.default_rng(0)
    words = {"good": ("fine", "warm", "sweet"), "bad": ("cold", "sour", "grim")}
    rows = [(label, rng.choice(words[label]), i) for i in range(100) for label in words]
    texts = [f"a {word} day number {i},{label}" for label, word, i in rows]
    (here / "text.csv").write_text("\n".join(["text,label", *texts]))
    pairs = [f"the house {i} is old\tdas Haus {i} ist alt" for i in range(60)]
    (here / "pairs.tsv").write_text("\n".join(pairs))
    ids = {kind: f"{here}/tasks.py:BENCHMARK/{kind}" for kind in KINDS}
    plain = {"tasks": [*ids.values()], "strategies": ["random"], "seeds": 2}
    made = experiment.parse(plain | {"budget": {"queries": 3}})
    outcomes = execute(here / "results", made, processes=1)
    assert [done.error for done in outcomes] == [None] * 3
    return here / "results", ids


def planned(searched, kind="digits", **options):
    results, ids = searched
    return plan(results, winner(results, ids[kind], "random"), Options(**options))


# Who has won.


def rows(*queries):
    names = ("seed", "step", "epochs", "loss", "arch")
    frame = pd.DataFrame([dict(zip(names, query, strict=True)) for query in queries])
    return frame.assign(replica=7)


def won(*queries):
    found = retraining._incumbent(rows(*queries), Path("r"), "t", "s")
    return found.seed, found.step


def test_the_most_epochs_count_before_the_least_loss_and_the_earlier_query_wins_a_tie():
    few, many, later = (0, 1, 1, -99.0, [0]), (1, 2, 9, -90.0, [1]), (1, 3, 9, -90.0, [2])
    assert won(later, few, many) == (1, 2)
    assert won(few, (0, 2, 9, float("inf"), [3])) == (0, 1)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ((0, 1, 9, float("inf"), [1]), "every training of s on t failed"),
        ((0, 1, 9, -1.0, []), "names no architectures of s on t"),
    ],
)
def test_results_without_a_winner(query, message):
    with pytest.raises(StoreError, match=message):
        won(query)


def test_the_winner_is_that_of_all_runs_or_of_one(searched):
    results, ids = searched
    frame = store.read(results, tasks=[ids["digits"]])
    best = frame["loss"].min()
    assert winner(results, ids["digits"], "random").loss == best
    for seed in (0, 1):
        own = winner(results, ids["digits"], "random", seed)
        assert own.seed == seed and own.loss == frame[frame["seed"] == seed]["loss"].min()
    with pytest.raises(StoreError, match=r"no finished run of random on .* with seed 9"):
        winner(results, ids["digits"], "random", 9)


def test_names_that_the_results_do_not_hold(searched):
    results, ids = searched
    with pytest.raises(UnknownName, match="unknown task in"):
        winner(results, "live/digits", "random")
    with pytest.raises(UnknownName, match=r"unknown strategy in .* did you mean 'random'"):
        winner(results, ids["digits"], "randm")


# Training, and what is left behind.


def metric_of(kind, loaded, part):
    """The metric, computed from nothing but what the loaded model writes."""
    written = loaded.predict(part.inputs)
    if kind == "pairs":
        from sacrebleu.metrics import BLEU

        return BLEU(force=True).corpus_score(written, [part.targets]).score
    right = [loaded.classes.index(word) for word in written] == part.targets
    return 100 * int(right.sum()) / len(right)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_network_predicts_the_very_same(searched, tmp_path, monkeypatch, kind):
    made = planned(searched, kind, epochs=3)
    data = made.task.dataset
    seen = {}

    def note(trained, file):
        seen[file.parent / file.name.split(".")[1]] = trained.predict(data.test.inputs)
        write(trained, file)

    write = model.write_weights
    monkeypatch.setattr(model, "write_weights", note)
    card = retrain(made, tmp_path / "out", seeds=2)
    assert len(seen) == 2
    for one, written in zip(card["seeds"], seen.values(), strict=True):
        loaded = load(tmp_path / "out", one["seed"])
        assert loaded.predict(data.test.inputs) == written
        assert metric_of(kind, loaded, data.test) == one["test"]
        assert metric_of(kind, loaded, data.validation) == one["validation"]
    best = max(card["seeds"], key=lambda one: one["validation"])
    assert card["best"] == best["seed"]
    assert load(tmp_path / "out").predict(data.test.inputs[:3]) == seen_of(seen, best)[:3]


def seen_of(seen, one):
    (found,) = [written for file, written in seen.items() if file.name == str(one["seed"])]
    return found


def test_the_card_curves_and_interval(searched, tmp_path):
    made = planned(searched, epochs=2)
    card = retrain(made, tmp_path / "out", seeds=3)
    assert json.loads((tmp_path / "out/model-card.json").read_text()) == card
    tests = [one["test"] for one in card["seeds"]]
    spread = np.std(tests, ddof=1)
    # Student's t with two degrees of freedom: 4.303 (Gosset's table).
    half = 4.303 * spread / np.sqrt(3)
    summary = card["metrics"]["test"]
    assert summary["mean"] == pytest.approx(np.mean(tests))
    assert (summary["high"] - summary["low"]) / 2 == pytest.approx(half, rel=1e-3)
    assert model_card.summary([1.0])["low"] is None
    # Trained on all examples, though the search used 150; seeds that it cannot have drawn.
    assert card["data"]["examples"]["train"] == 1257
    assert [one["seed"] for one in card["seeds"]] == [1000, 1001, 1002]
    with (tmp_path / "out/curves.csv").open() as lines:
        curves = list(csv.DictReader(lines))
    ends = [float(row["test"]) for row in curves if row["epoch"] == "2"]
    assert len(curves) == 6 and ends == tests
    text = (tmp_path / "out/model-card.md").read_text()
    for said in (card["architecture"]["words"], card["data"]["hash"], "CC BY 4.0", "step"):
        assert said in text
    for file in ("curves.png", "curves.pdf"):
        assert (tmp_path / "out" / file).stat().st_size > 5000


def figures(out):
    """What must not depend on how often it was stopped: all but the measured times."""
    found = {}
    for file in sorted((out / "trainings").glob("*.json")):
        plain = json.loads(file.read_text())
        found[file.name] = [plain[name] for name in ("validation", "test", "train_loss")]
    return found, {f.name: f.read_bytes() for f in (out / "weights").iterdir()}


def test_a_retraining_that_was_killed_goes_on_and_changes_no_bit(searched, tmp_path, monkeypatch):
    made = planned(searched, epochs=3)
    retrain(made, tmp_path / "whole", seeds=2)
    monkeypatch.setattr(retraining, "CHECKPOINT_EVERY", 0.0)
    epoch = trainer.Trainer.epoch
    trained = []

    def killed(self, *limit):
        if len(trained) in (2, 4):  # in the first training, then in the second
            trained.append(None)
            raise KeyboardInterrupt
        trained.append(self.done)
        return epoch(self, *limit)

    monkeypatch.setattr(trainer.Trainer, "epoch", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            retrain(made, tmp_path / "cut", seeds=2)
    retrain(made, tmp_path / "cut", seeds=2)
    # No epoch was trained twice.
    assert trained == [0, 1, None, 2, None, 0, 1, 2]
    assert figures(tmp_path / "cut") == figures(tmp_path / "whole")
    before = len(trained)
    card = retrain(made, tmp_path / "cut", seeds=3)  # one more seed: the others are there
    assert len(trained) == before + 3 and len(card["seeds"]) == 3


@torch.no_grad()
def measured(task, arch, weights):
    network = task.network(arch)
    network.load_state_dict(weights)
    return task.objective.measure(network.eval(), "validation")


def test_from_the_searchs_weights(searched, tmp_path):
    made = planned(searched, epochs=2, from_checkpoint=True)
    _, ids = searched
    task = registry.task(ids["digits"])
    assert -measured(task, made.arch, made.weights) == made.winner.loss
    assert made.task.training.learning_rate == pytest.approx(0.005)
    assert made.task.training.examples == 150
    card = retrain(made, tmp_path / "out", seeds=1)
    assert card["training"]["start"] == "search checkpoint"
    kept = {file: file.read_bytes() for file in task.journal.root.glob("*.safetensors")}
    try:
        for file in kept:
            file.unlink()
        with pytest.raises(StoreError, match=r"no checkpoint of .* leave out --from-checkpoint"):
            planned(searched, from_checkpoint=True)
    finally:
        for file, data in kept.items():
            file.write_bytes(data)
    with pytest.raises(ExperimentError, match="no search trained a network on these data"):
        planned(searched, data="digits", from_checkpoint=True)


def test_the_best_weights_are_kept_up_to_a_limit(tmp_path, monkeypatch):
    kept = journal.Journal(tmp_path)
    losses = [5.0, 1.0, 4.0, 2.0, 3.0]
    for number, loss in enumerate(losses):
        trained = journal.Trained((number,), 0, validation=[loss])
        kept.keep(trained, {"w": torch.full((1000,), loss)}, loss)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    monkeypatch.setattr(journal, "WEIGHTS_LIMIT", int(size * 0.9))
    kept.keep(journal.Trained((9,), 0, validation=[0.5]), {"w": torch.zeros(1000)}, 0.5)
    there = [loss for n, loss in enumerate(losses) if kept.weights((n,), 0) is not None]
    assert there == [1.0, 2.0] or there == [1.0, 2.0, 3.0]
    assert torch.equal(kept.weights((9,), 0)["w"], torch.zeros(1000))


def test_weights_of_a_training_that_has_not_ended_are_its_checkpoints(searched):
    _, ids = searched
    task = registry.task(ids["digits"])
    arch = task.space.small_cnn()
    task.trained(arch, 5, 1)
    weights = task.journal.weights(task.space.canonical(arch), 5)
    assert measured(task, arch, weights) == task.trained(arch, 5, 1).validation[0]


# Tables.


def images(folder):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 100, (8, 8, 3), dtype=np.uint8) + np.uint8(120 * number)
            image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_the_winner_of_a_table_is_trained_on_data_that_are_named(nasarena, tmp_path):
    results, out = tmp_path / "results", tmp_path / "out"
    words = ["--tasks", "nasbench201/cifar10,nasbench-graph/cora,fcnet/protein"]
    words += ["--strategies", "random", "--seeds", 1, "--queries", 3, "--processes", 1]
    assert nasarena("run", *words, "--out", results, "--no-report", "--no-vault")[0] == 0

    def ask(task, *more):
        asked = ["retrain", results, "--task", task, "--strategy", "random", "--out", out]
        return nasarena(*asked, "--seeds", 1, *more)

    data = f"images:{images(tmp_path / 'images')}"
    code, said, _ = ask("nasbench201/cifar10", "--data", data, "--epochs", 1, "--json")
    card = json.loads(said)
    assert code == 0 and card["architecture"]["space"] == "nasbench201"
    assert card["training"]["batch"] == 256 and card["training"]["learning_rate"] == 0.1
    assert "found on other data" in " ".join(card["limits"])
    assert set(load(out).predict(np.zeros((2, 3, 8, 8), np.uint8))) <= {"dark", "light"}
    for task, more, message in (
        ("nasbench201/cifar10", [], "is a table: name the data to train on"),
        ("nasbench-graph/cora", ["--data", "digits"], "has no network to train"),
        ("fcnet/protein", [], "has no network to train"),
        ("nasbench201/cifar10", ["--data", "digits", "--from-checkpoint"], "no search trained"),
        ("nasbench201/cifar10", ["--data", "digit"], "unknown live data set"),
        ("nasbench201/cifar10", [*("--data", data), "--optimizer", "lion"], "expected 'sgd'"),
        ("nasbench201/cifar10", ["--data", "digits"], "holds another retraining"),
    ):
        code, _, said = ask(task, *more)
        assert code == 2 and message in said and said.count("\n") == 1


def test_data_that_do_not_fit_the_space(searched, tmp_path):
    results, ids = searched
    found = winner(results, ids["digits"], "random")
    text = ids["text"].rpartition("/tasks.py")[0] + "/text.csv"
    with pytest.raises(ExperimentError, match="space 'growing' has no network for text"):
        plan(results, found, Options(data=f"text:{text}"))


# What goes wrong.


def test_without_torch(monkeypatch, searched):
    import nasarena.bench.live.task as tasks

    monkeypatch.setattr(tasks, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r'pip install "nasarena\[live\]"'):
        LiveTask("live/x", "digits", registry.task("live/digits").space, retraining.TABLE)


def test_other_data_than_the_searchs_are_refused(searched, monkeypatch):
    results, ids = searched
    there = manifests.read(results)
    task = ids["digits"]
    others = {**there.tasks, task: structs.replace(there.tasks[task], data="something else")}
    monkeypatch.setattr(manifests, "read", lambda root: structs.replace(there, tasks=others))
    with pytest.raises(StoreError, match="had something else: name them with --data"):
        planned(searched)


def test_a_full_disk_keeps_what_is_finished(searched, tmp_path, monkeypatch):
    made = planned(searched, epochs=1)
    retrain(made, tmp_path / "out", seeds=1)
    before = figures(tmp_path / "out")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(model, "write_weights", full)
        with pytest.raises(StoreError, match=r"1001\.safetensors: No space left"):
            retrain(made, tmp_path / "out", seeds=2)
    assert figures(tmp_path / "out") == before
    assert len(retrain(made, tmp_path / "out", seeds=2)["seeds"]) == 2


def test_trainings_that_diverge(searched, tmp_path):
    made = planned(searched, epochs=1, learning_rate=1e30)
    with pytest.raises(StoreError, match="every training failed, the first with: Diverged"):
        retrain(made, tmp_path / "out", seeds=2)


def test_a_folder_that_holds_something_else(searched, tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(StoreError, match="exists and holds no retraining"):
        retrain(planned(searched), tmp_path)
    retrain(planned(searched, epochs=1), tmp_path / "out", seeds=1)
    with pytest.raises(StoreError, match=r"another retraining \(training differ\)"):
        retrain(planned(searched, epochs=2), tmp_path / "out", seeds=1)


def test_what_cannot_be_loaded(searched, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(StoreError, match=r"it has no model-card\.json"):
        load(out)
    retrain(planned(searched, epochs=1), out, seeds=1)
    loaded = load(out)
    with pytest.raises(ValueError, match=r"expected images \(n, 1, height, width\), got \(8, 8\)"):
        loaded.predict(np.zeros((8, 8), np.uint8))
    with pytest.raises(StoreError, match=r"networks of the seeds \[1000\], asked: 3"):
        load(out, 3)
    (weights,) = (out / "weights").iterdir()
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    with pytest.raises(StoreError, match="is damaged"):
        load(out)
    weights.unlink()
    with pytest.raises(StoreError, match="lacks a file"):
        load(out)
    (out / "model-card.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        load(out)


def test_texts_are_a_list(searched, tmp_path):
    retrain(planned(searched, "text", epochs=1), tmp_path / "out", seeds=1)
    with pytest.raises(ValueError, match="expected a list of texts, got 'a day'"):
        load(tmp_path / "out").predict("a day")


def test_another_optimizer_brings_its_own_rate(searched):
    made = planned(searched, optimizer="adam").task.training
    assert (made.optimizer, made.learning_rate, made.epochs) == ("adam", 2e-3, (2,))
    assert replace(made, optimizer="sgd").optimizer == "sgd"


def test_the_command_line(nasarena, searched):
    results, ids = searched
    words = ["retrain", results, "--task", ids["text"], "--strategy", "random", "--epochs", 1]
    code, said, _ = nasarena(*words, "--seeds", 2)
    assert code == 0 and "test accuracy" in said and "95 % interval" in said
    (folder,) = [line.rpartition(": ")[2] for line in said.splitlines() if "weights" in line]
    assert load(folder).predict(["a sour day"])[0] in ("good", "bad")
    code, _, said = nasarena("retrain", results, "--task", "x", "--strategy", "random")
    assert code == 2 and "unknown task in" in said
