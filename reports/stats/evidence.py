"""What a gate needs beyond `reports.paired` and `reports.power`: exact far tails, and planning.

Pure functions on paired differences, one a seed, in arrays of shape (seeds,).

A difference is current minus baseline; losses are minimized, so positive is worse. If nothing
changed but the bits, the two results of a seed could be exchanged: differences are symmetric about
zero, and the signed-rank test is exact whatever their distribution.
"""

from __future__ import annotations

from functools import cache
from math import ceil, inf, log2, sqrt

import numpy as np

from .power import EFFICIENCY, detectable_difference, power
from .regret import Floats

_EXACT = 300
"""Up to so many seeds the signed-rank distribution is counted out, beyond it is nearly normal."""
_MANY = 10**9


def signed_rank(differences: Floats) -> tuple[float, float]:
    """Wilcoxon's signed-rank test (1945): (W+ − W−, two-sided p), ties and zeros kept exact.

    Zeros are ranked, then left out (Pratt, 1959); tied differences share their mean rank, and the
    null distribution is that of these very ranks under all signs (Streitberg & Röhmel, 1986).
    No difference other than zero gives p = 1.
    """
    _, place, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    # Twice the mean rank of each tie, so that all are whole numbers.
    doubled = (2 * last - counts + 1)[place][differences != 0]
    positive = differences[differences != 0] > 0
    if len(doubled) == 0:
        return 0.0, 1.0
    plus, total = int(doubled[positive].sum()), int(doubled.sum())
    statistic = plus - total / 2
    if len(doubled) > _EXACT:
        from scipy.special import ndtr

        z = (abs(statistic) - 0.5) / sqrt(float((doubled**2).sum()) / 4)
        return statistic, min(1.0, 2 * float(ndtr(-z)))
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[: total + 1 - rank]) / 2
        chance[:rank] /= 2
    tail = min(float(chance[plus:].sum()), float(chance[: plus + 1].sum()))
    return statistic, min(1.0, 2 * tail)


def mean_interval(differences: Floats, level: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean difference; unbounded for fewer than two seeds."""
    n = len(differences)
    if n < 2:
        return -inf, inf
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(differences.std(ddof=1)) / sqrt(n)
    mean = float(differences.mean())
    return mean - half, mean + half


def detectable(deviation: float, seeds: int, alpha: float, chance: float = 0.8) -> float:
    """The least mean difference that ``seeds`` runs find with probability ``chance`` at ``alpha``.

    `power.detectable_difference`; infinite where even one sign in every seed is no evidence.
    """
    if seeds < 2 or 2.0 ** (1 - seeds) > alpha:
        return inf
    return deviation * _detectable_in_deviations(seeds, alpha, chance)


@cache
def _detectable_in_deviations(seeds: int, alpha: float, chance: float) -> float:
    return detectable_difference(1.0, seeds, chance=chance, alpha=alpha)


def seeds_for(
    deviation: float, margin: float, alpha: float, alpha_equal: float, chance: float = 0.8
) -> int:
    """How many seeds settle a comparison either way with probability ``chance``.

    Enough to find a difference of ``margin`` (at ``alpha``) and, where there is none, to show
    equivalence (at ``alpha_equal``; normal approximation). 0 if no number does: the margin is 0.
    """
    if not margin > 0:
        return 0
    from scipy.special import ndtri

    effect = margin / deviation if deviation > 0 else inf
    equal = ((float(ndtri(1 - alpha_equal)) + float(ndtri((1 + chance) / 2))) / effect) ** 2
    low = high = max(2, ceil(1 - log2(alpha)), ceil(equal) + 1)

    def enough(seeds: int) -> bool:
        return effect == inf or power(effect, seeds * EFFICIENCY["wilcoxon"], alpha) >= chance

    while not enough(high):
        low, high = high, 2 * high
        if high > _MANY:
            return 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
