"""What a gate needs beyond `reports.paired` and `reports.power`: an interval, and planning.

Pure functions on paired differences, one a seed, in arrays of shape (seeds,).

A difference is current minus baseline; losses are minimized, so positive is worse.
"""

from __future__ import annotations

from functools import cache
from math import ceil, inf, log2, sqrt

from .power import EFFICIENCY, detectable_difference, power
from .regret import Floats

_MANY = 10**9


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
