"""The small tasks of the conformance kit: made up, with all that a table can have, in no file.

- ``small/conditional``: decisions that count only under a choice of an earlier one (one of them
  only under another that does), spellings that name no network, 6,336 networks.
- ``small/plain``: the same decisions without conditions, every one of 10,368 spellings a network.
- ``small/pool``: 150 of those, the only ones that exist.
- ``small/cells``: the cells of NAS-Bench-201 with a supernet, for strategies that share weights.

Each has three fidelities, three training seeds, test losses, two more objectives and a proxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from ...spaces import (
    Arch,
    Column,
    Condition,
    Decision,
    MissingPackage,
    PoolSpace,
    SearchSpace,
    Table,
    TableBenchmark,
)
from ...spaces.published import nasbench201
from ...spaces.table import Rows
from ..core.contracts import Task
from ..core.task import TableTask
from ..experiment import registry

DATASETS = ("conditional", "plain", "pool")
SHARED = "cells"
"""The one with a supernet. It needs torch, and no other strategy is tried on it."""
EPOCHS = (1, 3, 9)
REPLICAS = 3


class _Forbidding(SearchSpace):
    """The widest layer with the last normalization names no network."""

    def is_valid(self, arch: Arch) -> bool:
        return super().is_valid(arch) and (arch[2], arch[4]) != (3, 2)


def _decisions(*, conditional: bool) -> list[Decision]:
    def where(decision: int, *choices: int) -> Condition | None:
        return Condition(decision, frozenset(choices)) if conditional else None

    return [
        Decision("cells", ("0", "1", "2", "3")),
        Decision("kind", ("sequential", "dense", "residual"), where(0, 1, 2, 3)),
        Decision("width", ("8", "16", "32", "64")),
        Decision("skip", ("no", "yes"), where(1, 1, 2)),
        Decision("norm", ("none", "batch", "layer")),
        Decision("activation", ("relu", "tanh", "gelu")),
        Decision("pool", ("none", "max", "mean")),
        Decision("rate", ("0.1", "0.03", "0.01", "0.003")),
    ]


@cache
def _space(dataset: str) -> SearchSpace:
    if dataset == SHARED:
        return nasbench201.SPACE
    if dataset == "conditional":
        return _Forbidding("small-conditional", _decisions(conditional=True))
    plain = SearchSpace("small-plain", _decisions(conditional=False))
    if dataset == "plain":
        return plain
    members = Random(0).sample(list(plain), 150)
    return PoolSpace("small-pool", plain.decisions, members)


def _read(space: SearchSpace) -> Rows:
    """One row a canonical spelling; accuracy rises with epochs, time with size and epochs."""
    every = [space.arch(number) for number in range(space.spellings)]
    canonical = [space.index(space.canonical(a)) if space.is_valid(a) else -1 for a in every]
    spelling = np.unique([number for number in canonical if number >= 0])
    rows = np.array([every[number] for number in spelling], np.float64)
    noise = np.random.default_rng(0)
    quality = 60 + 20 * np.sin(rows @ np.arange(1, rows.shape[1] + 1)) + rows[:, 2] * 3
    epochs = np.array(EPOCHS, np.float64)
    learned = quality[:, None, None] * (1 - np.exp(-epochs / 2))[:, None]
    shape = (len(rows), len(EPOCHS), REPLICAS)
    size = 1 + rows[:, 0] * (1 + rows[:, 2])

    def same(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.broadcast_to(values[:, None, None], shape).copy()

    columns = {
        "validation": learned + noise.normal(0, 0.5, shape),
        "test": learned - 3 + noise.normal(0, 0.5, shape),
        "seconds": (10 + size)[:, None, None] * epochs[:, None] * noise.uniform(0.9, 1.1, shape),
        "latency": same(0.1 + size / 10),
        "energy": same(5 - rows[:, 4]),
        "parameters": same(size),
    }
    columns["seconds"].sort(axis=1)
    return Rows(EPOCHS, columns, spelling.astype(np.int32), np.array(canonical, np.int32))


class _SmallBenchmark(TableBenchmark):
    """Its tables are made, not read; they need no cache."""

    def open(self, dataset: str, cache_dir: Path | None = None) -> Table:
        return Table.from_rows(_read(self.space(dataset)), "small")


BENCHMARK = _SmallBenchmark(
    name="small",
    datasets=DATASETS,
    space=_space,
    source=lambda dataset: Path(),
    read=lambda path, dataset: _read(_space(dataset)),
    columns=(
        Column("validation", "%", True, "validation accuracy"),
        Column("test", "%", True, "test accuracy"),
        Column("seconds", "s", False, "training time"),
        Column("latency", "s", False, "latency"),
        Column("energy", "J", False, "energy"),
        Column("parameters", "M", False, "parameters", proxy=True),
    ),
    citation="made up",
)


@cache
def small(dataset: str, *objectives: str) -> TableTask:
    """``small/<dataset>``, with further objectives if any are named."""
    kind = TableTask if dataset != SHARED else _with_supernet()
    return kind("+".join([f"small/{dataset}", *objectives]), BENCHMARK, dataset, objectives)


def _with_supernet() -> type[TableTask]:
    from .shared_weights import SmallCells

    return SmallCells


def task(task_id: str) -> Task:
    """A small task or a registered one, by its id."""
    stem, _, objectives = task_id.partition("+")
    name, _, dataset = stem.rpartition("/")
    if name == BENCHMARK.name and dataset in (*DATASETS, SHARED):
        return small(dataset, *filter(None, objectives.split("+")))
    return registry.task(task_id)


def one_of_each_space(task_ids: Sequence[str]) -> list[str]:
    """The first task of every search space among these; all of those that cannot be opened."""
    found: dict[object, str] = {}
    for task_id in task_ids:
        try:
            space = task(task_id).space
        except (MissingPackage, FileNotFoundError):
            found[task_id] = task_id
            continue
        found.setdefault((type(space), space.name, space.decisions), task_id)
    return list(found.values())
