"""One strategy under test: makes it, runs it, and writes down what it asks and is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import Any, NamedTuple

from .._base.errors import CheckFailed
from ..core import runner
from ..core.contracts import Task, supernets_of
from ..core.runner import Budget, stream
from ..core.supernet_clock import Search
from ..core.task import TableTask
from ..core.types import (
    Answer,
    Observation,
    Oracle,
    Problem,
    Proposal,
    Strategy,
    StrategyFactory,
    StrategyInfo,
)
from .guard import Guard, Trespass
from .tasks import SHARED, small


class Limits(NamedTuple):
    """How much a strategy is tried, and what it may spend.

    Attributes:
        queries: of each run.
        long: queries of the run whose time and memory are measured.
        seconds: thinking time a query, on average over the long run.
        megabytes: memory that Python and NumPy hold at most in the long run.
    """

    queries: int = 60
    long: int = 1000
    seconds: float = 1.0
    megabytes: float = 256.0


FULL = Limits()
QUICK = Limits(queries=20, long=60)
"""For strategies that think long."""


class Event(NamedTuple):
    """``kind`` is "asked" (with a proposal, or None: wait) or "told" (with an observation)."""

    kind: str
    value: Proposal | Observation | None

    def __str__(self) -> str:
        return f"{self.kind} {self.value!r}"


class Watched:
    """A strategy with a record of what it asked and was told, under a guard if one is given."""

    def __init__(self, make: Callable[[], Strategy], guard: Guard | None = None) -> None:
        self._guard = guard
        self.events: list[Event] = []
        self.strategy: Strategy = self._watch(make)

    def _watch(self, call: Callable[..., Any], *args: Any) -> Any:
        if self._guard is None:
            return call(*args)
        with self._guard.watching():
            return call(*args)

    def ask(self) -> Proposal | None:
        proposal: Proposal | None = self._watch(self.strategy.ask)
        self.events.append(Event("asked", proposal))
        return proposal

    def tell(self, observation: Observation, /) -> None:
        self.events.append(Event("told", observation))
        self._watch(self.strategy.tell, observation)


class Failing:
    """An oracle that answers every so manieth query with ``loss``, whatever came of it."""

    def __init__(self, oracle: Oracle, every: int, loss: float) -> None:
        self.problem = oracle.problem
        self._oracle, self._every, self._loss, self._count = oracle, every, loss, 0

    def evaluate(self, proposal: Proposal, /) -> Answer:
        answer = self._oracle.evaluate(proposal)
        self._count += 1
        if self._count % self._every:
            return answer
        seen = answer.observation
        lost = Observation(seen.query, (self._loss,) * len(seen.losses), seen.seconds)
        return answer._replace(observation=lost)


@dataclass(frozen=True)
class Trial:
    """A strategy with its settings, and how much it is tried.

    ``name`` is what `registry.strategy_factory` finds it by, None if it was handed over as it is.
    """

    factory: StrategyFactory
    name: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    limits: Limits = FULL

    @property
    def info(self) -> StrategyInfo:
        return self.factory.info

    def refusal(self, task: Task) -> str | None:
        """Why it will not work on the task, if it says so with a ValueError while it is made."""
        try:
            self.watched(task)
        except ValueError as error:
            return str(error)
        return None

    @cached_property
    def task(self) -> TableTask:
        """Where it is tried: with conditions, unless it refuses these or shares weights."""
        if self.info.weight_sharing:
            return small(SHARED)
        conditional = small("conditional")
        return small("plain") if self.refusal(conditional) else conditional

    def watched(
        self,
        task: Task,
        seed: int = 0,
        *,
        guard: Guard | None = None,
        problem: Problem | None = None,
    ) -> Watched:
        """The strategy at the beginning of the run with this seed, with the stream of the arena."""
        rng, problem = stream(0, task.id, seed, "strategy"), problem or task.problem
        if self.info.weight_sharing and (supernets := supernets_of(task)) is not None:
            # Without a name for checkpoints: every run trains its supernet anew.
            problem = replace(problem, supernet=supernets(Search(), None))
        return Watched(lambda: self.factory(problem, rng, **self.settings), guard)

    def run(
        self,
        task: Task | None = None,
        *,
        seed: int = 0,
        workers: int = 1,
        oracle: Callable[[Oracle], Oracle] = lambda plain: plain,
        guard: Guard | None = None,
        queries: int | None = None,
    ) -> list[Event]:
        """What it asks and is told in one run; ``oracle`` may stand something before the table."""
        task = task or self.task
        strategy = self.watched(task, seed, guard=guard)
        answers = oracle(task.oracle(stream(0, task.id, seed, "oracle")))
        budget = Budget(queries=queries or self.limits.queries)
        runner.run(strategy, answers, budget, workers=workers)
        return strategy.events

    @cached_property
    def plain(self) -> list[Event]:
        """The run with seed 0 and one worker, with which most others are compared."""
        return self.run()

    @cached_property
    def trespasses(self) -> list[Trespass]:
        """What the guard noted in a run."""
        _ = self.plain  # what libraries do once, when imported, is not the strategy's doing
        guard = Guard(self.package)
        self.run(guard=guard)
        return guard.trespasses

    @property
    def package(self) -> str:
        """The top-level package that the strategy comes from."""
        return str(getattr(self.factory, "__module__", "")).partition(".")[0]


def told(events: Sequence[Event]) -> int:
    """How many answers there are."""
    return sum(event.kind == "told" for event in events)


def proposals(events: Sequence[Event]) -> list[Proposal]:
    """What was asked, in order."""
    return [e.value for e in events if e.kind == "asked" and e.value is not None]  # type: ignore[misc]


def same(expected: str, first: Sequence[object], second: Sequence[object], which: str) -> None:
    """Raises `CheckFailed` unless the two are equal to the last bit; ``which`` names the two."""
    for number, (a, b) in enumerate(zip_longest(first, second), 1):
        if str(a) != str(b):  # NaN differs from itself, its spelling does not
            raise CheckFailed(
                expected, f"{which} part at event {number}: {a or 'its end'} and {b or 'its end'}"
            )
