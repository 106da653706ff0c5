"""Results folders made by hand, so that a test knows every number in them."""

import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec.structs import replace

from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget
from nasarena.bench.core.task_facts import ColumnFacts, PerMetric, TaskFacts
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.manifest import Machine, Manifest
from nasarena.bench.store.store import Unit


def facts(test=True, noise=None):
    column = ColumnFacts("validation accuracy (of a kind)", "%", maximize=True)
    return TaskFacts(
        optimum=PerMetric(-95.0, -90.0 if test else None),
        validation=column,
        test=ColumnFacts("test accuracy", "%", maximize=True) if test else None,
        cost=ColumnFacts("training time", "s"),
        objectives={"validation": column},
        noise=PerMetric(noise, noise if test else None),
        architectures=1000,
        unique=900,
        hash="abc",
        citation="Somebody & Someone 2020",
    )


def manifest(labels, tasks, budget=None):
    experiment = Experiment(
        tasks=tuple(tasks),
        strategies=tuple(StrategySpec(x, x, {"k": 1}) for x in labels),
        seeds=3,
        budget=budget or Budget(queries=4),
    )
    return Manifest(
        name="a <test>",
        experiment=experiment,
        tasks=tasks,
        packages={"nasarena": "0.1.0", "numpy": "2"},
        python="3.11",
        machine=Machine("Linux", cores=2),
        git=None,
        created="2026-01-01T00:00:00+00:00",
    )


def with_experiment(plan, **changes):
    """The manifest with other fields in its experiment."""
    return replace(plan, experiment=replace(plan.experiment, **changes))


def frame(rows):
    """Rows of (task, strategy, seed, loss, validation) with two seconds a query."""
    made = pd.DataFrame(rows, columns=["task", "strategy", "seed", "loss", "validation"])
    made["test"] = made["validation"] + 7
    made["epochs"] = 9
    made["network"] = np.arange(len(made)) // 2
    step = made.groupby(["task", "strategy", "seed"], sort=False).cumcount() + 1
    made["step"] = step
    made["finish"] = 2.0 * step
    made["charged"] = 2.0
    made["thinking"] = 1e-5
    for name in ("task", "strategy"):
        made[name] = pd.Categorical(made[name], categories=list(dict.fromkeys(made[name])))
    return made


def synthetic(labels=("a", "b"), tasks=("t/1", "t/2"), seeds=3, steps=4, first=0):
    rng = np.random.default_rng(first)
    rows = []
    for task in tasks:
        for offset, label in enumerate(labels):
            for seed in range(first, first + seeds):
                truth = -94 + rng.random(steps) - offset / len(labels)
                rows += [(task, label, seed, v + rng.normal(), v) for v in truth]
    return frame(rows)


def write(root, data, plan):
    """The results folder ``root`` with these rows and this manifest; one unit a block of runs."""
    manifests.write(root, plan)
    for (task, label), part in data.groupby(["task", "strategy"], observed=True, sort=False):
        columns = part.drop(columns=["task", "strategy"])
        columns["replica"], columns["start"] = 0, columns["finish"] - 2
        clock = ["loss", "validation", "test", "charged", "start", "finish"]
        columns = columns.astype(dict.fromkeys(clock, float))
        table = pa.Table.from_pandas(columns, preserve_index=False)
        archs = [[n % 3, n // 3 % 4, n // 12] for n in columns["network"].tolist()]
        table = table.append_column("arch", pa.array(archs, pa.list_(pa.int16())))
        seeds = columns["seed"]
        unit = Unit(task, label, int(seeds.min()), int(seeds.max()))
        store.write_unit(root, unit, record.described(table, {}))
    return root
