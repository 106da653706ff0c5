"""How many seeds it takes: power of the paired comparison, and the least difference it can see.

The model is the paired t-test's with normal differences (Cohen, Statistical Power Analysis, 1988,
chapter 2), by scipy's noncentral t. The signed-rank test needs at most 1 / 0.864 as many pairs
whatever the distribution is (Hodges & Lehmann 1956), which ``test="wilcoxon"`` allows for.
"""

from __future__ import annotations

from math import ceil, inf, isfinite, isnan, sqrt

import numpy as np

from .regret import Floats

EFFICIENCY = {"wilcoxon": 0.864, "t": 1.0}
_LEAST = {"wilcoxon": 6, "t": 2}
_MANY = 10_000_000


def power(effect: float, seeds: float, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t-test at ``alpha`` sees a standardized difference.

    ``effect`` is the mean of the paired differences over their standard deviation.
    """
    from scipy.stats import nct, t

    freedom = seeds - 1
    edge = t.isf(alpha / 2, freedom)
    shift = abs(effect) * sqrt(seeds)
    seen = float(nct.sf(edge, freedom, shift))
    wrong = float(nct.cdf(-edge, freedom, shift))  # the wrong sign; NaN where it underflows
    return min(1.0, (1.0 if isnan(seen) else seen) + (0.0 if isnan(wrong) else wrong))


def _checked(chance: float, alpha: float, test: str) -> float:
    if test not in EFFICIENCY:
        raise ValueError(f"test: expected one of {', '.join(EFFICIENCY)}, got {test!r}")
    if not 0 < alpha < chance < 1:
        raise ValueError(f"expected 0 < alpha < chance < 1, got alpha {alpha}, chance {chance}")
    return EFFICIENCY[test]


def seeds_needed(
    differences: Floats, *, chance: float = 0.8, alpha: float = 0.05, test: str = "wilcoxon"
) -> float:
    """The seeds with which a difference like that in ``differences`` (seeds,) would be seen.

    Seen with probability ``chance``, if the true mean and spread are those of the sample (which a
    few seeds estimate poorly). ``inf`` where the sample's mean is exactly 0; NaN differences are
    left out. The least answer is 6 for the signed-rank test, which can see nothing with fewer.

    Raises:
        ValueError: with fewer than two seeds, or unless 0 < alpha < chance < 1.
    """
    efficiency = _checked(chance, alpha, test)
    known = differences[~np.isnan(differences)]
    if len(known) < 2:
        raise ValueError(f"expected at least two paired seeds, got {len(known)}")
    least = _LEAST[test]
    spread = float(known.std(ddof=1))
    mean = float(known.mean())
    if mean == 0:
        return inf
    if spread <= 1e-12 * abs(mean):  # constant differences: any seed says the same
        return least
    effect = mean / spread
    if power(effect, least, alpha) >= chance:
        return least
    low, high = float(least), 2.0 * least
    while power(effect, high, alpha) < chance:
        low, high = high, 2 * high
        if high > _MANY:
            return inf
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if power(effect, middle, alpha) < chance else (low, middle)
    return max(least, ceil(high / efficiency - 1e-3))


def more_seeds(
    differences: Floats, *, chance: float = 0.8, alpha: float = 0.05, test: str = "wilcoxon"
) -> float:
    """How many seeds beyond those in ``differences`` would do; 0 where there are enough."""
    needed = seeds_needed(differences, chance=chance, alpha=alpha, test=test)
    return float(max(0.0, needed - int((~np.isnan(differences)).sum())))


def detectable_difference(
    spread: float, seeds: int, *, chance: float = 0.8, alpha: float = 0.05, test: str = "wilcoxon"
) -> float:
    """The least mean difference that ``seeds`` pairs would show with probability ``chance``.

    ``spread`` is the standard deviation of the paired differences, and the answer in its units;
    ``inf`` for a signed-rank test with fewer than 6 seeds, which shows nothing at 0.05.

    Raises:
        ValueError: with fewer than two seeds, a negative ``spread``, or unless
            0 < alpha < chance < 1.
    """
    efficiency = _checked(chance, alpha, test)
    if seeds < 2 or not spread >= 0 or not isfinite(spread):
        raise ValueError(
            f"expected two seeds or more and a spread of 0 or more, got {seeds} and {spread}"
        )
    if seeds < _LEAST[test]:
        return inf
    pairs = seeds * efficiency
    low, high = 0.0, 1.0
    while power(high, pairs, alpha) < chance:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, pairs, alpha) < chance else (low, middle)
    return high * spread
