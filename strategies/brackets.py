"""What strategies with several fidelities share: levels of epochs, and brackets of rungs.

Sources: Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", AISTATS 2016, arXiv:1502.07943; Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar,
"Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018,
arXiv:1603.06560.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import NamedTuple

from ..bench.types import Observation, Problem, Query
from ..spaces import Arch


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
    while chosen[-1] > known[0]:
        # The largest that leaves a factor of eta; rounding (4, 12, 35, …) is forgiven.
        below = [epochs for epochs in known if epochs * eta <= 1.2 * chosen[-1]]
        if not below:
            break
        chosen.append(below[-1])
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

    A rung that is complete sends its best ``1 / eta`` on to the next. `ask` answers ``None`` while
    it waits for a rung's last answers, and when it is `done`.
    """

    def __init__(
        self, widths: tuple[int, ...], epochs: tuple[int, ...], draw: Callable[[], Arch | None]
    ) -> None:
        self._widths, self._epochs, self._draw = widths, epochs, draw
        self._rung = 0
        self._to_ask: list[Query] | None = None  # None: drawn one by one, at the first rung
        self._under_way = 0
        self._results: list[Result] = []
        self._left = widths[0]

    @property
    def done(self) -> bool:
        """Whether everything is asked and answered."""
        return self._rung == len(self._widths)

    def ask(self) -> Query | None:
        if self._to_ask is None:
            query = self._new()
        else:
            query = self._to_ask.pop(0) if self._to_ask else None
        if query is not None:
            self._under_way += 1
        elif not self._under_way:
            self._promote()  # the space ran out of architectures
        return query

    def _new(self) -> Query | None:
        if not self._left:
            return None
        arch = self._draw()
        self._left = self._left - 1 if arch is not None else 0
        return None if arch is None else Query(arch, self._epochs[0])

    def tell(self, observation: Observation) -> None:
        self._under_way -= 1
        self._results.append(result(observation))
        waiting = self._left if self._to_ask is None else len(self._to_ask)
        if not self._under_way and not waiting:
            self._promote()

    def _promote(self) -> None:
        self._rung += 1
        self._to_ask = []
        if not self.done:
            self._results.sort(key=_loss)
            best = self._results[: self._widths[self._rung]]
            self._to_ask = [resumed(r.query, self._epochs[self._rung]) for r in best]
            if not best:
                self._rung = len(self._widths)
        self._results = []


def _loss(result: Result) -> float:
    return result.loss


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
