"""How good a search is at any time: area, rank, time to a target, and what it costs to get there.

Times are in whatever unit the caller counts: queries, epochs or seconds. Curves are right-
continuous step functions, as in `regret.on_grid`: nothing is interpolated or extended.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .regret import Floats


def area_under_curve(
    times: Floats,
    values: Floats,
    ends: Floats,
    *,
    start: float,
    horizon: float,
    log: bool = False,
) -> Floats:
    """(runs,) the mean height of each run's step function from ``start`` to ``horizon``.

    ``times`` and ``values`` (runs, steps) are padded with NaN, ``ends`` (runs,) is when each run
    ended. The area is divided by the width, so that it is in the units of the values; with
    ``log`` it is taken along the logarithm of time, as it is seen on a log axis. A run that has no
    value at ``start`` yet, or ends before ``horizon``, has no area (NaN).

    Raises:
        ValueError: unless ``start < horizon``, and ``0 < start`` where ``log``.
    """
    if not start < horizon or (log and start <= 0):
        raise ValueError(
            f"expected {'0 < ' * log}start < horizon, got start {start:g} and horizon {horizon:g}"
        )
    runs = len(times)
    edges = np.clip(np.where(np.isnan(times), horizon, times), start, horizon)
    edges = np.concatenate([edges, np.full((runs, 1), horizon)], axis=1)
    first = edges[:, 0] if edges.shape[1] > 1 else np.full(runs, horizon)
    if log:
        edges = np.log(edges)
    widths = np.diff(edges, axis=1)
    height = np.where(widths > 0, values, 0.0)
    area: Floats = (height * widths).sum(axis=1) / (
        edges[0, -1] - (np.log(start) if log else start)
    )
    return np.where((first > start) | ~(ends >= horizon), np.nan, area)


def average_ranks(parts: Iterable[Floats]) -> Floats:
    """Return the average rank at each point, (strategies, points).

    Each of ``parts`` is an array of curves (strategies, ..., points). The axes between are tasks
    and seeds, paired over strategies: ranks are taken within each pair and averaged over the pairs
    of all parts; 1 is the least value, and equal values share the mean of their ranks. Where any
    strategy has no value (NaN) the pair is left out for all; a point with no pair left is NaN.

    Raises:
        ValueError: if there are no parts.
    """
    from scipy.stats import rankdata

    total: Floats | None = None
    pairs: NDArray[np.intp] | None = None
    for curves in parts:
        flat = curves.reshape(len(curves), -1, curves.shape[-1])
        known = ~np.isnan(flat).any(axis=0)
        ranks = np.where(known, rankdata(np.where(known, flat, 0.0), axis=0), 0.0).sum(axis=1)
        # Ranks are whole or half numbers: their sums are exact in any order.
        total = ranks if total is None else total + ranks
        pairs = known.sum(axis=0) if pairs is None else pairs + known.sum(axis=0)
    if total is None or pairs is None:
        raise ValueError("expected curves, got none")
    found = np.full(total.shape, np.nan)
    np.divide(total, pairs, out=found, where=pairs > 0)
    return found


def time_to_target(times: Floats, values: Floats, targets: ArrayLike) -> Floats:
    """(runs, targets) when each run first came to or below each target; NaN where it never did.

    ``times`` and ``values`` are (runs, steps), padded with NaN. What counts is the first hit, also
    where the incumbent that the run chose later is truly worse.
    """
    best = np.minimum.accumulate(np.where(np.isnan(values), np.inf, values), axis=1)
    wanted = np.atleast_1d(np.asarray(targets, dtype=float))
    found = np.full((len(times), len(wanted)), np.nan)
    if best.shape[1] == 0:
        return found
    for number, target in enumerate(wanted):
        hit = best <= target
        first = times[np.arange(len(times)), np.argmax(hit, axis=1)]
        found[:, number] = np.where(hit[:, -1], first, np.nan)
    return found


def ecdf(hits: Floats, grid: Floats) -> Floats:
    """(len(grid),) the share of all runs and targets in ``hits`` (any shape) reached by then.

    Those never reached (NaN) count in the whole: the curve ends below 1 (Hansen et al. 2016, COCO:
    Performance Assessment, arXiv:1605.03560: the empirical runtime distribution).

    Raises:
        ValueError: if there are no runs or no targets.
    """
    if hits.size == 0:
        raise ValueError(f"expected runs and targets, got an array of shape {hits.shape}")
    reached = np.sort(hits[~np.isnan(hits)])
    share: Floats = np.searchsorted(reached, grid, side="right") / hits.size
    return share


def expected_running_time(hits: Floats, ends: Floats) -> Floats:
    """(targets,) the expected running time to each target, with runs that missed it censored.

    ``hits`` (runs, targets) is `time_to_target`, ``ends`` (runs,) what each run spent. The time of
    all runs, up to the hit where there is one and to the end where not, over the number of hits:
    the expected time of a search that starts anew until it hits. ``inf`` where no run hit (Hansen
    et al. 2016, COCO: Performance Assessment, arXiv:1605.03560: "average runtime", once ERT).

    Raises:
        ValueError: if there are no runs, or it is not known what one spent.
    """
    if len(hits) == 0:
        raise ValueError("expected at least one run, got none")
    if np.isnan(ends).any():
        run = int(np.flatnonzero(np.isnan(ends))[0])
        raise ValueError(f"ends: expected what each run spent, got NaN for run {run}; leave it out")
    spent = np.where(np.isnan(hits), ends[:, None], hits).sum(axis=0)
    count = (~np.isnan(hits)).sum(axis=0)
    found = np.full(hits.shape[1], np.inf)
    np.divide(spent, count, out=found, where=count > 0)
    return found
