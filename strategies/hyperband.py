"""Hyperband: successive halving at several trade-offs between breadth and depth.

Source: Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, "Hyperband: A Novel Bandit-Based Approach
to Hyperparameter Optimization", JMLR 18, 2018, arXiv:1603.06560.
"""

from __future__ import annotations

from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Problem
from ._shared.brackets import Brackets, hyperband_widths, levels


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
