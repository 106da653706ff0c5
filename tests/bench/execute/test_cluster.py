"""What a cluster goes through, with real processes: nothing is lost, and the bits are the same."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import psutil
import pytest
from clusters import Cluster, busy, free_port, until
from plans import HERE, TASK, bits, both, plan

from nasarena.bench._base.errors import ClusterError
from nasarena.bench.execute.executor import execute
from nasarena.bench.store import manifest
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store.mirror import Mirror, pull
from nasarena.studies import data

pytest.importorskip("distributed")

from nasarena.bench.execute.dask_executor import DaskCluster

pytestmark = pytest.mark.cluster

EXPERIMENT = plan("slow", "good", seeds=40, budget={"queries": 10})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    execute(folder, plan("good", seeds=40, budget={"queries": 10}), processes=1)
    return both(bits(folder))


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as made:
        yield made


class Disturbance(threading.Thread):
    """Does something while a run goes on; ``ended`` is what has ended so far."""

    def __init__(self, what):
        super().__init__()
        self.ended, self.error, self._what = [], None, what

    def run(self):
        try:
            self._what(self.ended)
        except BaseException as error:
            self.error = error


def disturbed(root, cluster, what, experiment=EXPERIMENT, **keys):
    """Run on ``cluster`` while ``what`` is done to it; what became of the units."""
    disturbance = Disturbance(what)
    disturbance.start()
    outcomes = execute(
        root,
        experiment,
        executor=DaskCluster(cluster.address, **keys),
        finished=disturbance.ended.append,
    )
    disturbance.join()
    assert disturbance.error is None
    return outcomes


def test_workers_killed_at_random_moments(tmp_path, cluster, undisturbed):
    chance = random.Random(0)
    workers = [cluster.start_worker() for _ in range(2)]
    kills = []

    def kill(ended):
        until(lambda: ended)
        for _ in range(6):
            time.sleep(chance.uniform(0.0, 1.5))
            if len(ended) == 8:
                break
            victim = workers.pop(0)
            victim.send_signal(signal.SIGKILL)
            kills.append(len(ended))
            workers.append(cluster.start_worker())
            until(lambda: any(map(busy, workers)) or len(ended) == 8)

    outcomes = disturbed(tmp_path / "run", cluster, kill)
    assert len(kills) >= 2
    assert [done.error for done in outcomes] == [None] * 8
    assert bits(tmp_path / "run") == undisturbed


def test_a_worker_that_hangs_is_given_up(tmp_path, cluster, undisturbed):
    hung = cluster.start_worker()
    cluster.wait_for_workers(1)
    stopped = []

    def stop(ended):
        until(lambda: busy(hung))
        for process in (*psutil.Process(hung.pid).children(recursive=True), hung):
            os.kill(process.pid, signal.SIGSTOP)
        stopped.append(len(ended))
        cluster.start_worker()

    outcomes = disturbed(tmp_path / "run", cluster, stop)
    assert stopped[0] < 8
    assert [done.error for done in outcomes] == [None] * 8
    assert bits(tmp_path / "run") == undisturbed


def test_a_slow_worker_is_waited_for_and_gets_less(tmp_path, cluster, undisturbed):
    slow = cluster.start_worker()
    cluster.start_worker()
    cluster.wait_for_workers(2)

    def hinder(ended):
        """Let it run a fifth of the time."""
        until(lambda: busy(slow))
        while len(ended) < 8:
            family = [slow, *psutil.Process(slow.pid).children(recursive=True)]
            for name, seconds in (("SIGSTOP", 0.2), ("SIGCONT", 0.05)):
                for process in family:
                    os.kill(process.pid, getattr(signal, name))
                time.sleep(seconds)

    outcomes = disturbed(tmp_path / "run", cluster, hinder)
    assert [done.error for done in outcomes] == [None] * 8
    assert bits(tmp_path / "run") == undisturbed


@pytest.mark.parametrize("away", [0.0, 3.0])
def test_a_scheduler_that_is_restarted(tmp_path, cluster, undisturbed, away):
    cluster.start_worker()

    def restart(ended):
        until(lambda: ended)
        cluster.scheduler.send_signal(signal.SIGKILL)
        cluster.scheduler.wait()
        time.sleep(away)
        cluster.start_scheduler()
        cluster.start_worker()

    outcomes = disturbed(tmp_path / "run", cluster, restart)
    assert [done.error for done in outcomes] == [None] * 8
    assert len({done.unit for done in outcomes}) == 8
    assert bits(tmp_path / "run") == undisturbed


def test_a_scheduler_that_does_not_come_back_is_named(tmp_path, cluster):
    cluster.start_worker()
    cluster.wait_for_workers(1)

    def stop(ended):
        until(lambda: ended)
        cluster.scheduler.send_signal(signal.SIGKILL)

    with pytest.raises(ClusterError, match="no scheduler answers at"):
        disturbed(tmp_path / "run", cluster, stop, patience=2)
    kept = bits(tmp_path / "run")
    assert kept
    outcomes = execute(tmp_path / "run", EXPERIMENT, processes=2)
    assert len(outcomes) == 8 - len(kept)


def test_a_unit_that_kills_its_worker_is_named_and_no_other_blamed(tmp_path):
    experiment = plan("kills_its_parent", "good", "random", seeds=10)
    with Cluster(tmp_path, failures=1) as cluster:
        for _ in range(2):
            cluster.start_worker("--nanny")
        outcomes = execute(tmp_path / "run", experiment, executor=DaskCluster(cluster.address))
    errors = {done.unit: done.error for done in outcomes if done.error}
    assert {unit.label for unit in errors} == {"kills_its_parent"}
    assert len(errors) == 2
    assert all("every worker that ran it died" in error for error in errors.values())
    execute(tmp_path / "serial", plan("good", "random", seeds=10), processes=1)
    assert bits(tmp_path / "run") == bits(tmp_path / "serial")


def test_one_live_evaluation_a_gpu(tmp_path, cluster):
    trace = {"TRACE": str(tmp_path / "trace")}
    cluster.start_worker(**trace)
    gpu = cluster.start_worker("--nthreads", "4", "--resources", "GPU=1", **trace)
    cluster.wait_for_workers(2)
    live = f"{HERE}/toy.py:LIVE/a"
    experiment = plan("leaves_a_trace", tasks=[live], seeds=20)
    outcomes = execute(tmp_path / "run", experiment, executor=DaskCluster(cluster.address))
    assert [done.error for done in outcomes] == [None] * 4
    rows = [line.split() for line in (tmp_path / "trace").read_text().splitlines()]
    assert len(rows) == 20
    assert {int(row[0]) for row in rows} == {gpu.pid}
    times = sorted((float(begin), float(end)) for _, begin, end in rows)
    assert all(one[1] <= other[0] for one, other in pairwise(times))


def test_a_worker_without_the_table_gets_no_units(tmp_path, cluster, library):
    (tmp_path / "mine.csv").write_text("a,loss\n" + "".join(f"{i},{i}.5\n" for i in range(9)))
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ndecisions = ["a"]\nvalidation = {column = "loss", direction = "minimize"}\n'
    )
    (task,) = data.import_files(
        "table", [tmp_path / "mine.csv"], describe=tmp_path / "mine.toml"
    ).tasks
    experiment = plan("random", tasks=[task], seeds=10)
    cluster.start_worker(NASARENA_DATA=str(tmp_path / "empty"))
    with pytest.raises(ClusterError, match=r"it has not the table of mine/.*NASARENA_DATA"):
        execute(tmp_path / "run", experiment, executor=DaskCluster(cluster.address))
    cluster.start_worker()
    cluster.wait_for_workers(2)
    outcomes = execute(tmp_path / "run", experiment, executor=DaskCluster(cluster.address))
    assert [done.error for done in outcomes] == [None] * 2


def test_a_worker_with_other_packages_gets_no_units(tmp_path, cluster, monkeypatch):
    cluster.start_worker()
    real = manifest.versions()
    monkeypatch.setattr(manifest, "versions", lambda: real | {"numpy": "1.0"})
    with pytest.raises(ClusterError, match=r"it has numpy .*, the run expects 1\.0"):
        execute(tmp_path / "run", plan(), executor=DaskCluster(cluster.address))


def test_ctrl_c_ends_what_is_under_way_and_keeps_what_is_finished(tmp_path, cluster, undisturbed):
    worker = cluster.start_worker()
    words = ["--tasks", TASK, "--seeds", "40", "--queries", "10", "--no-report", "--no-vault"]
    names = f"{HERE}/plugins.py:good,{HERE}/plugins.py:slow"
    command = [sys.executable, "-P", "-m", "nasarena", "run", *words]
    command += ["--strategies", names, "--out", str(tmp_path / "run")]
    run = subprocess.Popen([*command, "--executor", "dask", "--scheduler", cluster.address])
    until(lambda: [*(tmp_path / "run").glob("runs/**/*slow*/*.parquet")])
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130
    until(lambda: not busy(worker))
    kept = bits(tmp_path / "run")
    assert kept.items() < undisturbed.items()
    execute(tmp_path / "run", EXPERIMENT, processes=1)
    assert bits(tmp_path / "run") == undisturbed


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of an S3 server on loopback."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    port = free_port()
    server = server_module.ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    mirror = Mirror("s3://bucket/results")
    mirror._system.mkdir("bucket")
    yield "s3://bucket/results"
    type(mirror._system).clear_instance_cache()
    server.stop()


def test_workers_write_to_s3(tmp_path, undisturbed, bucket, cluster):
    victim = cluster.start_worker()
    cluster.start_worker()
    cluster.wait_for_workers(2)

    def kill(ended):
        until(lambda: ended and busy(victim))
        victim.send_signal(signal.SIGKILL)

    disturbance = Disturbance(kill)
    disturbance.start()
    outcomes = execute(
        tmp_path / "run",
        EXPERIMENT,
        executor=DaskCluster(cluster.address, url=bucket),
        mirror=Mirror(bucket),
        finished=disturbance.ended.append,
    )
    disturbance.join()
    assert disturbance.error is None
    assert [done.error for done in outcomes] == [None] * 8
    assert bits(tmp_path / "run") == undisturbed
    assert pull(bucket, tmp_path / "pulled") == (8, [])
    assert bits(tmp_path / "pulled") == undisturbed
    assert Mirror(bucket).manifest() == manifests.read(tmp_path / "pulled")
