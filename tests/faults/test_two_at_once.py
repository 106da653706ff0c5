"""Two commands on one results folder at once."""

import json
import signal
import subprocess
import sys
import threading

import harness
import pytest

from nasarena.bench._base import locks
from nasarena.bench._base.errors import StoreError
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment.experiment import parse
from nasarena.bench.store import doctor, store
from nasarena.bench.store import manifest as manifests

BOTH = ("random", "local-search")


def plan(strategies=BOTH, seeds=20, queries=60):
    return parse(
        {
            "tasks": [harness.TASK],
            "strategies": list(strategies),
            "seeds": seeds,
            "budget": {"queries": queries},
        }
    )


def test_two_runs_that_add_different_strategies_and_seeds(tmp_path, own_vault):
    """Both end well, no unit and no line of the manifest is lost, no seed is there twice."""
    root = tmp_path / "results"
    runs = [
        harness.start(harness.run_words(root, labels=(label,), seeds=seeds), own_vault)
        for label, seeds in zip(BOTH, (20, 12), strict=True)
    ]
    said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    execute(tmp_path / "alone", plan(["random"]), processes=1)
    execute(tmp_path / "alone", plan(["local-search"], seeds=12), processes=1)
    assert harness.bits(root) == harness.bits(tmp_path / "alone")
    experiment = manifests.read(root).experiment
    assert sorted(spec.label for spec in experiment.strategies) == sorted(BOTH)
    assert experiment.seeds == 20
    assert list(doctor.examine(root)) == []


def test_the_second_says_whom_it_waits_for(tmp_path):
    root = tmp_path / "results"
    lines, ended = [], threading.Event()

    def second():
        with locks.held(root, told=lines.append):
            ended.set()

    with locks.held(root):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not ended.wait(0.5)
        with locks.held(root):  # who holds it may do so again
            assert locks.in_use(root)
        with pytest.raises(StoreError, match="is in use by process"):
            in_a_thread(lambda: locks.held(root, wait=False).__enter__())
    assert ended.wait(10)
    waiting.join()
    (line,) = lines
    assert line.startswith(f"{root} is in use by process ")
    assert " since 20" in line
    assert not locks.in_use(root)


def in_a_thread(call):
    raised = []

    def run():
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_the_lock_of_a_killed_process_blocks_nobody(tmp_path):
    root = tmp_path / "results"
    execute(root, plan(seeds=2), processes=1)
    code = (
        "import sys, time, pathlib; from nasarena.bench._base import locks\n"
        f"with locks.held(pathlib.Path({str(root)!r})): print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    assert locks.in_use(root)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    holder = root / locks.HOLDER
    assert json.loads(holder.read_text())["process"] == process.pid
    (finding,) = doctor.examine(root)
    assert finding.path == holder
    assert f"it names process {process.pid}" in finding.problem
    assert len(execute(root, plan(seeds=4), processes=1)) == 2
    assert not holder.exists()


def test_two_names_of_one_folder_are_one_lock(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with (
        locks.held(tmp_path / "real"),
        pytest.raises(StoreError, match="link is in use by process"),
    ):
        in_a_thread(lambda: locks.held(tmp_path / "link", wait=False).__enter__())


def test_a_reader_does_not_wait(tmp_path):
    root = tmp_path / "results"
    execute(root, plan(seeds=2), processes=1)
    with locks.held(root):
        assert len(store.unit_files(root, harness.TASK, "random")) == 1
        assert set(store.read(root).strategy) == set(BOTH)
        assert list(doctor.examine(root)) == []
