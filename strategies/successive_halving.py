"""Successive halving: many architectures for few epochs, the best of them for more.

Source: Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", AISTATS 2016, arXiv:1502.07943.
"""

from __future__ import annotations

from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Problem
from ._shared.brackets import Brackets, levels


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
