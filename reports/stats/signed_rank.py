"""Wilcoxon's signed-rank test, exact with ties and zeros, for whatever is paired here.

Differences are paired (one a seed, or one a task), and symmetric about zero if nothing differs:
then every sign could as well be the other one, and the distribution of the ranks' sum over all
signs is the test's, whatever the differences' own distribution is.

Source: Wilcoxon 1945; Pratt, "Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures",
JASA 54, 1959; Streitberg & Röhmel, "Exact Distributions for Permutation and Rank Tests", 1986.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np

from .regret import Floats

_EXACT = 300
"""Up to so many differences other than zero are counted out; more are nearly normal."""


class SignedRank(NamedTuple):
    """The outcome: ``statistic`` W+ − W−, positive where differences are; two-sided ``p``."""

    statistic: float
    p: float


def signed_rank(differences: Floats) -> SignedRank:
    """Test that ``differences`` (pairs,) lie around zero.

    Zeros are ranked and then left out (Pratt), so that many of them make the others weigh less, not
    more; equal differences share their mean rank. p is that share of all signs of these very ranks
    whose sum is at least as far from zero: no normal approximation up to 300 differences other than
    zero, so that a far tail can go through a correction for many tests. The least p that n of them
    can have is 2 ** (1 - n). With none, p is 1.
    """
    _, place, counts = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    # Twice the mean rank of each tie, so that all are whole numbers.
    doubled = (2 * last - counts + 1)[place][differences != 0].astype(np.int64)
    if len(doubled) == 0:
        return SignedRank(0.0, 1.0)
    plus, total = int(doubled[differences[differences != 0] > 0].sum()), int(doubled.sum())
    statistic = plus - total / 2
    if len(doubled) > _EXACT:
        from scipy.special import ndtr

        z = (abs(statistic) - 0.5) / sqrt(float((doubled**2).sum()) / 4)
        return SignedRank(statistic, min(1.0, 2 * float(ndtr(-z))))
    # The ranks' greatest common divisor makes the sums fewer: 2, where there are no ties.
    unit = int(np.gcd.reduce(doubled))
    tail = _lower_tail(np.sort(doubled // unit).tobytes())
    return SignedRank(statistic, min(1.0, 2 * float(tail[min(plus, total - plus) // unit])))


@lru_cache(maxsize=32)
def _lower_tail(ranks: bytes) -> Floats:
    """Return the chance, for each sum up to half of all ranks, of no more with random signs.

    ``ranks`` are whole numbers (int64) in increasing order. Without ties they are the same for all
    pairs of so many runs, and kept.
    """
    ordered = np.frombuffer(ranks, dtype=np.int64)
    size = int(ordered.sum()) // 2 + 1
    ways = np.zeros(size)  # to choose ranks that have this sum
    ways[0] = 1.0
    reached = 1
    for rank in ordered.tolist():
        reached = min(reached + rank, size)
        if rank < reached:
            ways[rank:reached] += ways[: reached - rank]
    return np.cumsum(ways) / 2.0 ** len(ordered)
