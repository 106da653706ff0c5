"""Results folders made by hand, so that a test knows every number in them."""

import numpy as np
import pandas as pd
import pyarrow as pa

from nasarena.bench.core import record
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit


def facts(test=True, noise=None):
    column = {"label": "validation accuracy (of a kind)", "unit": "%", "maximize": True}
    return {
        "optimum": {"validation": -95.0, "test": -90.0 if test else None},
        "validation": column,
        "test": {**column, "label": "test accuracy"} if test else None,
        "cost": {"label": "training time", "unit": "s", "maximize": False},
        "objectives": {"validation": column},
        "noise": {"validation": noise, "test": noise if test else None},
        "architectures": 1000,
        "unique": 900,
        "hash": "abc",
        "citation": "Somebody & Someone 2020",
    }


def manifest(labels, tasks, budget=None):
    return {
        "schema": store.SCHEMA,
        "name": "a <test>",
        "experiment": {
            "tasks": list(tasks),
            "strategies": [{"label": x, "name": x, "settings": {"k": 1}} for x in labels],
            "seeds": 3,
            "seed": 0,
            "budget": budget or {"queries": 4, "epochs": None, "seconds": None},
            "workers": 1,
            "noise": "sampled",
            "duplicates": "charge",
        },
        "tasks": tasks,
        "packages": {"nasarena": "0.1.0", "numpy": "2"},
        "python": "3.11",
        "machine": {"system": "Linux", "cores": 2},
        "git": None,
        "created": "2026-01-01T00:00:00+00:00",
    }


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
    store.write_manifest(root, plan)
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
