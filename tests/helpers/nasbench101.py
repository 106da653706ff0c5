"""The 20,001 cells sampled from NAS-Bench-101 as a task, for tests of several fidelities.

Epochs 4, 12, 36 and 108, one repeat. The sample holds one training time for each cell, that of
108 epochs; fewer epochs take their share of it.
"""

from __future__ import annotations

import csv
import gzip
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np

from nasarena.bench.core.task import TableTask
from nasarena.spaces import Column, Decision, PoolSpace, Table

FILE = Path(__file__).parents[3] / "shared/data/nasbench101_20001_cells.csv.gz"
EPOCHS = (4, 12, 36, 108)
EDGES = tuple(f"{a}-{b}" for a, b in combinations(range(7), 2))


def spell(row: dict[str, str]) -> tuple[int, ...]:
    """21 edges and five operations; the output of a smaller cell is moved to vertex 6."""
    last = int(row["n_vertices"]) - 1
    ends = [edge.split("-") for edge in row["edges"].split(";")]
    moved = {"-".join("6" if int(v) == last else v for v in edge) for edge in ends}
    operations = [1 + int(op) for op in row["ops"]]
    padding = [0] * (5 - len(operations))
    return (*(int(edge in moved) for edge in EDGES), *operations, *padding)


class Sample:
    name = "nasbench101-sample"
    datasets = ("cifar10",)
    citation = "Ying et al. 2019, arXiv:1902.09635"
    columns = (
        Column("validation", "%", True, "validation accuracy"),
        Column("seconds", "s", False, "training time"),
        Column("parameters", "", False, "parameters", proxy=True),
    )

    def __init__(self) -> None:
        with gzip.open(FILE, "rt") as file:
            cells = {spell(row): row for row in csv.DictReader(file)}
        decisions = [
            *(Decision(edge, ("no", "yes")) for edge in EDGES),
            *(Decision(f"op {n}", ("none", "conv3", "conv1", "pool")) for n in range(1, 6)),
        ]
        self._space = PoolSpace("nasbench101-sample", decisions, cells)
        rows = [cells[arch] for arch in self._space]
        accuracy = [[float(row[f"val{e}"]) * 100 for e in EPOCHS] for row in rows]
        seconds = np.array([float(row["time"]) for row in rows])
        share = np.array(EPOCHS) / EPOCHS[-1]
        parameters = np.array([float(row["params"]) for row in rows])
        shape = (len(rows), len(EPOCHS), 1)
        number = np.arange(len(rows), dtype=np.int32)
        columns = {
            "validation": np.array(accuracy).reshape(shape),
            "seconds": (seconds[:, None] * share).reshape(shape),
            "parameters": np.broadcast_to(parameters[:, None, None], shape).copy(),
        }
        self._table = Table(
            EPOCHS, columns, spelling=number, canonical=number, row_of=number, hash="sample"
        )

    def space(self, dataset: str) -> PoolSpace:
        return self._space

    def open(self, dataset: str) -> Table:
        return self._table


@cache
def task() -> TableTask:
    return TableTask("nasbench101-sample/cifar10", Sample(), "cifar10")
