"""Units on a Dask cluster: one started here, and one of processes, of which a worker dies."""

import pickle
import signal
import threading
from contextlib import suppress

import psutil
import pytest
from clusters import Cluster, busy, until
from plans import TASK, bits, both, plan

from nasarena.bench._base.errors import ClusterError
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.processes import LocalProcesses
from nasarena.bench.execute.units import Job, missing_units
from nasarena.bench.experiment import registry
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit

pytest.importorskip("distributed")

from nasarena.bench.execute import dask_worker
from nasarena.bench.execute.dask_executor import DaskCluster, shared_by


def test_a_cluster_on_this_machine_gives_the_same_bits_and_listens_to_nobody_else(tmp_path):
    experiment = plan("random", "good", "dies", "raises", seeds=25)
    addresses = set()

    def look(_):
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found = process.net_connections(kind="inet")
                addresses.update(each.laddr.ip for each in found if each.status == "LISTEN")

    execute(tmp_path / "serial", plan("random", "good", seeds=25), processes=1)
    outcomes = execute(
        tmp_path / "dask", experiment, executor=DaskCluster(processes=2), finished=look
    )
    assert bits(tmp_path / "dask") == bits(tmp_path / "serial")
    assert {done.unit.label for done in outcomes if done.error} == {"dies", "raises"}
    assert len(outcomes) == 16
    text = store.error_path(tmp_path / "dask", Unit(TASK, "raises", 0, 6)).read_text()
    assert "planted" in text
    assert addresses == {"127.0.0.1"}


def test_a_worker_that_is_killed_in_the_middle_of_a_unit_loses_nothing(tmp_path):
    experiment = plan("slow", "good", seeds=20)
    execute(tmp_path / "serial", plan("good", seeds=20), processes=1)
    ended = []
    with Cluster(tmp_path) as cluster:
        victim, _ = cluster.start_worker(), cluster.start_worker()
        cluster.wait_for_workers(2)

        def kill():
            until(lambda: busy(victim) and ended)
            victim.send_signal(signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcomes = execute(
            tmp_path / "dask",
            experiment,
            executor=DaskCluster(cluster.address),
            finished=ended.append,
        )
        killer.join()
        assert victim.wait(60) == -signal.SIGKILL
    assert [done.error for done in outcomes] == [None] * 8
    assert bits(tmp_path / "dask") == both(bits(tmp_path / "serial"))


def test_a_task_of_the_scheduler_is_a_few_names(tmp_path):
    experiment = plan("random", "good", seeds=1000)
    (unit, *_) = missing_units(tmp_path, experiment)
    task = pickle.dumps((dask_worker.work, f"nasarena-{'0' * 32}", [unit]))
    assert len(task) < 400 + len(TASK)
    many = [unit._replace(first=i) for i in range(100)]
    assert len(pickle.dumps((dask_worker.work, "name", many))) < 100 * 20 + 400 + len(TASK)


def test_a_file_that_came_from_elsewhere_is_found_by_its_name_there(tmp_path):
    source = "from nasarena.bench import strategy\n\n\n@strategy()\ndef mine(problem, rng):\n"
    source += "    while True:\n        yield problem.space.sample(rng)\n"
    here = tmp_path / "mine.py"
    here.write_text(source)
    experiment = plan(strategies=[f"{here}:mine"])
    execute(tmp_path / "serial", experiment, processes=1)
    jobs = [
        Job(
            tmp_path / folder, experiment, experiment.strategies[0], Unit(TASK, "mine", 0, 2), files
        )
        for folder, files in (("away", tmp_path / "files"), ("without", None))
    ]
    copy = registry.shipped(tmp_path / "files", str(here))
    copy.parent.mkdir(parents=True)
    here.rename(copy)
    found, missing = sorted(LocalProcesses(1).run(jobs), key=lambda done: done.error or "")
    assert found.error is None
    assert f"there is no file {here}" in missing.error
    assert bits(tmp_path / "away") == bits(tmp_path / "serial")
    (path,) = (tmp_path / "away").glob("runs/**/*.parquet")
    (same,) = (tmp_path / "serial").glob("runs/**/*.parquet")
    assert store.read_unit(path).schema.metadata == store.read_unit(same).schema.metadata


def test_the_users_files_go_to_a_worker_once(tmp_path):
    experiment = plan("random", "good", seeds=200)
    specs = {spec.label: spec for spec in experiment.strategies}
    jobs = [
        Job(tmp_path, experiment, specs[unit.label], unit)
        for unit in missing_units(tmp_path, experiment)
    ]
    shared = shared_by(jobs, None)
    assert {place.rpartition("/")[2] for place in shared.files} == {"plugins.py", "toy.py"}
    assert shared.tables == {}
    sent = sum(map(len, shared.files.values()))
    assert len(pickle.dumps(dask_worker.Desk(shared))) < sent + 3000


def test_a_scheduler_that_is_not_there_is_named(tmp_path):
    for address, message in (
        ("tcp://127.0.0.1:1", "no scheduler answers at tcp://127.0.0.1:1 within 0 s"),
        ("nonsense://x", "cannot connect to nonsense://x"),
    ):
        with pytest.raises(ClusterError, match=message):
            execute(tmp_path, plan(), executor=DaskCluster(address, patience=0))
