"""Listing and resuming a store of 10,000 units: 5 real tasks, 40 strategies, 50 units each.

``python tests/perf/many_units.py FOLDER`` makes the store once (a minute, 0.1 GB, its numbers are
made up) and says how long it takes to list it, to ask for its status, and to find that nothing is
missing; each in a process of its own, the first time and again.
"""

import subprocess
import sys
from pathlib import Path
from time import perf_counter

from large_report import rows
from memory import measure

from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import registry
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit

TASKS = ("nasbench201/cifar10", "nasbench201/cifar100", "nasbench-graph/cora")
TASKS += ("nasbench-graph/citeseer", "fcnet/naval")
STRATEGIES, UNITS, SEEDS, QUERIES = 40, 50, 50, 2


def plan() -> experiments.Experiment:
    """An experiment of 10,000 units."""
    labels = [f"random-{n:02}" for n in range(STRATEGIES)]
    return experiments.parse(
        {
            "name": "10,000 units",
            "tasks": list(TASKS),
            "strategies": [{"name": "random", "label": label} for label in labels],
            "seeds": UNITS * SEEDS,
            "budget": {"queries": QUERIES},
        }
    )


def make(root: Path) -> None:
    """The store, every unit of it finished."""
    experiment = plan()
    for task in experiment.tasks:
        data = registry.task(task).hash
        for spec in experiment.strategies:
            for first in range(0, experiment.seeds, SEEDS):
                unit = Unit(task, spec.label, first, first + SEEDS - 1)
                store.write_unit(root, unit, rows(unit, QUERIES, 1.0, data))
    manifests.write(root, manifests.new(experiment))


RESUME = """
import sys
from pathlib import Path
from nasarena.bench.store import manifest as manifests
from nasarena.bench.execute.executor import execute
root = Path(sys.argv[1])
made = manifests.experiment(root)
assert execute(root, made) == []
"""


def main(root: Path) -> None:
    if not (root / "manifest.json").exists():
        begin = perf_counter()
        make(root)
        print(f"made in {perf_counter() - begin:.0f} s")
    commands = {
        "nasarena store list": ["nasarena", "store", "list", str(root)],
        "nasarena store list --json": ["nasarena", "store", "list", str(root), "--json"],
        "nasarena status": ["nasarena", "status", str(root)],
        "finding that nothing is missing": [sys.executable, "-c", RESUME, str(root)],
    }
    for what, words in commands.items():
        (root / ".index.json").unlink(missing_ok=True)
        for turn in ("first", "again"):
            print(f"{what}, {turn}: {measure(words, stdout=subprocess.DEVNULL)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
