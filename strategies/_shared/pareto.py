"""What strategies for several objectives share: non-dominated fronts and crowding.

Source: Deb, Pratap, Agarwal & Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
NSGA-II", IEEE Transactions on Evolutionary Computation 6, 2002.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fronts(losses: Array) -> NDArray[np.int64]:
    """(n, objectives) to (n,): 0 for those that no other dominates, 1 for those left then, …

    One dominates another if it is nowhere larger and somewhere smaller. Failures (inf or NaN)
    are dominated by every success.
    """
    points = np.where(np.isfinite(losses), losses, np.inf)
    nowhere_larger = np.all(points[:, None] <= points[None], axis=2)
    dominates = nowhere_larger & np.any(points[:, None] < points[None], axis=2)
    dominators = dominates.sum(axis=0)
    found = np.full(len(points), -1)
    level = 0
    while (open_ := found < 0).any():
        front = open_ & (dominators == 0)
        found[front] = level
        dominators = dominators - dominates[front].sum(axis=0)
        level += 1
    return found


def crowding(losses: Array) -> Array:
    """(n, objectives) of one front to (n,): how far each one's neighbors are apart; inf at ends."""
    distance = np.zeros(len(losses))
    # Failures count as the largest number: between infinities there is no extent.
    for column in np.where(np.isfinite(losses), losses, np.finfo(np.float64).max / 4).T:
        order = np.argsort(column, kind="stable")
        ranked = column[order]
        distance[order[[0, -1]]] = np.inf
        extent = ranked[-1] - ranked[0]
        if len(ranked) > 2 and extent > 0:
            distance[order[1:-1]] += (ranked[2:] - ranked[:-2]) / extent
    return distance


def ranking(losses: Array) -> NDArray[np.int64]:
    """(n, objectives) to the (n,) order of NSGA-II: by front, the less crowded first."""
    front = fronts(losses)
    distance = np.zeros(len(losses))
    for level in range(int(front.max(initial=-1)) + 1):
        members = front == level
        distance[members] = crowding(losses[members])
    order: NDArray[np.int64] = np.lexsort((-distance, front))
    return order
