"""Tests on paired differences, one a seed. Pure functions on arrays of shape (seeds,).

A difference is current minus baseline; losses are minimized, so positive is worse. If nothing
changed but the bits, the two results of a seed could be exchanged: differences are symmetric about
zero, and the signed-rank test is exact whatever their distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EXACT = 300
"""Up to so many seeds the signed-rank distribution is counted out, beyond it is nearly normal."""


def signed_rank(differences: Floats) -> tuple[float, float]:
    """Wilcoxon's signed-rank test (1945): (W+ − W−, two-sided p), ties and zeros kept exact.

    Zeros are ranked, then left out (Pratt, 1959); tied differences share their mean rank, and the
    null distribution is that of these very ranks under all signs (Streitberg & Röhmel, 1986).
    No difference other than zero gives p = 1.
    """
    from scipy.stats import rankdata

    doubled = np.round(2 * rankdata(np.abs(differences))).astype(np.int64)[differences != 0]
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


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: the chance of any false rejection stays below alpha (Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def mean_interval(differences: Floats, level: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean difference; unbounded for fewer than two seeds."""
    n = len(differences)
    if n < 2:
        return -inf, inf
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(differences.std(ddof=1)) / sqrt(n)
    mean = float(differences.mean())
    return mean - half, mean + half


def equivalence(differences: Floats, margin: float) -> float:
    """p-value of "the mean difference is at least ``margin`` off zero".

    Two one-sided t-tests (Schuirmann, 1987): a small p shows that the difference is smaller.
    """
    n, mean = len(differences), abs(float(differences.mean()))
    if n < 2 or not margin > 0:
        return 1.0
    error = float(differences.std(ddof=1)) / sqrt(n)
    if error == 0:
        return 0.0 if mean < margin else 1.0
    from scipy.special import stdtr

    return float(stdtr(n - 1, (mean - margin) / error))


def superiority(baseline: Floats, current: Floats) -> float:
    """Chance that a current run has more regret than a baseline run, ties half.

    0.5 is no difference (A12; Vargha & Delaney, 2000).
    """
    below = np.sort(baseline)
    less = np.searchsorted(below, current, side="left")
    ties = np.searchsorted(below, current, side="right") - less
    return float((less + ties / 2).sum() / (len(baseline) * len(current)))


def detectable(deviation: float, seeds: int, alpha: float, power: float = 0.8) -> float:
    """The least mean difference that ``seeds`` runs find with probability ``power`` at ``alpha``.

    For normal differences of standard deviation ``deviation``; the signed-rank test counts as a
    t-test with 3/π of the seeds, its relative efficiency there. Infinite where even a difference
    of one sign in every seed is no evidence.
    """
    if seeds < 2 or 2.0 ** (1 - seeds) > alpha:
        return inf
    if deviation == 0:
        return 0.0
    from scipy.special import ndtri, stdtrit

    effective = 3 * seeds / np.pi
    critical = float(stdtrit(seeds - 1, 1 - alpha / 2))
    # Guenther's correction (1981) of the normal approximation for a t-test.
    needed = float(ndtri(1 - alpha / 2)) + float(ndtri(power))
    needed *= sqrt(1 + float(ndtri(1 - alpha / 2)) ** 2 / (2 * effective))
    return deviation * max(needed, critical) / sqrt(effective)


def seeds_for(
    deviation: float, margin: float, alpha: float, alpha_equal: float, power: float = 0.8
) -> int:
    """How many seeds settle a comparison either way with probability ``power``.

    Enough to find a difference of ``margin`` (at ``alpha``) and, where there is none, to show
    equivalence (at ``alpha_equal``). 0 if no number does: the margin is 0.
    """
    if not margin > 0:
        return 0
    from scipy.special import ndtri

    root = (float(ndtri(1 - alpha_equal)) + float(ndtri((1 + power) / 2))) * deviation / margin
    low = max(2, int(np.ceil(root**2)) + 1)
    high = low
    while detectable(deviation, high, alpha, power) > margin:
        low, high = high, 2 * high
        if high > 10**9:
            return 0
    while low < high:
        middle = (low + high) // 2
        if detectable(deviation, middle, alpha, power) > margin:
            low = middle + 1
        else:
            high = middle
    return high
