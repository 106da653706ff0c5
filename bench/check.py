"""Does a strategy play by the rules? The checks behind ``nasarena check``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import numpy as np

from . import registry
from .errors import NasarenaError
from .oracle import TableOracle
from .runner import Budget, Run, run, run_seed
from .task import Task
from .types import Answer, Observation, Proposal, StrategyFactory

TASKS = ("nasbench201/cifar10", "nasbench-graph/cora", "fcnet/protein")
QUERIES = 60


class Finding(NamedTuple):
    """The outcome of one check; ``problem`` is None if it was passed."""

    check: str
    problem: str | None = None


def _bits(record: Run) -> list[tuple[Answer, float]]:
    return list(zip(record.answers, record.finish, strict=True))


def _once(task: Task, factory: StrategyFactory, seed: int, **more: Any) -> Run:
    return run_seed(task, factory, {}, seed, Budget(queries=QUERIES), **more)


def proposes_valid_queries(task: Task, factory: StrategyFactory) -> str | None:
    """A run on the task goes through: every proposal is one the oracle can answer."""
    return None if _once(task, factory, 0) else "it proposed nothing at all"


def same_seed_same_run(task: Task, factory: StrategyFactory) -> str | None:
    """Two runs from one seed are equal to the last bit."""
    first, second = (_bits(_once(task, factory, 1)) for _ in range(2))
    for step, (a, b) in enumerate(zip(first, second, strict=False), 1):
        if a != b:
            return f"two runs from the same seed part at step {step}"
    return None if len(first) == len(second) else "two runs from one seed differ in length"


def _global_states() -> tuple[Any, ...]:
    legacy: Any = np.random.get_state()  # noqa: NPY002 - this is what it must not touch
    return random.getstate(), legacy[1].tolist(), legacy[2]


def leaves_global_randomness_alone(task: Task, factory: StrategyFactory) -> str | None:
    """It draws from the stream it is given, not from ``random`` or ``numpy.random``."""
    before = _global_states()
    _once(task, factory, 2)
    if _global_states() != before:
        return "it drew from (or seeded) a global random generator"
    return None


def keeps_instances_apart(task: Task, factory: StrategyFactory) -> str | None:
    """Two instances at work in turns behave as each does alone."""

    def turns(count: int) -> Iterator[list[Proposal | None]]:
        made = [factory(task.problem, Random(seed)) for seed in range(count)]
        oracles = [TableOracle(task, Random(seed)) for seed in range(count)]
        asked: list[list[Proposal | None]] = [[] for _ in made]
        for _ in range(QUERIES):
            for strategy, oracle, seen in zip(made, oracles, asked, strict=True):
                proposal = strategy.ask()
                seen.append(proposal)
                if proposal is not None:
                    strategy.tell(oracle.evaluate(proposal).observation)
        yield asked[0]

    if next(turns(1)) != next(turns(2)):
        return "an instance behaves differently when another one is at work beside it"
    return None


class _Failing(TableOracle):
    """Lets every third training fail."""

    _count = 0

    def evaluate(self, proposal: Proposal, /) -> Answer:
        answer = super().evaluate(proposal)
        self._count += 1
        if self._count % 3:
            return answer
        seen = answer.observation
        lost = Observation(seen.query, (float("inf"),) * len(seen.losses), seen.seconds)
        return answer._replace(observation=lost)


def survives_failures(task: Task, factory: StrategyFactory) -> str | None:
    """A training that fails (loss inf) does not end the search."""
    run(factory(task.problem, Random(3)), _Failing(task, Random(3)), Budget(queries=QUERIES))
    return None


def works_asynchronously(task: Task, factory: StrategyFactory) -> str | None:
    """With several workers, if it declares that it can: answers come out of order."""
    if factory.info.asynchronous:
        for workers in (2, 16):
            _once(task, factory, 4, workers=workers)
    return None


CHECKS: tuple[Callable[[Task, StrategyFactory], str | None], ...] = (
    proposes_valid_queries,
    same_seed_same_run,
    leaves_global_randomness_alone,
    keeps_instances_apart,
    survives_failures,
    works_asynchronously,
)


def check_strategy(name: str, tasks: tuple[str, ...] = TASKS) -> Iterator[Finding]:
    """Put the strategy registered under ``name`` through every check on every task."""
    factory = registry.strategy_factory(name)
    for task_id in tasks:
        task = registry.task(task_id)
        for check in CHECKS:
            title = f"{check.__name__.replace('_', ' ')} on {task_id}"
            try:
                problem = check(task, factory)
            except Exception as error:
                said = str(error)
                problem = said if isinstance(error, NasarenaError) else repr(error)
            yield Finding(title, problem)
