"""A task: a space, its table, and which column is validation, test and cost."""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..spaces import Arch, Column, Table, TableBenchmark
from .errors import InvalidProposal, UnknownName
from .types import Answer, Observation, Problem, Proxy, Query

if TYPE_CHECKING:
    from .oracle import TableOracle

MEAN = -1
"""The replica number of an answer that averages over all training seeds."""


def _mean(values: NDArray[np.float64]) -> float:
    """The mean of what is there; NaN, without a warning, where nothing is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")


class Entry:
    """All that the table answers for one spelling at full epochs; shared by a process's runs."""

    __slots__ = ("canonical", "mean", "row", "sampled")

    def __init__(
        self, row: int, canonical: int, mean: tuple[Answer, ...], sampled: tuple[Answer, ...]
    ) -> None:
        self.row, self.canonical, self.mean, self.sampled = row, canonical, mean, sampled


class Task:
    """One table of a benchmark, seen as a problem to minimize.

    ``objectives`` names further columns beside validation; each becomes one more loss.
    """

    def __init__(
        self,
        task_id: str,
        benchmark: TableBenchmark,
        dataset: str,
        objectives: tuple[str, ...] = (),
    ) -> None:
        self.id = task_id
        self.benchmark = benchmark
        self.dataset = dataset
        self.space = benchmark.space(dataset)
        self.columns: dict[str, Column] = {c.name: c for c in benchmark.columns}
        for name in objectives:
            if name not in self.columns or name in ("validation", "test"):
                further = set(self.columns) - {"validation", "test"}
                raise UnknownName(f"objective of {benchmark.name}/{dataset}", name, further)
        self.objectives = ("validation", *objectives)
        self.entries: dict[Arch, Entry] = {}

    def __repr__(self) -> str:
        return f"<Task {self.id}>"

    @cached_property
    def table(self) -> Table:
        return self.benchmark.open(self.dataset)

    @cached_property
    def problem(self) -> Problem:
        proxies = {
            c.name: self._proxy(c.name)
            for c in self.columns.values()
            if c.proxy and c.name in self.table.columns
        }
        return Problem(self.space, self.table.epochs, self.objectives, proxies)

    def _proxy(self, name: str) -> Proxy:
        """A column that is known without training, as a function of the architecture."""
        space, row_of, values = self.space, self.table.row_of, self.table.mean(name)

        def proxy(arch: Arch) -> float:
            row = row_of[space.index(arch)]
            return float(values[row]) if row >= 0 else float("nan")

        return proxy

    def oracle(
        self, rng: Random, *, noise: str = "sampled", duplicates: str = "charge"
    ) -> TableOracle:
        """An oracle for one run, which draws training seeds from ``rng``."""
        from .oracle import TableOracle

        return TableOracle(self, rng, noise=noise, duplicates=duplicates)

    # Losses and truth.

    def loss(self, name: str) -> NDArray[np.float64]:
        """Column ``name`` as a loss, (rows, epochs, replicas): negated if it is maximized."""
        values = self.table.columns[name]
        return -values if self.columns[name].maximize else values

    @cached_property
    def _losses(self) -> list[NDArray[np.float64]]:
        return [self.loss(name) for name in self.objectives]

    @cached_property
    def _seconds(self) -> NDArray[np.float64]:
        return self.table.columns["seconds"]

    def truth(self, name: str) -> NDArray[np.float64]:
        """(rows,) loss averaged over training seeds at full epochs; NaN without such a column."""
        if name not in self.table.columns:
            return np.full(self.table.rows, np.nan)
        mean = self.table.mean(name)
        return -mean if self.columns[name].maximize else mean

    def reveal(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Seed-averaged validation and test losses of ``rows``: for the record only."""
        return {name: self.truth(name)[rows] for name in ("validation", "test")}

    @cached_property
    def optimum(self) -> dict[str, float | None]:
        """The least seed-averaged loss over the whole table (not over single training seeds)."""
        best = {}
        for name in ("validation", "test"):
            truth = self.truth(name)
            best[name] = None if np.isnan(truth).all() else float(np.nanmin(truth))
        return best

    # Answers.

    def observation(self, arch: Arch, row: int, epoch: int, replica: int) -> Observation:
        """What the table says of a row at ``epochs[epoch]``; a failed training has loss inf."""
        if replica == MEAN:
            losses = [_mean(table[row, epoch]) for table in self._losses]
            seconds = _mean(self._seconds[row, epoch])
        else:
            losses = [float(table[row, epoch, replica]) for table in self._losses]
            seconds = float(self._seconds[row, epoch, replica])
        checked = tuple([loss if loss == loss else float("inf") for loss in losses])
        return Observation(Query(arch, self.table.epochs[epoch], replica), checked, seconds)

    def replicas(self, row: int) -> tuple[int, ...]:
        """The training seeds recorded for a row."""
        recorded = ~np.isnan(self._seconds[row, -1])
        return tuple(int(r) for r in np.flatnonzero(recorded))

    def entry(self, arch: Arch) -> Entry:
        """The answers for ``arch`` at full epochs, remembered for the runs that follow.

        Raises:
            InvalidProposal: if ``arch`` is not an architecture of the space and its table.
        """
        if not self.space.is_valid(arch):
            raise InvalidProposal(
                f"not an architecture of {self.space.name}: expected a tuple of "
                f"{len(self.space.sizes)} choice indices below {self.space.sizes} that names a "
                f"network, got {arch!r}"
            )
        key = self.space.index(arch)
        row = int(self.table.row_of[key])
        if row < 0:
            raise InvalidProposal(f"the table of {self.id} holds no row for {arch!r}")
        replicas = self.replicas(row)
        full = len(self.table.epochs)
        made = [
            Answer(seen, seen.seconds, self.table.epochs[-1], key, row)
            for seen in (self.observation(arch, row, full - 1, r) for r in (MEAN, *replicas))
        ]
        entry = Entry(row, int(self.table.canonical[key]), (made[0],), tuple(made[1:]))
        self.entries[arch] = entry
        return entry

    def facts(self) -> dict[str, Any]:
        """What a reader of results must know of the task, ready for JSON."""
        table = self.table

        def column(name: str) -> dict[str, Any] | None:
            if name not in table.columns:
                return None
            c = self.columns[name]
            return {"label": c.label or c.name, "unit": c.unit, "maximize": c.maximize}

        valid = table.canonical[table.row_of >= 0]
        return {
            "optimum": self.optimum,
            "validation": column("validation"),
            "test": column("test"),
            "cost": column("seconds"),
            "objectives": {name: column(name) for name in self.objectives},
            "architectures": len(valid),
            "unique": len(np.unique(valid)),
            "rows": table.rows,
            "replicas": table.replicas,
            "epochs": list(table.epochs),
            "hash": table.hash,
            "citation": self.benchmark.citation,
        }
