"""The task of a published table: its space, and which column is validation, test and cost."""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...spaces import Arch, Column, Table
from ...spaces.table import Benchmark
from .._base.errors import InvalidProposal, UnknownName
from .oracle import TableOracle
from .task_facts import ColumnFacts, PerMetric, TaskFacts
from .types import MEAN, Answer, Observation, Problem, Proxy, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...spaces.vectorized import LaneSpace

Numbers = TypeVar("Numbers", int, NDArray[np.int64])
Known: TypeAlias = "tuple[int, int, tuple[Answer | None, ...]]"
"""What a run needs of an architecture, a plain tuple because every query takes one apart: the
table's row, the number of the canonical architecture, and the answers at full epochs, one for each
recorded training seed (or their average alone), None until it is first asked for."""


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, replicas) to (n,): the mean of what is there, NaN where nothing is."""
    there = ~np.isnan(values)
    total = np.where(there, values, 0.0).sum(axis=1)
    count = there.sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


class TableTask:
    """One table of a benchmark, seen as a problem to minimize.

    It implements `nasarena.bench.core.contracts.Task`. ``objectives`` names further columns beside
    validation; each becomes one more loss.
    """

    reproducible = True

    def __init__(
        self,
        task_id: str,
        benchmark: Benchmark,
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
        self._negated = [*(self.columns[name].maximize for name in self.objectives), False]
        # What runs have asked so far, by encoding; shared by all runs of a process.
        self.sampled: dict[Arch, Known] = {}
        self.averaged: dict[Arch, Known] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def as_table(self) -> TableTask | None:
        """Return the task itself: all its answers are in a table."""
        return self

    @cached_property
    def table(self) -> Table:
        return self.benchmark.open(self.dataset)

    @property
    def hash(self) -> str:
        """Of the data that the answers come from."""
        return self.table.hash

    @cached_property
    def problem(self) -> Problem:
        proxies = {
            c.name: self._proxy(c.name)
            for c in self.columns.values()
            if c.proxy and c.name in self.table.columns
        }
        return Problem(self.space, self.table.epochs, self.objectives, proxies)

    @cached_property
    def lane_space(self) -> LaneSpace:
        """The space for strategies that run many seeds at once."""
        from ...spaces.vectorized import LaneSpace

        return LaneSpace(self.space, self.table.canonical)

    def choices(self, keys: NDArray[np.int64]) -> NDArray[np.int16]:
        """(n,) numbers of spellings to (n, decisions) their choices."""
        if "lane_space" in self.__dict__:  # it holds all of them at hand
            return self.lane_space.choices.take(keys, axis=0)
        return self.space.archs(keys)

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
        return TableOracle(self, rng, noise=noise, duplicates=duplicates)

    # Losses and truth.

    def truth(self, name: str) -> NDArray[np.float64]:
        """(rows,) loss averaged over training seeds at full epochs; NaN without such a column."""
        if name not in self.table.columns:
            return np.full(self.table.rows, np.nan)
        mean = self.table.mean(name)
        return -mean if self.columns[name].maximize else mean

    def reveal(self, queries: Sequence[Query]) -> dict[str, NDArray[np.float64]]:
        """Return the seed-averaged validation and test losses of what was asked."""
        keys = [self.space.index(query.arch) for query in queries]
        return self.reveal_rows(self.table.row_of[np.array(keys, np.int64)].astype(np.int64))

    def reveal_rows(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return the seed-averaged validation and test losses of ``rows``, (n,) each."""
        return {name: self.truth(name)[rows] for name in ("validation", "test")}

    @cached_property
    def optimum(self) -> dict[str, float | None]:
        """The least seed-averaged loss over the whole table (not over single training seeds)."""
        best = {}
        for name in ("validation", "test"):
            truth = self.truth(name)
            best[name] = None if np.isnan(truth).all() else float(np.nanmin(truth))
        return best

    def noise(self, name: str) -> float | None:
        """The noise floor: how far single trainings of the best networks spread, as a loss.

        The standard deviation between training seeds at full epochs, pooled over the best
        hundredth of the table's rows (five at least) by seed-averaged loss. None where no row has
        two trainings.
        """
        if name not in self.table.columns:
            return None
        order = np.argsort(self.truth(name), kind="stable")  # NaN last
        best = self.table.columns[name][order[: max(5, len(order) // 100)], -1]
        count = (~np.isnan(best)).sum(axis=1)
        squares = np.nansum((best - _mean(best)[:, None]) ** 2)
        freedom = int(np.maximum(count - 1, 0).sum())
        return float(np.sqrt(squares / freedom)) if freedom else None

    def random_search(self, name: str) -> dict[str, NDArray[np.float64]]:
        """What random search on the table depends on: the losses by which a row is scored and
        those a query may see at full epochs, (rows,) and (rows, training seeds), and how many
        spellings (rows,) each row answers for. ``name`` is the column it is scored by.
        """
        rows = self.table.row_of[self.table.row_of >= 0]
        seen = np.array(self.table.columns["validation"][:, -1], dtype=np.float64)
        seen = -seen if self.columns["validation"].maximize else seen
        recorded = ~np.isnan(self.table.columns["seconds"][:, -1])
        return {
            "truth": self.truth(name),
            "observed": np.where(recorded & np.isnan(seen), np.inf, seen),
            "spellings": np.bincount(rows, minlength=self.table.rows).astype(np.float64),
        }

    # Answers.

    def place(self, row: Numbers, epoch: Numbers, replica: Numbers) -> Numbers:
        """The number of a row at ``epochs[epoch]`` in one training, or averaged (`MEAN`).

        Takes plain numbers or arrays of them.
        """
        replicas: int = self.table.replicas
        return (row * len(self.table.epochs) + epoch) * (replicas + 1) + replica + 1

    def places(
        self, numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(n,) numbers to rows, indices of epochs, and replicas: the inverse of `place`."""
        rest, replica = np.divmod(numbers, self.table.replicas + 1)
        row, epoch = np.divmod(rest, len(self.table.epochs))
        return row, epoch, replica - 1

    def networks(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) numbers of spellings to those of the canonical ones."""
        found: NDArray[np.int64] = self.table.canonical.take(keys).astype(np.int64)
        return found

    def values(self, name: str, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) column ``name`` at these places, a loss if it is an objective; NaN: no result."""
        row, epoch, replica = self.places(numbers)
        column = self.table.columns[name]
        found: NDArray[np.float64] = column[row, epoch, replica]
        averaged = replica == MEAN
        found[averaged] = _mean(column[row[averaged], epoch[averaged]])
        return -found if name in self.objectives and self.columns[name].maximize else found

    def observation(self, arch: Arch, place: int) -> Observation:
        """What the table says at a place; a failed training has loss inf."""
        rest, replica = divmod(place, self.table.replicas + 1)
        row, epoch = divmod(rest, len(self.table.epochs))
        names = (*self.objectives, "seconds")
        if replica == MEAN + 1:
            *losses, seconds = [float(self.values(n, np.array([place]))[0]) for n in names]
        else:
            found = [float(self.table.columns[n][row, epoch, replica - 1]) for n in names]
            *losses, seconds = [-v if m else v for v, m in zip(found, self._negated, strict=True)]
        checked = tuple([loss if loss == loss else float("inf") for loss in losses])
        return Observation(Query(arch, self.table.epochs[epoch], replica - 1), checked, seconds)

    def replicas(self, row: int) -> tuple[int, ...]:
        """Return the training seeds that are recorded for a row."""
        seconds = self.table.columns["seconds"][row, -1].tolist()
        return tuple([replica for replica, value in enumerate(seconds) if value == value])

    def look_up(self, arch: Arch, *, averaged: bool = False) -> Known:
        """Find ``arch`` in the table and keep what was found, for this run and those that follow.

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
        count = 1 if averaged else len(self.replicas(row))
        found = row, int(self.table.canonical[key]), (None,) * count
        (self.averaged if averaged else self.sampled)[arch] = found
        return found

    def answer(self, arch: Arch, number: int, *, averaged: bool = False) -> Answer:
        """Make answer ``number`` of an architecture that was looked up, and keep it.

        Answers are made when they are first asked for, and not with the look-up, so that all that
        a query needs lies close together in memory: fetching it is most of what a query costs.
        """
        kept = self.averaged if averaged else self.sampled
        _, canonical, answers = kept[arch]
        key, full = self.space.index(arch), len(self.table.epochs) - 1
        row = int(self.table.row_of[key])
        place = self.place(row, full, MEAN if averaged else self.replicas(row)[number])
        seen = self.observation(arch, place)
        answer = Answer(seen, seen.seconds, self.table.epochs[full], key, row, place)
        kept[arch] = row, canonical, (*answers[:number], answer, *answers[number + 1 :])
        return answer

    def facts(self) -> TaskFacts:
        """What a reader of results must know of the task."""
        table = self.table

        def column(name: str) -> ColumnFacts:
            c = self.columns[name]
            return ColumnFacts(c.label or c.name, c.unit, c.maximize)

        return TaskFacts(
            hash=self.hash,
            validation=column("validation"),
            test=column("test") if "test" in table.columns else None,
            cost=column("seconds"),
            epochs=tuple(table.epochs),
            replicas=table.replicas,
            architectures=table.architectures,
            unique=table.unique,
            rows=table.rows,
            optimum=PerMetric(**self.optimum),
            noise=PerMetric(validation=self.noise("validation"), test=self.noise("test")),
            objectives={name: column(name) for name in self.objectives},
            citation=self.benchmark.citation,
        )
