"""How much faster two local processes are than one, for the default experiment without its report.

    python tests/perf/two_cores.py [ROUNDS]

Runs the default experiment with one process and with two in turn, everything anew, and prints the
ratio of real times. On a machine that has other work this says little. So a second one is printed,
of processor times within the run of two: all work that one process would do (what the command does
by itself, one start of a worker, all units) over the longest chain that is left with two (the same,
and the units of the busiest worker). It leaves out waiting for the disk and for each other.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

RUN = """
import json, os, sys, time
from pathlib import Path
begin = time.perf_counter()
from nasarena.bench.experiment import experiment, registry
from nasarena.bench.execute.executor import execute
made = experiment.parse({})
done = execute(Path(sys.argv[1]), made, processes=int(sys.argv[2]))
by_worker = {}
for each in done:
    by_worker[each.worker] = by_worker.get(each.worker, 0) + each.cpu_seconds
own = os.times()
print(json.dumps({"failed": [d.error for d in done if d.error], "units": by_worker,
                  "own": own.user + own.system, "children": own.children_user + own.children_system,
                  "real": time.perf_counter() - begin}))
"""


def run(processes):
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        said = subprocess.run(
            [sys.executable, "-c", RUN, folder + "/out", str(processes)],
            check=True,
            capture_output=True,
            text=True,
        )
        took = json.loads(said.stdout) | {"real": time.perf_counter() - begin}
    if took["failed"]:
        raise SystemExit(f"units failed: {took['failed']}")
    return took


def by_processor_times(two):
    """The ratio that the processor times of a run of two processes give."""
    units = two["units"].values()
    start = (two["children"] - sum(units)) / len(units)
    return (two["own"] + start + sum(units)) / (two["own"] + start + max(units))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    real, processor = [], []
    for _ in range(rounds):
        one, two = run(1), run(2)
        real.append(one["real"] / two["real"])
        processor.append(by_processor_times(two))
        for name, took in (("one", one), ("two", two)):
            units = ", ".join(f"{seconds:.1f}" for seconds in took["units"].values())
            print(
                f"{name}: {took['real']:.1f} s; processor: {took['own']:.1f} s of its own, "
                f"{took['children']:.1f} s of its children, {units} s in units"
            )
    load = os.getloadavg()[0]
    print(
        f"real times: {median(real):.2f}; processor times: {median(processor):.2f}; load {load:.0f}"
    )


if __name__ == "__main__":
    main()
