"""What a unit's code does to its process stays with the unit."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import plugins
import pytest

from nasarena.bench.execute import executor, processes
from nasarena.bench.execute.executor import ThisProcess, execute
from nasarena.bench.execute.processes import LocalProcesses, contained
from nasarena.bench.execute.units import Job, missing_units
from nasarena.bench.experiment import experiment
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are contained on POSIX")


def plan(*strategies, **keys):
    """Strategies are names in plugins.py, or tables with such a name."""
    entries = [{"name": s} if isinstance(s, str) else dict(s) for s in strategies]
    for entry in entries:
        entry["name"] = f"{HERE}/plugins.py:{entry['name']}"
    given = {"tasks": [TASK], "strategies": entries, "seeds": 3, "budget": {"queries": 5}}
    return experiment.parse(given | keys)


def run(root, made, width=2, **keys):
    """label -> what became of its first unit."""
    outcomes = execute(root, made, executor=LocalProcesses(width), **keys)
    assert sorted(done.unit for done in outcomes) == sorted({done.unit for done in outcomes})
    return {done.unit.label: done for done in reversed(outcomes)}


def jobs(root, made):
    specs = {spec.label: spec for spec in made.strategies}
    return [Job(root, made, specs[unit.label], unit) for unit in missing_units(root, made)]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids, within=5.0):
    until = time.monotonic() + within
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def children():
    from nasarena.bench.execute.worker import descendants

    return set(descendants(os.getpid()))


def test_hanging_units_are_killed_and_say_where_they_hung(tmp_path):
    names = ("hangs_in_c", "hangs_in_numpy", "swallows_everything")
    done = run(tmp_path, plan(*names, "good", timeout=0.5), width=3)
    assert done["good"].error is None
    for name in names:
        assert f"'{name}' on {TASK}, seed 0: no answer within the time-out of 0.5 s" in (
            done[name].error
        )
        assert f"in {name}" in done[name].traceback
        assert done[name].seed == 0
    assert set(store.read(tmp_path).strategy) == {"good"}


def test_the_seed_that_hangs_is_named(tmp_path):
    done = run(tmp_path, plan("hangs_at_seed_two", timeout=0.3), width=1)["hangs_at_seed_two"]
    assert done.seed == 2
    text = store.error_path(tmp_path, done.unit).read_text()
    assert f"nasarena run --out {tmp_path} --only {TASK}:hangs_at_seed_two:2\n" in text


def test_a_unit_that_kills_its_process_twice_is_guilty(tmp_path):
    guilty = {
        "dies": ("with exit code 3", ""),
        "dies_happily": ("with exit code 0", "good-bye"),
        "kills_itself": ("by signal 9, Killed (out of memory?)", ""),
        "segfaults": ("by signal 11, Segmentation fault", "in segfaults"),
    }
    done = run(tmp_path, plan(*guilty, "good", seeds=2))
    assert done["good"].error is None
    for name, (how, printed) in guilty.items():
        why = f"its process died {how}, twice"
        assert done[name].error == f"strategy {name!r} on {TASK}, seed 0: {why}"
        assert printed in done[name].output
        assert printed in store.error_path(tmp_path, done[name].unit).read_text()


def test_a_lost_process_costs_its_unit_nothing(tmp_path):
    once = {"name": "dies_once", "mark": str(tmp_path / "mark"), "label": "dies_once"}
    done = run(tmp_path / "out", plan(once, "good"))
    assert done["dies_once"].error is None
    assert (tmp_path / "mark").exists()
    assert len(store.read(tmp_path / "out")) == 2 * 3 * 5


def test_workers_that_are_killed_from_outside_are_replaced(tmp_path):
    made = plan("good", seeds=60)
    before = children()
    killed = set()

    def finished(done):
        assert done.error is None
        if len(killed) < 3:
            workers = children() - before - killed
            killed.add(victim := sorted(workers)[0])
            os.kill(victim, signal.SIGKILL)

    outcomes = execute(tmp_path, made, executor=LocalProcesses(2), finished=finished)
    assert len(outcomes) == 4
    assert len(store.read(tmp_path)) == 60 * 5


def test_memory_is_limited(tmp_path):
    done = run(tmp_path, plan("allocates", "good", memory=512))
    assert done["good"].error is None
    assert "allocates" in done["allocates"].error
    assert "MemoryError" in done["allocates"].error
    assert "Traceback" in done["allocates"].traceback


def test_what_leaks_is_replaced(tmp_path):
    leaky = {"name": "leaks", "label": "leaks", "mebibytes": 120}
    made = plan(leaky, "good", seeds=1, memory=200)
    outcomes = execute(tmp_path, made, executor=LocalProcesses(1))
    assert [(done.unit.label, done.error) for done in outcomes] == [("leaks", None), ("good", None)]
    assert len({done.worker for done in outcomes}) == 2


def test_megabytes_of_output_are_kept_from_the_terminal(tmp_path, capfd):
    done = run(tmp_path, plan("prints", "good"))
    assert done["good"].error is None
    said = done["prints"].output
    assert len(said) <= 16_384
    assert said.endswith("said by a child\nthe last word")
    assert capfd.readouterr() == ("", "")
    assert "the last word" in store.error_path(tmp_path, done["prints"].unit).read_text()


@pytest.mark.parametrize("where", [ThisProcess(), LocalProcesses(2)])
def test_an_interrupt_by_a_strategy_is_its_own(tmp_path, where):
    outcomes = execute(tmp_path, plan("interrupts", "exits", "good"), executor=where)
    errors = {done.unit.label: done.error for done in outcomes}
    assert errors == {"interrupts": "KeyboardInterrupt()", "exits": "SystemExit(3)", "good": None}


def test_what_forks_leaves_nothing_behind(tmp_path):
    pids = tmp_path / "pids"
    forking = {"name": "forks", "label": "forks", "pids": str(pids)}
    before = children()
    done = run(tmp_path / "out", plan(forking, "good", seeds=2))
    assert [d.error for d in done.values()] == [None, None]
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 8
    assert gone(started)
    assert children() <= before


def test_what_leaves_a_thread_gets_no_second_unit(tmp_path):
    outcomes = execute(tmp_path, plan("leaves_a_thread", seeds=10), executor=LocalProcesses(1))
    assert [done.error for done in outcomes] == [None, None]
    assert len({done.worker for done in outcomes}) == 2


def test_state_is_put_back_in_this_process(tmp_path):
    before = plugins.global_state()
    outcomes = execute(tmp_path, plan("changes_everything"), executor=ThisProcess())
    assert outcomes[0].error is None
    after = plugins.global_state()
    assert {k: v for k, v in after.items() if v != before[k]} == {}


@pytest.mark.parametrize("where", [ThisProcess(), LocalProcesses(1)])
def test_state_does_not_reach_the_next_unit(tmp_path, where):
    """Alone, and after a unit that has changed everything there is."""
    execute(tmp_path / "alone", plan("depends_on_everything"), executor=where)
    spoilt = plan("changes_everything", "depends_on_everything")
    (done, after) = execute(tmp_path / "after", spoilt, executor=where)
    assert done.unit.label == "changes_everything"
    assert (done.error, after.error) == (None, None)
    prints = [store.fingerprints(tmp_path / name)[after.unit] for name in ("alone", "after")]
    assert prints[0] == prints[1]


@pytest.mark.parametrize("where", [ThisProcess(), LocalProcesses(1)])
def test_a_unit_that_changes_folder_is_kept_where_it_belongs(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    (done,) = execute(Path("out"), plan("changes_everything"), executor=where)
    assert done.error is None
    assert store.unit_path(tmp_path / "out", done.unit).exists()
    assert len(store.read("out")) == 15


def test_global_generators_are_seeded_for_each_run(tmp_path):
    for name, seeds in (("whole", 6), ("half", 3)):
        random.seed(time.time())
        execute(tmp_path / name, plan("uses_global_random", seeds=seeds), executor=ThisProcess())
    execute(tmp_path / "half", plan("uses_global_random", seeds=6), executor=LocalProcesses(1))
    whole, parts = (store.read(tmp_path / x).drop(columns="thinking") for x in ("whole", "half"))
    assert whole.astype({"arch": str}).equals(parts.astype({"arch": str}))
    assert whole.arch.astype(str).nunique() > 5


@pytest.mark.parametrize("width", [1, 3])
def test_the_same_bits_in_any_order_by_any_number_with_bad_ones_between(tmp_path, width):
    good = plan("good", "uses_global_random", "depends_on_everything", seeds=10)
    execute(tmp_path / "serial", good, executor=LocalProcesses(1))
    bad = ("dies", "raises", "exits", "changes_everything", "hangs_in_c")
    mixed = plan(*bad, *(spec.label for spec in good.strategies), seeds=10, timeout=0.3)
    manifests.write(tmp_path / "mixed", manifests.read(tmp_path / "serial"))
    shuffled = [
        job
        for job in jobs(tmp_path / "mixed", mixed)
        if job.unit.label not in bad or not job.unit.first
    ]
    random.Random(width).shuffle(shuffled)
    outcomes = list(LocalProcesses(width).run(shuffled))
    assert len(outcomes) == len(shuffled)
    assert {d.unit.label for d in outcomes if d.error} == set(bad) - {"changes_everything"}
    serial, found = (store.fingerprints(tmp_path / name) for name in ("serial", "mixed"))
    assert serial == found
    assert len(serial) == 6


def test_closing_ends_what_is_under_way(tmp_path):
    before = children()
    slow = plan("good", "swallows_everything", timeout=60)
    with closing(LocalProcesses(2).run(jobs(tmp_path, slow))) as outcomes:
        assert next(outcomes).unit.label == "good"
        assert children() - before
    assert gone(children() - before)


def test_a_process_that_cannot_start_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(processes.WorkerError, match="did not start: its process died with exit co"):
        list(LocalProcesses(2).run(jobs(tmp_path, plan("good"))))


PARENT = """
import sys
sys.path[:0] = {folders!r}
from pathlib import Path
from test_processes import execute, plan, LocalProcesses
forking = {{"name": "forks", "label": "forks", "pids": {pids!r}}}
execute(Path({out!r}), plan(forking, "hangs_in_c", timeout=600, budget={{"queries": 10**9}}),
        executor=LocalProcesses(2))
