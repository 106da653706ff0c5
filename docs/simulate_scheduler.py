"""What a Dask scheduler can take: a real one, real connections, and workers that only pretend.

    python docs/simulate_scheduler.py --workers 10,100 --units 2000

Many workers share a few processes, and their units take no time, so a laptop can stand in for a
cluster. What is measured is the processor time of the scheduler and of the run itself, a unit,
a byte and a second of doing nothing; rates follow from that for one core that has nothing else
to do. The run is that of ``nasarena run --executor dask``; only the workers' units are not real.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from distributed import Client, Worker

from nasarena.bench.execute.batcher import RATE
from nasarena.bench.execute.dask_executor import Campaign
from nasarena.bench.execute.dask_worker import Desk, Outcome, Refusal, Shared, workers
from nasarena.bench.execute.units import Done, Job
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store import manifest
from nasarena.bench.store.store import Unit

TASK = "nasbench201/cifar10"


class Pretender(Desk):
    """Says at once that a unit is done; how large it is, and how long it took, is a setting."""

    def setup(self, worker: Any) -> None:
        settings = self._shared.specs["pretended"].settings
        self._size, self._seconds = settings["size"], settings["seconds"]

    def teardown(self, worker: Any) -> None:
        pass

    def run(self, units: list[Unit]) -> list[Outcome] | Refusal:
        size, taken = self._size, self._seconds
        return [Outcome(Done(unit, 1, taken), os.urandom(size)) for unit in units]


class Pretended(Campaign):
    desk = Pretender


def host(address: str, count: int) -> None:
    """Be ``count`` workers."""

    async def be() -> None:
        made = [
            Worker(address, nthreads=1, host="127.0.0.1", dashboard=False, memory_limit=0)
            for _ in range(count)
        ]
        for start in range(0, count, 20):
            await asyncio.gather(*made[start : start + 20])
        await asyncio.gather(*(worker.finished() for worker in made))

    asyncio.run(be())


def seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(count: int, units: int, size: int, claimed: float, idle: float) -> dict[str, float]:
    """Run ``units`` of ``size`` bytes on ``count`` workers; processor seconds a unit, and rates."""
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        started: list[subprocess.Popen[bytes]] = []

        def start(*words: str) -> psutil.Process:
            process = subprocess.Popen(
                [sys.executable, "-P", *words], cwd=folder, stdout=nowhere, stderr=nowhere
            )
            started.append(process)
            return psutil.Process(process.pid)

        try:
            file = Path(folder) / "scheduler.json"
            words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
            scheduler = start("-m", "dask", "scheduler", *words, "--scheduler-file", str(file))
            while not file.exists() or not file.stat().st_size:
                time.sleep(0.1)
            with Client(scheduler_file=str(file), set_as_default=False) as client:
                address = client.scheduler.address
                for part in (count // 2, count - count // 2):
                    start(str(Path(__file__).resolve()), "--host", address, str(part))
                while len(client.run_on_scheduler(workers)) < count:
                    time.sleep(0.5)
                time.sleep(3)
                begin = seconds(scheduler)
                time.sleep(idle)
                resting = (seconds(scheduler) - begin) / idle
                return {
                    "resting": resting,
                    **_run(client, scheduler, Path(folder), units, size, claimed),
                }
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()


def _run(
    client: Client, scheduler: psutil.Process, root: Path, units: int, size: int, claimed: float
) -> dict[str, float]:
    spec = StrategySpec("random", "pretended", {"size": size, "seconds": claimed})
    experiment = Experiment(tasks=(), strategies=())
    jobs = [Job(root, experiment, spec, Unit(TASK, "pretended", i, i)) for i in range(units)]
    shared = Shared(experiment, {"pretended": spec}, {}, {}, manifest.versions(), None)
    me = psutil.Process()
    before = seconds(scheduler), seconds(me), time.monotonic()
    ended = sum(1 for _ in Pretended(client, shared, jobs).run())
    after = seconds(scheduler), seconds(me), time.monotonic()
    assert ended == units
    used, mine, wall = (b - a for a, b in zip(before, after, strict=True))
    return {"scheduler": used / units, "run": mine / units, "rate": units / wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", nargs=2, metavar=("ADDRESS", "COUNT"), help=argparse.SUPPRESS)
    parser.add_argument("--workers", default="10,100", help="numbers of workers")
    parser.add_argument("--units", type=int, default=2000, help="units a measurement")
    parser.add_argument("--bytes", default="0,440000", help="bytes that a unit sends back")
    parser.add_argument(
        "--seconds", default="5", help="that a unit claims to take: short ones share a task"
    )
    parser.add_argument("--idle", type=float, default=10.0, help="seconds to watch it do nothing")
    given = parser.parse_args()
    if given.host:
        with suppress(KeyboardInterrupt):
            host(given.host[0], int(given.host[1]))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, RATE {RATE:g} tasks a second")
    print("| workers | a unit | scheduler at rest | scheduler a unit | the run a unit | units/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count in map(int, given.workers.split(",")):
        for size in map(int, given.bytes.split(",")):
            for claimed in map(float, given.seconds.split(",")):
                found = measure(count, given.units, size, claimed, given.idle)
                print(
                    f"| {count:,} | {size:,} bytes, {claimed:g} s "
                    f"| {found['resting']:.1%} of a core "
                    f"| {found['scheduler'] * 1e3:.2f} ms | {found['run'] * 1e3:.2f} ms "
                    f"| {found['rate']:,.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
