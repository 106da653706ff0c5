"""A big results folder listed, filtered, reported and compacted: 20 strategies on 20 tasks.

``python tests/perf/large_report.py FOLDER --million 100`` makes the folder once (minutes; a million
rows take 57 MB): runs of 1,000 queries, as many as make so many million rows. Then it says how long
each command takes on it, and how much memory all its processes take at most.
"""

import argparse
import subprocess
import zlib
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from memory import measure

from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget
from nasarena.bench.core.task_facts import ColumnFacts, PerMetric, TaskFacts
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.manifest import Manifest
from nasarena.bench.store.store import Unit

SHAPE = (20, 20, 100, 1000)
BLOCK = 50
COLUMN = ColumnFacts("validation accuracy", "%", maximize=True)
FACTS = TaskFacts(
    hash="made-up",
    validation=COLUMN,
    test=ColumnFacts("test accuracy", "%", maximize=True),
    cost=ColumnFacts("training time", "s"),
    optimum=PerMetric(-95.0, -94.0),
    noise=PerMetric(0.1, 0.1),
    objectives={"validation": COLUMN},
    architectures=15625,
    unique=6466,
    citation="made up",
)


def make(root: Path, shape: tuple[int, int, int, int] = SHAPE) -> None:
    """A results folder of made-up runs: tasks, strategies, seeds, queries."""
    many, strategies, seeds, queries = shape
    tasks = [f"made-up/{n:02}" for n in range(many)]
    labels = [f"strategy-{n:02}" for n in range(strategies)]
    experiment = Experiment(
        tasks=tuple(tasks),
        strategies=tuple(StrategySpec(label, label) for label in labels),
        seeds=seeds,
        budget=Budget(queries=queries),
    )
    plan = Manifest(name="a big store", experiment=experiment, tasks=dict.fromkeys(tasks, FACTS))
    for task in tasks:
        for number, label in enumerate(labels):
            for first in range(0, seeds, BLOCK):
                unit = Unit(task, label, first, min(first + BLOCK, seeds) - 1)
                speed = 1 + number / strategies
                store.write_unit(root, unit, rows(unit, queries, speed))
    manifests.write(root, plan)


def rows(unit: Unit, queries: int, speed: float, data: str = FACTS.hash) -> pa.Table:
    """The record of some runs of one strategy: the same at every call.

    ``data`` is the hash of the table that it says it was made on.
    """
    seeds = range(unit.first, unit.last + 1)
    rng = np.random.default_rng(zlib.crc32(str(unit).encode()))
    n = len(seeds) * queries
    step = np.tile(np.arange(1, queries + 1), len(seeds))
    truth = -95 + rng.exponential(5 / speed, n)
    cost = rng.uniform(100, 200, n)
    network = rng.integers(0, 6466, n)
    archs = np.stack([network // 5**k % 5 for k in range(6)], axis=1).astype(np.int16)
    columns = {
        "seed": np.repeat(np.array(seeds), queries).astype(np.int32),
        "step": step.astype(np.int32),
        "arch": pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32) * 6, archs.reshape(-1)),
        "network": network,
        "epochs": np.full(n, 200, dtype=np.int32),
        "replica": np.zeros(n, dtype=np.int16),
        "loss": truth + rng.normal(0, 0.2, n),
        "validation": truth,
        "test": truth + 1 + rng.normal(0, 0.1, n),
        "start": np.zeros(n),
        "finish": np.cumsum(cost.reshape(len(seeds), queries), axis=1).reshape(-1),
        "charged": cost,
        "thinking": rng.exponential(1e-5, n),
    }
    about = {"task": unit.task, "label": unit.label, "data": data}
    return record.described(pa.table(columns), about)


def main(root: Path, million: int, formats: str) -> None:
    if not (root / "manifest.json").exists():
        begin = perf_counter()
        many, strategies, _, queries = SHAPE
        make(root, (many, strategies, million * 10**6 // (many * strategies * queries), queries))
        print(f"made in {perf_counter() - begin:.0f} s", flush=True)
    where = "validation < -94.99 and step <= 500"
    columns = "task,strategy,seed,step,validation"
    found = root.with_name(f"{root.name}-found.parquet")
    to_file = ["--columns", columns, "--out", str(found)]
    steps = {
        "list": ["store", "list", str(root)],
        "list again": ["store", "list", str(root)],
        "filter": ["store", "filter", str(root), "--where", where],
        "filter to a file": ["store", "filter", str(root), "--where", where, *to_file],
        "report": ["report", str(root), "--format", formats],
        "compact": ["store", "compact", str(root)],
        "list, compacted": ["store", "list", str(root)],
        "filter, compacted": ["store", "filter", str(root), "--where", where],
        "report, compacted": ["report", str(root), "--format", formats],
        "status": ["status", str(root)],
    }
    for what, words in steps.items():
        found.unlink(missing_ok=True)
        print(f"{what}: {measure(['nasarena', *words], stdout=subprocess.DEVNULL)}", flush=True)
    found.unlink(missing_ok=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--million", type=int, default=40, help="million rows")
    options.add_argument("--format", default="html,md,csv,tex,png,pdf")
    given = options.parse_args()
    main(given.folder, given.million, given.format)
