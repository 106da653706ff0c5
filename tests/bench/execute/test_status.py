"""The log of a run, the status of a folder, and the time left."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy

from nasarena.bench.execute import heartbeat, run_log
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.run_log import RunLog
from nasarena.bench.execute.status import Watcher
from nasarena.bench.execute.units import Done
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit
from nasarena.cli import status

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"


def plan(*strategies, **keys):
    names = [s if s == "random" else f"{HERE}/plugins.py:{s}" for s in strategies or ("random",)]
    given = {"tasks": [TASK], "strategies": names, "seeds": 12, "budget": {"queries": 5}}
    return experiments.parse(given | keys)


@pytest.fixture
def empty(tmp_path):
    """A folder whose run of twelve units has not begun: three strategies, four units each."""
    labels = ["quick", "slow", "slower"]
    manifests.write(tmp_path, toy.manifest(labels=labels, seeds=20))
    return tmp_path


def units(labels=("quick", "slow", "slower"), blocks=4):
    return [Unit("t", x, n * 5, n * 5 + 4) for x in labels for n in range(blocks)]


# The log.


def test_a_run_leaves_a_log(tmp_path):
    execute(tmp_path, plan("random", "raises"), processes=1)
    (path,) = run_log.runs(tmp_path)
    events = list(run_log.events(path))
    # One unit of each strategy first; what fails comes last.
    assert [e["event"] for e in events] == [
        "run-started",
        *["unit-finished", "unit-failed"],
        *["unit-finished"] * 2,
        *["unit-failed"] * 2,
        "run-ended",
    ]
    first = events[1]
    assert first["unit"] == [TASK, "random", 0, 4]
    assert first["queries"] == 25
    assert first["cpu_seconds"] + first["seconds"] > 0
    assert first["peak_memory"] > 1 << 20
    assert first["queries_a_second"] == pytest.approx(25 / first["seconds"], rel=1e-3)
    assert "planted" in events[2]["error"]
    assert events[-1] | {"outcome": "done", "finished": 3, "failed": 3, "queries": 60} == events[-1]
    assert execute(tmp_path, plan("random"), processes=1) == []
    assert run_log.runs(tmp_path) == [path]


def test_a_log_changes_nothing_that_is_read(tmp_path):
    execute(tmp_path, plan(), processes=1)
    before = store.read(tmp_path).astype({"arch": str})
    (path,) = run_log.runs(tmp_path)
    path.write_bytes(b'{"event": "run-started"}\n\xff\xfe\n{"event": "unit-fin')
    assert store.read(tmp_path).astype({"arch": str}).equals(before)
    assert execute(tmp_path, plan(), processes=1) == []
    assert Watcher(tmp_path).look().run is None


def test_half_a_last_line_waits_for_its_end(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"event": "a"}\nnonsense\n{"event": "b"')
    tail = run_log.Tail(path)
    assert [e["event"] for e in tail.new()] == ["a"]
    with path.open("ab") as file:
        file.write(b"}\n")
    assert [e["event"] for e in tail.new()] == ["b"]
    assert list(tail.new()) == []


def test_a_log_is_bounded_and_keeps_its_totals(empty, monkeypatch):
    monkeypatch.setattr(run_log, "LIMIT", 4000)
    log = RunLog(empty)
    log.started(units(blocks=40), 1)
    dones = (Done(unit, 5, 1.0, started=1.0, worker="w") for unit in units(blocks=40))
    followed = Watcher(empty)
    for count, _ in enumerate(log.following(dones), 1):
        assert followed.look().run.ended == count
    sizes = [path.stat().st_size for path in (empty / "log").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 2 * 4000
    for watcher in (Watcher(empty), followed):
        run = watcher.look().run
        assert (run.ended, run.queries, run.units, run.outcome) == (120, 600, 120, "done")


def test_few_runs_are_kept(empty):
    for _ in range(run_log.KEEP + 3):
        log = RunLog(empty)
        log.started(units(), 1)
        list(log.following([]))
    assert len(run_log.runs(empty)) == run_log.KEEP


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_log, "_open", full)
    assert len(execute(tmp_path / "one", plan(), processes=1)) == 3
    monkeypatch.undo()
    monkeypatch.setattr(run_log.os, "write", full)
    assert len(execute(tmp_path / "two", plan(), processes=1)) == 3
    assert run_log.runs(tmp_path / "one") == []


def test_what_ended_a_run_is_noted(empty):
    log = RunLog(empty)
    log.started(units(), 1)

    def interrupted():
        yield Done(units()[0], 5, 1.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(log.following(interrupted()))
    assert Watcher(empty).look().run.outcome == "KeyboardInterrupt"


# Units under way.


def test_progress_is_told_while_a_unit_runs_and_gone_behind_it(empty, monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY", 0)
    heartbeat.report_progress(epoch=1)
    with heartbeat.running(empty, units()[0], "local-1"):
        heartbeat.report_progress(query=3, loss=0.5)
        heartbeat.report_progress(query=4)
        heartbeat.seeds_finished(2, 1.5)
        (one,) = heartbeat.under_way(empty)
        assert one.unit == units()[0]
        assert one.progress == {"query": 4, "loss": 0.5, "seeds": 2, "seconds": 1.5}
        assert Watcher(empty).look().total("running") == 1
    assert heartbeat.under_way(empty) == []
    assert list((empty / "status").iterdir()) == []


def test_nothing_is_made_where_there_is_no_results_folder(tmp_path):
    with heartbeat.running(tmp_path / "gone", units()[0]):
        heartbeat.report_progress(query=3)
    assert not (tmp_path / "gone").exists()


def test_what_cannot_be_json_harms_nobody(empty, monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY", 0)
    with heartbeat.running(empty, units()[0]):
        heartbeat.report_progress(odd=object())
        assert len(heartbeat.under_way(empty)) == 1


def test_what_the_dead_left_is_passed_over_and_swept(empty):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    with heartbeat.running(empty, units()[0]):
        (path,) = (empty / "status").iterdir()
        said = json.loads(path.read_text())
    folder = empty / "status"
    for name, changed in (
        ("dead", {"process": dead.pid}),
        ("reborn", {"process": os.getpid(), "born": 1}),
        ("half", None),
    ):
        text = "{" if changed is None else json.dumps(said | changed)
        (folder / f"{name}.json").write_text(text)
    assert heartbeat.under_way(empty) == []
    heartbeat.sweep(empty)
    assert list(folder.iterdir()) == []


# Status.


def test_a_finished_folder(tmp_path, nasarena):
    execute(tmp_path, plan("random", "raises"), processes=1)
    code, out, _ = nasarena("status", tmp_path, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["units"] | {"done": 3, "failed": 3, "running": 0, "missing": 0} == found["units"]
    assert found["run"]["outcome"] == "done"
    assert found["run"]["queries"] == 60
    assert "planted" in found["errors"][-1]["error"]
    code, out, _ = nasarena("status", tmp_path)
    assert "6 units: 3 done, 3 failed" in out
    assert "last run done after 0:0" in out
    assert "1 of 2 tasks and strategies are complete" in out


def test_a_folder_without_logs(tmp_path, nasarena):
    execute(tmp_path, plan(), processes=1)
    for path in (tmp_path / "log").iterdir():
        path.unlink()
    store.unit_path(tmp_path, Unit(TASK, "random", 5, 9)).unlink()
    found = Watcher(tmp_path).look()
    assert (found.total("done"), found.total("missing"), found.run) == (2, 1, None)
    assert "no log of a run" in nasarena("status", tmp_path)[1]
    assert nasarena("status", tmp_path / "nothing")[0] == 2


def test_while_another_process_runs_and_when_it_was_killed(tmp_path):
    call = (
        "import sys; from pathlib import Path; from nasarena.bench.experiment import experiment; "
        "from nasarena.bench.execute.executor import execute; "
        "made = experiment.parse({'tasks': [sys.argv[2]], 'strategies': ['random', sys.argv[3]], "
        "'seeds': 12, 'budget': {'queries': 5}, 'timeout': 60}); "
        "execute(Path(sys.argv[1]), made, processes=1)"
    )
    root = tmp_path / "r"
    hanging = f"{HERE}/plugins.py:hangs"
    command = [sys.executable, "-c", call, str(root), TASK, hanging]
    watcher = Watcher(root)
    with subprocess.Popen(command) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.1)
            if not (root / "manifest.json").exists():
                continue
            found = watcher.look()
            if found.total("done") == 1 and found.under_way:
                break
        assert found.run.outcome == "running"
        assert found.run.process == process.pid
        assert [one.unit.label for one in found.under_way] == ["hangs"]
        assert [found.total(x) for x in ("done", "running", "missing")] == [1, 1, 4]
        assert found.run.left is not None
        process.send_signal(signal.SIGKILL)
    found = watcher.look()
    assert found.run.outcome == "killed"
    assert [found.total(x) for x in ("done", "running", "missing")] == [1, 0, 5]
    assert found.run.left is None


@pytest.mark.parametrize("width", [80, 140])
def test_lines_fit_the_terminal(empty, width):
    from rich.console import Console

    log = RunLog(empty)
    log.started(units(), 2)
    for unit in units()[:3]:
        log.finished(Done(unit, 500, 2.0, cpu_seconds=1.5, peak_memory=3 << 28, worker="local-1"))
    log.finished(Done(units()[4], error="RuntimeError: " + "long " * 60))
    with heartbeat.running(empty, units()[5], "local-2"):
        console = Console(width=width, file=io.StringIO())
        console.print(status._shown(Watcher(empty).look(), False, width))
        text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "4 of its 12 units ended" in text
    assert "768 MB" in text
    assert "local-2" in text


def test_what_a_unit_under_way_has_taken_is_not_waited_for_again(empty, monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY", 0)
    log = RunLog(empty)
    log.started(units(["slow"], blocks=3), 1)
    log.finished(Done(units(["slow"])[0], 5, 50.0))
    now = [time.time()]
    monkeypatch.setattr(heartbeat.time, "time", lambda: now[0])
    with heartbeat.running(empty, units(["slow"])[1]):
        assert Watcher(empty).look().run.left == pytest.approx(100)
        now[0] += 7  # ten seconds a seed are expected
        assert Watcher(empty).look().run.left == pytest.approx(93)
        now[0] += 3
        heartbeat.seeds_finished(1, 10.0)
        now[0] += 2
        assert Watcher(empty).look().run.left == pytest.approx(88)
        now[0] += 1000
        assert Watcher(empty).look().run.left == pytest.approx(80)


@pytest.mark.parametrize("seed", range(4))
def test_time_left_is_right_within_a_fifth_after_the_first_tenth(empty, monkeypatch, seed):
    """Strategies that differ by factors, two workers, noise: simulated, the clock too."""
    rng = random.Random(seed)
    speed = {f"s{n}": 10 ** rng.uniform(-0.5, 1) for n in range(6)}
    todo = [Unit("t", label, n * 5, n * 5 + 4) for n in range(20) for label in speed]
    seconds = {unit: speed[unit.label] * rng.uniform(0.8, 1.2) for unit in todo}
    now = [1000.0]
    monkeypatch.setattr(run_log.time, "time", lambda: now[0])
    ends, free = [], [1000.0, 1000.0]
    for unit in todo:
        worker = free.index(min(free))
        free[worker] += seconds[unit]
        ends.append((free[worker], unit))
    log = RunLog(empty)
    log.started(todo, 2)
    end = max(free)
    watcher = Watcher(empty)
    for moment, unit in sorted(ends):
        now[0] = moment
        log.finished(Done(unit, 5, seconds[unit]))
        share = (moment - 1000) / (end - 1000)
        if 0.1 < share < 0.9:
            left = watcher.look().run.left
            assert left == pytest.approx(end - moment, rel=0.2)
