"""How much longer a run takes on a Dask cluster of this machine than in local processes.

``python tests/perf/dask_overhead.py`` runs the same units of five seconds both ways, in turns, and
says the ratio of the times: of whole runs, the start of processes and cluster included, and from
the first unit's end to the last one's. The units wait instead of computing, so that what else runs
on the machine changes less; with ``--busy`` they compute.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from nasarena.bench import strategy
from nasarena.bench.execute.dask_executor import DaskCluster
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.processes import LocalProcesses
from nasarena.bench.experiment import experiment as experiments

SEEDS = 5  # a unit: one second each
STEP = 1 / 3  # seconds: a generator of two queries is gone on with three times


@strategy()
def waits(problem, rng):
    while True:
        time.sleep(STEP)
        yield problem.space.sample(rng)


@strategy()
def computes(problem, rng):
    while True:
        until = time.process_time() + STEP
        while time.process_time() < until:
            pass
        yield problem.space.sample(rng)


def seconds(executor, name, units):
    """How long a run of so many units takes, and how long from the first one's end on."""
    made = experiments.parse(
        {
            "tasks": ["nasbench201/cifar10"],
            "strategies": [
                {"name": f"{Path(__file__).resolve()}:{name}", "label": f"{name} {number}"}
                for number in range(units)
            ],
            "seeds": SEEDS,
            "budget": {"queries": 2},
        }
    )
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        outcomes = execute(
            Path(folder) / "results",
            made,
            executor=executor,
            finished=lambda _: ends.append(time.perf_counter()),
        )
        taken = time.perf_counter() - begin
    assert [done.error for done in outcomes] == [None] * units
    return taken, ends[-1] - ends[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=16, help="units a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind")
    parser.add_argument("--processes", type=int, default=2, help="units at once")
    parser.add_argument("--busy", action="store_true", help="compute instead of waiting")
    given = parser.parse_args()
    name = "computes" if given.busy else "waits"
    ratios = []
    for _ in range(given.repeats):
        local = seconds(LocalProcesses(given.processes), name, given.units)
        dask = seconds(DaskCluster(processes=given.processes), name, given.units)
        ratios.append((dask[0] / local[0], dask[1] / local[1]))
        print(
            f"{given.units} units of 5 s, {given.processes} at once: local {local[0]:.1f} s, "
            f"Dask {dask[0]:.1f} s, ratio {ratios[-1][0]:.3f}; from the first end on "
            f"{ratios[-1][1]:.3f}; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    whole, after = (median(each) for each in zip(*ratios, strict=True))
    print(f"median of the ratios: {whole:.3f}, from the first end on {after:.3f}")


if __name__ == "__main__":
    main()
