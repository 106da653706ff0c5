"""How much faster two local processes are than one, for the default experiment without its report.

    python tests/perf/two_cores.py [ROUNDS]

Runs ``nasarena run`` with one process and with two in turn, everything anew, and prints the ratio
real times. On a machine that has other work the real times say little. So the processor time is
printed too, of the command and of its busiest worker, and the ratio that follows from it: what one
process takes over the longest chain that remains with two, which is what the command does by itself
and what its busiest worker does. It leaves out waiting for the disk and for each other.
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
from nasarena.bench import experiment, registry
from nasarena.bench.executor import execute
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


def chain(took):
    """Processor seconds of the longest chain: the command's own, and its busiest worker's."""
    workers = took["units"]
    if took["children"] < max(workers.values()):  # this process was the worker
        return took["own"]
    start = (took["children"] - sum(workers.values())) / len(workers)
    return took["own"] + start + max(workers.values())


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    real, processor = [], []
    for _ in range(rounds):
        one, two = run(1), run(2)
        real.append(one["real"] / two["real"])
        processor.append(chain(one) / chain(two))
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
