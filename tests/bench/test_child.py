"""A process that runs units and may be lost."""

import os
import signal
import threading
from dataclasses import replace

import pytest
from clusters import until
from test_executor import TASK, bits, plan

from nasarena.bench import child as children
from nasarena.bench import registry, store
from nasarena.bench.child import Child
from nasarena.bench.errors import StoreError
from nasarena.bench.executor import execute
from nasarena.bench.store import Unit
from nasarena.bench.units import Job


@pytest.fixture
def child():
    made = Child()
    yield made
    made.kill()


def job(root, experiment, number=0):
    spec = experiment.strategies[number]
    return Job(
        root, replace(experiment, tasks=(), strategies=()), spec, Unit(TASK, spec.label, 0, 2)
    )


def test_it_runs_units_and_outlives_what_they_do(tmp_path, child, capfd):
    experiment = plan("good", "dies", "prints", "raises", timeout=5)
    assert child.run(job(tmp_path, experiment)).error is None
    first = child._process.pid
    assert child.run(job(tmp_path, experiment, 2)).queries == 15
    assert child._process.pid == first
    assert "ended with exit code 3" in child.run(job(tmp_path, experiment, 1)).error
    raised = child.run(job(tmp_path, experiment, 3))
    assert "planted" in raised.error
    assert "Traceback" in raised.traceback
    execute(tmp_path / "serial", plan("good"), processes=1)
    assert {*bits(tmp_path).values()} == {*bits(tmp_path / "serial").values()}
    said = capfd.readouterr()
    assert "xxx" not in said.out  # what it prints does not come between the answers
    assert "xxx" in said.err


def test_a_unit_that_cannot_be_interrupted_is_killed(tmp_path, child, monkeypatch):
    monkeypatch.setattr(children, "GRACE", 0.5)
    done = child.run(job(tmp_path, plan("deaf", timeout=0.1)))
    assert "no answer within 0.8 s" in done.error
    assert child._process is None


def test_one_that_is_killed_from_outside_says_so(tmp_path, child):
    answers = []
    running = threading.Thread(
        target=lambda: answers.append(child.run(job(tmp_path, plan("hangs", timeout=60))))
    )
    running.start()
    os.kill(until(lambda: child._process).pid, signal.SIGKILL)
    running.join()
    assert "was killed by signal 9" in answers[0].error


def test_a_folder_that_cannot_be_written_is_named(tmp_path, child):
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        child.run(job(tmp_path, plan("good")))


def test_a_file_that_came_from_elsewhere_is_found_by_its_name_there(tmp_path):
    source = "from nasarena.bench import strategy\n\n\n@strategy()\ndef mine(problem, rng):\n"
    source += "    while True:\n        yield problem.space.sample(rng)\n"
    here = tmp_path / "mine.py"
    here.write_text(source)
    experiment = plan(strategies=[f"{here}:mine"])
    execute(tmp_path / "serial", experiment, processes=1)
    copy = registry.shipped(tmp_path / "files", str(here))
    copy.parent.mkdir(parents=True)
    here.rename(copy)
    away = Child({"NASARENA_FILES": str(tmp_path / "files")})
    try:
        assert away.run(job(tmp_path / "away", experiment)).error is None
    finally:
        away.kill()
    assert bits(tmp_path / "away") == bits(tmp_path / "serial")
    (path,) = (tmp_path / "away").glob("runs/**/*.parquet")
    (same,) = (tmp_path / "serial").glob("runs/**/*.parquet")
    assert store.read_unit(path).schema.metadata == store.read_unit(same).schema.metadata
