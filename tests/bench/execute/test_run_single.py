"""One unit alone, named by task, strategy and seed."""

import io
import shlex
from pathlib import Path

import pytest

from nasarena.bench._base.errors import ExperimentError, UnknownName
from nasarena.bench.execute import run_single
from nasarena.bench.execute.executor import ThisProcess, execute
from nasarena.bench.execute.units import Done
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit
from nasarena.cli.progress import Progress

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"


def plan(*strategies, **keys):
    given = {"tasks": [TASK], "strategies": list(strategies), "seeds": 7, "budget": {"queries": 5}}
    return experiments.parse(given | keys)


@pytest.fixture(scope="module")
def made():
    labelled = {"name": f"{HERE}/plugins.py:good", "label": "mine: 2 (a=1)"}
    return plan("random", f"{HERE}/plugins.py:raises", labelled)


def test_a_unit_is_named_whatever_colons_its_parts_hold(made):
    assert run_single.parse(f"{TASK}:random:3", made) == Unit(TASK, "random", 3, 3)
    assert run_single.parse(f"{TASK}:random:0-4", made) == Unit(TASK, "random", 0, 4)
    assert run_single.parse(f"{TASK}:raises:12", made) == Unit(TASK, "raises", 12, 12)
    assert run_single.parse(f"{TASK}:{HERE}/plugins.py:raises:0", made) == Unit(
        TASK, "raises", 0, 0
    )
    assert run_single.parse(f"{TASK}:mine: 2 (a=1):1", made) == Unit(TASK, "mine: 2 (a=1)", 1, 1)


@pytest.mark.parametrize("text", ["", "3", f"{TASK}:random", f"{TASK}:random:", ":3", "a:b:4-2"])
def test_what_does_not_end_in_seeds_is_refused(made, text):
    with pytest.raises(ExperimentError, match=r"expected task:strategy:seed or .*, got"):
        run_single.parse(text, made)


def test_an_unknown_one_is_named_with_the_nearest(made):
    with pytest.raises(UnknownName, match=r"--only '.*/a:rondom'; did you mean '.*/a:random'\?"):
        run_single.parse(f"{TASK}:rondom:3", made)


def test_a_name_that_several_labels_share_is_none():
    two = plan("random", {"name": "random", "label": "other", "replace": False})
    assert run_single.parse(f"{TASK}:random:0", two).label == "random"
    twins = plan({"name": "random", "label": "x"}, {"name": "random", "label": "y"})
    with pytest.raises(UnknownName):
        run_single.parse(f"{TASK}:random:0", twins)


def test_the_command_in_the_error_file_shows_the_failure_again(tmp_path, made, nasarena):
    out = tmp_path / "my results"
    outcomes = execute(out, made, executor=ThisProcess())
    failed = [done for done in outcomes if done.error]
    assert [done.unit for done in failed] == [
        Unit(TASK, "raises", 0, 4),
        Unit(TASK, "raises", 5, 6),
    ]
    text = store.error_path(out, failed[1].unit).read_text()
    words = shlex.split(text.splitlines()[-1])
    assert words == ["nasarena", "run", "--out", str(out), "--only", f"{TASK}:raises:5"]
    before = sorted(out.rglob("*"))
    code, said, errors = nasarena(*words[1:])
    assert code == 1
    assert said == ""
    assert 'raise RuntimeError("planted")' in errors
    assert "seed 5, after step 1: RuntimeError: planted" in errors
    assert sorted(out.rglob("*")) == before


def test_a_unit_that_does_not_fail_says_so(tmp_path, made, nasarena):
    execute(tmp_path, made, executor=ThisProcess())
    code, said, _ = nasarena("run", "--out", tmp_path, "--only", f"{TASK}:random:0-4")
    written = store.fingerprints(tmp_path)[Unit(TASK, "random", 0, 4)]
    assert code == 0
    assert said.endswith(f", random, seeds 0-4, 25 queries, fingerprint {written}\n")


def test_an_experiment_that_is_given_comes_before_the_folder(tmp_path, nasarena):
    words = ["run", "--tasks", TASK, "--strategies", f"{HERE}/plugins.py:prints", "--out", tmp_path]
    code, said, errors = nasarena(*words, "--queries", 2, "--only", f"{TASK}:prints:0")
    assert code == 1
    assert len(said) > 10**6  # a strategy's output is not kept back here
    assert errors.endswith(f"failed: {TASK}, prints, seeds 0-0\n")
    assert not list(tmp_path.iterdir())


def test_a_failure_is_told_with_the_command(tmp_path, capsys):
    unit = Unit("some/task", "my strategy", 0, 4)
    with Progress(tmp_path) as progress:
        progress.started([unit], 1)
        progress.finished(Done(unit, error="no luck", seed=2))
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "failed: some/task, my strategy, seeds 0-4: no luck",
        f"  alone: nasarena run --out {tmp_path} --only 'some/task:my strategy:2'",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_counts_what_is_finished_and_what_failed_apart(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    units = [Unit("task", "label", i, i) for i in range(10)]
    with Progress(tmp_path) as progress:
        progress.started(units, 2)
        progress.saw(units[0], 0, 0.0)
        for unit in units[:3]:
            progress.finished(Done(unit, seconds=100.0))
        progress.finished(Done(units[3], seconds=1.0, error="no luck"))
        progress.saw(units[4], 0, 0.0)
    last = terminal.getvalue().split("\r")[-1]
    assert "3/10 units, 1 failed, 5:00 left" in last
