"""Several objectives: hypervolume and what is missing of it, and attainment surfaces.

All objectives are minimized. A point counts for the hypervolume only where it is better than the
reference point in every objective; NaN, a failed training, counts for nothing. Two objectives are
exact here; three and more take the package moocore (``pip install "nasarena[multi]"``).

Source: Zitzler & Thiele 1998 (hypervolume); Fonseca & Fleming 1996 and López-Ibáñez, Paquete &
Stützle 2010 (attainment surfaces).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .regret import Floats


def nondominated(points: Floats) -> NDArray[np.bool_]:
    """(n,) which of ``points`` (n, objectives) no other is better than; the first of equal ones.

    A point with NaN in it is none.
    """
    found = np.zeros(len(points), dtype=bool)
    known = np.flatnonzero(~np.isnan(points).any(axis=1))
    # In this order a point can only be dominated by one before it.
    order = known[np.lexsort(points[known].T[::-1])]
    if points.shape[1] == 2:
        second = points[order, 1]
        best = np.minimum.accumulate(second)
        found[order[:1]] = True
        found[order[1:]] = second[1:] < best[:-1]
        return found
    front = np.empty((0, points.shape[1]))
    for place in order:
        if not (front <= points[place]).all(axis=1).any():
            found[place] = True
            front = np.concatenate([front, points[place : place + 1]])
    return found


def hypervolume(points: Floats, reference: ArrayLike) -> float:
    """The volume between ``points`` (n, objectives) and the ``reference`` point, in their units.

    Raises:
        ValueError: if shapes do not fit or there is but one objective.
        ImportError: for three objectives and more, if moocore is missing.
    """
    corner = np.asarray(reference, dtype=float)
    if points.ndim != 2 or corner.shape != points.shape[1:] or len(corner) < 2:
        raise ValueError(
            f"expected points (n, objectives) and a reference (objectives,) of two objectives or "
            f"more, got shapes {points.shape} and {corner.shape}"
        )
    inside = points[(points < corner).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if len(corner) > 2:
        return float(_moocore().hypervolume(inside, ref=corner))
    ordered = inside[np.lexsort((inside[:, 1], inside[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    widths = np.diff(ordered[:, 0], append=corner[0])
    return float(widths @ (corner[1] - lowest))


def _moocore() -> Any:
    try:
        import moocore
    except ImportError as error:
        raise ImportError(
            "the hypervolume of three objectives and more needs the package moocore: "
            'pip install "nasarena[multi]"'
        ) from error
    return moocore


def hypervolume_over_time(losses: Floats, reference: ArrayLike) -> Floats:
    """(runs, steps) the hypervolume of all points up to each step of ``losses``.

    ``losses`` (runs, steps, objectives) is padded with NaN behind a run's end; there the value
    stays what it was, and is for the caller to mask.
    """
    corner = np.asarray(reference, dtype=float)
    found = np.zeros(losses.shape[:2])
    for run, points in enumerate(losses):
        if len(corner) == 2:
            found[run] = np.cumsum(_gains(points, corner))
            continue
        front = np.empty((0, len(corner)))
        for step, point in enumerate(points):
            found[run, step] = found[run, step - 1] if step else 0.0
            if (point < corner).all() and not (front <= point).all(axis=1).any():
                front = np.concatenate([front[~(point <= front).all(axis=1)], point[None]])
                found[run, step] = hypervolume(front, corner)
    return found


def _gains(points: Floats, corner: Floats) -> list[float]:
    """What each of ``points`` (steps, 2) adds to the area of those before it."""
    end, top = corner.tolist()
    xs: list[float] = []  # the front so far: x rises, y falls
    ys: list[float] = []
    gains = []
    for x, y in points.tolist():
        gain = 0.0
        place = bisect_left(xs, x)
        above = ys[place - 1] if place else top
        if x < end and y < above and not (place < len(xs) and xs[place] == x and ys[place] <= y):
            left, last = x, place
            while last < len(xs) and ys[last] >= y:  # those that the point dominates
                gain += (xs[last] - left) * (above - y)
                left, above = xs[last], ys[last]
                last += 1
            gain += ((xs[last] if last < len(xs) else end) - left) * (above - y)
            xs[place:last], ys[place:last] = [x], [y]
        gains.append(gain)
    return gains


def hypervolume_regret(losses: Floats, front: Floats, reference: ArrayLike) -> Floats:
    """(runs, steps) the hypervolume of the true ``front`` (n, objectives) less that found so far.

    In the product of the objectives' units. It is not clipped: noise in ``losses`` can make it
    negative, if they are not the truth.
    """
    return hypervolume(front, reference) - hypervolume_over_time(losses, reference)


def attainment(
    fronts: Sequence[Floats], shares: Sequence[float], goals: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return what given shares of the runs have attained (Fonseca & Fleming 1996).

    Args:
        fronts: for each run its points (n, 2), dominated ones and NaN allowed.
        shares: parts of the runs, each in (0, 1].
        goals: (goals,) rising values of the first objective; None: all that occur.

    Returns:
        The goals, and (shares, goals) the least value of the second objective that at least such
        a share of the runs has reached with no more than the goal in the first; ``inf`` where
        fewer runs have reached the goal at all.

    Raises:
        ValueError: if there are no runs, a share is not in (0, 1] or a front is not (n, 2).
    """
    if not fronts or not all(0 < share <= 1 for share in shares):
        raise ValueError(
            f"expected at least one run and shares in (0, 1], got {len(fronts)} and {shares}"
        )
    if any(front.ndim != 2 or front.shape[1] != 2 for front in fronts):
        raise ValueError(f"expected fronts (n, 2), got {[front.shape for front in fronts]}")
    known = [front[~np.isnan(front).any(axis=1)] for front in fronts]
    if goals is None:
        goals = np.unique(np.concatenate([front[:, 0] for front in known]))
    best = np.full((len(known), len(goals) + 1), np.inf)  # the last column: beyond all goals
    for run, front in enumerate(known):
        np.minimum.at(best[run], np.searchsorted(goals, front[:, 0]), front[:, 1])
    best = np.sort(np.minimum.accumulate(best[:, :-1], axis=1), axis=0)
    needed = [int(np.ceil(share * len(known) - 1e-9)) for share in shares]
    return goals, best[np.array(needed) - 1]


def attainment_surface(fronts: Sequence[Floats], share: float) -> Floats:
    """Return the corners (n, 2) of the staircase that at least ``share`` of the runs have attained.

    ``fronts`` and ``share`` are those of `attainment`. A goal is attained by a run if one of its
    points is at least as good in both objectives. ``share = 0.5`` is the median attainment surface;
    the least share is that of one run. A run without points attains nothing. The corners are the
    surface's nondominated points, by rising first objective: a step function, to be drawn with
    steps and never with lines from corner to corner.

    Raises:
        ValueError: if there are no runs, ``share`` is not in (0, 1] or a front is not (n, 2).
    """
    goals, (level,) = attainment(fronts, [share])
    before = np.concatenate([[np.inf], level[:-1]])
    corner = level < before
    return np.stack([goals[corner], level[corner]], axis=1)
