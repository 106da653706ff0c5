"""Successive halving: many architectures for few epochs, the best of them for more.

Source: Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", AISTATS 2016, arXiv:1502.07943.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from random import Random

from ..bench.strategy import strategy
from ..bench.types import Observation, Problem, Query
from ..spaces import Arch
from .brackets import Bracket, hyperband_widths, levels


class Brackets:
    """Runs brackets of rungs one after the other, over and over.

    With several workers a rung is queried at once; the next begins when it is complete.
    """

    def __init__(
        self,
        widths: Sequence[tuple[int, ...]],
        epochs: tuple[int, ...],
        draw: Callable[[], Arch | None],
    ) -> None:
        self._widths, self._epochs, self._draw = cycle(widths), epochs, draw
        self._bracket = self._next()

    def _next(self) -> Bracket:
        widths = next(self._widths)
        return Bracket(widths, self._epochs[-len(widths) :], self._draw)

    def ask(self) -> Query | None:
        query = self._bracket.ask()
        if query is None and self._bracket.done:
            self._bracket = self._next()
            query = self._bracket.ask()
        return query

    def tell(self, observation: Observation, /) -> None:
        self._bracket.tell(observation)


@strategy(
    family="multi-fidelity",
    source="Jamieson & Talwalkar 2016, arXiv:1502.07943",
    asynchronous=True,
    multi_fidelity=True,
)
class SuccessiveHalving(Brackets):
    """Trains random architectures for few epochs, promotes the best share to ``eta`` times as many.

    When the last one is trained in full it begins anew. On a task that answers at one number of
    epochs only there is nothing to halve: it is random search then.

    Args:
        eta: the share ``1 / eta`` is promoted, to ``eta`` times the epochs; 3 as in Hyperband.
        width: architectures at the first rung. Left out, as many as leave ``eta`` at the last.

    Raises:
        ValueError: if ``eta`` is below 2 or ``width`` below 1.
    """

    def __init__(
        self, problem: Problem, rng: Random, /, *, eta: int = 3, width: int | None = None
    ) -> None:
        epochs = levels(problem, eta)
        first = eta ** len(epochs) if width is None else width
        if first < 1:
            raise ValueError(f"width: expected at least 1, got {width}")
        widths = tuple(max(1, first // eta**rung) for rung in range(len(epochs)))
        super().__init__([widths], epochs, lambda: problem.space.sample(rng))


@strategy(
    family="multi-fidelity",
    source="Li et al. 2018, arXiv:1603.06560",
    asynchronous=True,
    multi_fidelity=True,
)
class Hyperband(Brackets):
    """Successive halving with many architectures and few epochs, then fewer and more, and so on.

    Its brackets hedge against early epochs that mislead. On a task that answers at one number of
    epochs only it is random search.

    Args:
        eta: the share ``1 / eta`` is promoted, to ``eta`` times the epochs; 3 in the paper.

    Raises:
        ValueError: if ``eta`` is below 2.
    """

    def __init__(self, problem: Problem, rng: Random, /, *, eta: int = 3) -> None:
        epochs = levels(problem, eta)
        widths = hyperband_widths(len(epochs), eta)
        super().__init__(widths, epochs, lambda: problem.space.sample(rng))