"""


def test_nothing_outlives_a_parent_that_is_killed(tmp_path):
    """Also not what holds the interpreter's lock, nor what a unit has started."""
    pids = tmp_path / "pids"
    names = {
        "folders": [str(HERE), str(Path(__file__).parent)],
        "pids": str(pids),
        "out": str(tmp_path / "out"),
    }
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(**names)])
    from nasarena.bench.execute.worker import descendants

    until = time.monotonic() + 30
    while not pids.exists() or pids.read_text().count(" ") < 4:
        assert time.monotonic() < until
        time.sleep(0.02)
    started = descendants(parent.pid)
    assert len(started) >= 5
    parent.kill()
    parent.wait()
    daemon = int(pids.read_text().split()[2])  # has left the session: see docs/reliability.md
    assert gone(set(started) - {daemon})
    os.kill(daemon, signal.SIGKILL)


def test_contained_units_of_several_threads(tmp_path):
    made = plan("good", "dies", "hangs_in_c", timeout=0.3)
    found = {}

    def one(job):
        found[job.unit.label] = contained(job)

    threads = [threading.Thread(target=one, args=(job,)) for job in jobs(tmp_path, made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["good"].error is None
    assert found["good"].queries == 15
    assert "twice" in found["dies"].error
    assert "time-out" in found["hangs_in_c"].error
    kept = children()
    again = contained(jobs(tmp_path, plan("exits"))[0])
    assert again.error == "SystemExit(3)"
    assert children() == kept  # by a process that was there


def test_a_unit_tells_what_it_took(tmp_path):
    for where in (ThisProcess(), LocalProcesses(1)):
        (job,) = jobs(tmp_path / where.__class__.__name__, plan("good"))
        before = time.time()
        (done,) = where.run([job])
        assert before <= done.started <= time.time()
        assert done.cpu_seconds > 0
        assert 0 < done.seconds < 60
        assert 10**7 < done.peak_memory < 10**10
        assert done.worker


def test_one_process_is_this_one():
    assert isinstance(executor.local(1), ThisProcess)
    assert executor.local(3).width == 3
