"""A small task with known curves: 3 decisions, epochs 1, 3 and 9, two training seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nasarena.bench import strategy
from nasarena.bench.core.task import TableTask
from nasarena.bench.core.task_facts import ColumnFacts, TaskFacts
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store.manifest import Manifest
from nasarena.spaces import Column, Decision, SearchSpace

EPOCHS = (1, 3, 9)
SIZES = (4, 3, 2)


class MirroredSpace(SearchSpace):
    """The last decision changes nothing: each network has two spellings."""

    def canonical(self, arch: tuple[int, ...]) -> tuple[int, ...]:
        return (*arch[:2], 0)


def space() -> SearchSpace:
    names = ("width", "depth", "order")
    decisions = [
        Decision(name, tuple(str(i) for i in range(size)))
        for name, size in zip(names, SIZES, strict=True)
    ]
    return MirroredSpace("toy", decisions)


class ToyTable:
    """Validation rises and test differs from it; seconds are 10 an epoch, 1 more per row."""

    def __init__(self) -> None:
        self.space = space()
        n = self.rows = self.space.spellings
        self.epochs = EPOCHS
        self.replicas = 2
        row = np.arange(n, dtype=float)[:, None, None]
        epochs = np.array(EPOCHS, dtype=float)[None, :, None]
        replica = np.arange(2.0)[None, None, :]
        quality = 50 + 40 * np.sin(row) + 5 * np.log(epochs)
        self.columns = {
            "validation": quality + replica * 2,
            "test": quality - 7 + replica,
            "seconds": epochs * (10 + row) + 0 * replica,
            "latency": 1 + row / 10 + 0 * epochs * replica,
        }
        self.row_of = np.arange(n, dtype=np.int32)
        canonical = [self.space.index(self.space.canonical(self.space.arch(i))) for i in range(n)]
        self.canonical = np.array(canonical, dtype=np.int32)
        self.spelling = np.arange(n, dtype=np.int32)
        self.resumes = True
        self.architectures, self.unique = n, len(set(canonical))
        self.hash = "toy-1"

    def mean(self, name: str) -> Any:
        values = self.columns[name][:, -1]
        there = ~np.isnan(values)
        return np.where(there, values, 0).sum(axis=1) / np.where(
            there.any(axis=1), there.sum(axis=1), np.nan
        )


@dataclass
class ToyBenchmark:
    table: ToyTable = field(default_factory=ToyTable)
    name: str = "toy"
    datasets: tuple[str, ...] = ("a",)
    citation: str = "made up"
    columns: tuple[Column, ...] = (
        Column("validation", "%", True, "validation accuracy"),
        Column("test", "%", True, "test accuracy"),
        Column("seconds", "s", False, "training time"),
        Column("latency", "s", proxy=True),
    )

    def space(self, dataset: str) -> SearchSpace:
        return self.table.space

    def open(self, dataset: str) -> ToyTable:
        return self.table


def task(*objectives: str, benchmark: ToyBenchmark | None = None) -> TableTask:
    toy: Any = benchmark or ToyBenchmark()
    return TableTask("toy/a", toy, "a", objectives)


@strategy(family="test")
def listed(problem, rng, *, proposals):
    """Proposes what it is given."""
    for proposal in proposals:  # noqa: UP028 - a list's iterator cannot be sent to
        yield proposal


@strategy(family="test", asynchronous=True)
class Sampler:
    """Random search that also keeps what it was told."""

    def __init__(self, problem, rng):
        self.space, self.rng, self.told = problem.space, rng, []

    def ask(self):
        return self.space.sample(self.rng)

    def tell(self, observation):
        self.told.append(observation)


BENCHMARK = ToyBenchmark()


class MeasuredTask(TableTask):
    """Answers from the toy table, but says that it trains."""

    reproducible = False


@dataclass
class LiveBenchmark(ToyBenchmark):
    def task(self, task_id: str, dataset: str, further: tuple[str, ...]) -> TableTask:
        return MeasuredTask(task_id, self, dataset, further)  # type: ignore[arg-type]


LIVE = LiveBenchmark()


def manifest(tasks=("t",), labels=("a",), **keys: Any) -> Manifest:
    """A manifest of tasks and strategies that need not exist; ``keys`` are the experiment's."""
    specs = tuple(StrategySpec(label, label) for label in labels)
    facts = TaskFacts(hash="abc", validation=ColumnFacts("loss"))
    experiment = Experiment(tasks=tuple(tasks), strategies=specs, **keys)
    return Manifest(experiment=experiment, tasks=dict.fromkeys(tasks, facts))
