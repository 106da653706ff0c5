"""Looking at the seeds in blocks without being wrong more often: alpha spending.

Alpha is spent over the looks (Lan & DeMets, Biometrika 70:659, 1983) in proportion to the square of
the share of seeds seen (the power family of Kim & DeMets, Biometrika 74:149, 1987). The shares are
summed by the union bound, so nothing is assumed of how the looks depend on each other. Dividing
each look's p-value by its share gives one sequential p-value (Liu & Anderson, JASA 103:1621, 2008),
which goes through Holm's correction like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan

import numpy as np

from .paired import equivalence
from .regret import Floats
from .signed_rank import signed_rank


def plan(seeds: int, block: int) -> tuple[int, ...]:
    """The numbers of seeds to look at: after every ``block``, and at the end."""
    return (*range(block, seeds, block), seeds)


def weights(looks: Sequence[int]) -> list[float]:
    """The share of alpha that each look may spend; they sum to 1."""
    reached = (np.array([0, *looks], dtype=float) / looks[-1]) ** 2
    return [float(share) for share in np.diff(reached)]


def spent(
    differences: Floats, margin: float, looks: Sequence[int] = ()
) -> tuple[int, float, float]:
    """(direction, p-value, p-value of equivalence) of differences (seeds,), in seed order.

    Without ``looks`` these are the plain tests. With them, the tests at every look so far, each
    p-value divided by the look's share of alpha. Direction is 1 where the ranks say worse, -1
    better. The p-value of equivalence is NaN where ``margin`` is.
    """
    sizes = [n for n in looks if n <= len(differences)]
    shares = weights(looks)[: len(sizes)] if sizes else [1.0]
    if not sizes:
        # Before the first look nothing may be spent.
        shares = [0.0] if looks else shares
        sizes = [len(differences)]
    tests = [signed_rank(differences[:n]) for n in sizes]
    p_values = [_share(p, share) for (_, p), share in zip(tests, shares, strict=True)]
    best = int(np.argmin(p_values))
    equal = nan
    if not isnan(margin):
        equal = min(
            _share(equivalence(differences[:n], margin) if n > 1 and margin > 0 else 1.0, share)
            for n, share in zip(sizes, shares, strict=True)
        )
    return int(np.sign(tests[best].statistic)), p_values[best], equal


def _share(p: float, share: float) -> float:
    return min(1.0, p / share) if share > 0 else 1.0
