"""What strategies with several fidelities share: levels of epochs, and brackets of rungs.

Sources: Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", AISTATS 2016, arXiv:1502.07943; Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar,
"Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018,
arXiv:1603.06560.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from itertools import cycle
from math import isnan, log
from typing import NamedTuple

from ...bench.core.types import Observation, Problem, Query
from ...spaces import Arch


def check_eta(eta: int) -> None:
    """Raises ValueError unless the share ``1 / eta`` of a rung can be promoted."""
    if eta < 2:
        raise ValueError(f"eta: expected at least 2, got {eta}")


def levels(problem: Problem, eta: int) -> tuple[int, ...]:
    """The epochs to query at, each about ``eta`` times the one before, the last one all epochs.

    Chosen among those at which the task answers. A task that answers at one only has one level.
    """
    check_eta(eta)
    known = problem.epochs
    chosen = [known[-1]]
    while below := [epochs for epochs in known if epochs * eta**0.5 < chosen[-1]]:
        target = chosen[-1] / eta
        chosen.append(min(below, key=lambda epochs: abs(log(epochs / target))))
    return tuple(reversed(chosen))


class Result(NamedTuple):
    """One training at one level, as it was answered."""

    loss: float
    query: Query


def result(observation: Observation) -> Result:
    """The result of an observation; NaN is taken for a failure."""
    loss = observation.losses[0]
    return Result(float("inf") if isnan(loss) else loss, observation.query)


def resumed(query: Query, epochs: int) -> Query:
    """The same training, for more epochs."""
    return Query(query.arch, epochs, query.replica)


class Bracket:
    """Successive halving: ``width`` architectures at the first level, the best ones promoted.

    A rung that is complete sends its best on to the next. `ask` answers ``None`` while it waits
    for a rung's last answers, and when all is asked and answered.
    """

    def __init__(
        self, widths: tuple[int, ...], epochs: tuple[int, ...], draw: Callable[[], Arch]
    ) -> None:
        self._widths, self._epochs, self._draw = widths, epochs, draw
        self._rung = 0
        self._asked = 0
        self._promoted: list[Query] = []
        self._results: list[Result] = []

    @property
    def done(self) -> bool:
        """Whether everything is asked and answered."""
        return self._rung == len(self._widths)

    def ask(self) -> Query | None:
        if self.done or self._asked == self._widths[self._rung]:
            return None
        self._asked += 1
        if self._rung == 0:
            return Query(self._draw(), self._epochs[0])
        return resumed(self._promoted[self._asked - 1], self._epochs[self._rung])

    def tell(self, observation: Observation) -> None:
        self._results.append(result(observation))
        if len(self._results) < self._widths[self._rung]:
            return
        self._rung += 1
        if not self.done:
            best = sorted(self._results, key=lambda r: r.loss)[: self._widths[self._rung]]
            self._promoted = [r.query for r in best]
        self._results, self._asked = [], 0


class Brackets:
    """Runs brackets of rungs, over and over.

    While one waits for the last answers of a rung, further workers begin the next bracket.
    """

    def __init__(
        self,
        widths: Sequence[tuple[int, ...]],
        epochs: tuple[int, ...],
        draw: Callable[[], Arch],
    ) -> None:
        self._widths, self._epochs, self._draw = cycle(widths), epochs, draw
        self._open: list[Bracket] = []
        self._owners: defaultdict[tuple[Arch, int | None], deque[Bracket]] = defaultdict(deque)

    def ask(self) -> Query | None:
        for bracket in self._open:
            query = bracket.ask()
            if query is not None:
                break
        else:
            widths = next(self._widths)
            bracket = Bracket(widths, self._epochs[-len(widths) :], self._draw)
            self._open.append(bracket)
            query = bracket.ask()
        if query is not None:
            self._owners[query.arch, query.epochs].append(bracket)
        return query

    def tell(self, observation: Observation, /) -> None:
        key = observation.query[:2]
        bracket = self._owners[key].popleft()
        if not self._owners[key]:
            del self._owners[key]
        bracket.tell(observation)
        if bracket.done:
            self._open.remove(bracket)


def hyperband_widths(rungs: int, eta: int) -> list[tuple[int, ...]]:
    """How many architectures each rung of each bracket has, the longest bracket first.

    Algorithm 1 of Hyperband: bracket s, from ``rungs - 1`` down to 0, begins with
    ``ceil(rungs * eta**s / (s + 1))`` and runs ``s + 1`` rungs.
    """
    brackets = []
    for s in range(rungs - 1, -1, -1):
        first = -(-rungs * eta**s // (s + 1))
        brackets.append(tuple(max(1, first // eta**i) for i in range(s + 1)))
    return brackets
