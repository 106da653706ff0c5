"""Incumbents and regret: pure functions on arrays of shape (runs, steps).

Losses are minimized. Runs of unequal length are padded with NaN at their ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def incumbents(loss: Floats, epochs: NDArray[Any] | None = None) -> NDArray[np.intp]:
    """(runs, steps) the step, counted from 0, whose architecture is the incumbent at each step.

    The incumbent is the query with the least ``loss`` so far among those at the most ``epochs``
    so far; the earlier one wins a tie, and a failed training (NaN) never is one. Before there
    is an incumbent the answer is -1.
    """
    steps = np.arange(loss.shape[1])
    failed = np.isnan(loss)
    if epochs is None or _constant(epochs[~failed]):
        score = np.where(failed, np.inf, loss)
    else:
        # Ranks by epochs, then by loss; lexsort is stable, so an earlier step ranks before its tie.
        order = np.lexsort((np.where(failed, np.inf, loss), -epochs, failed), axis=-1)
        score = np.empty(loss.shape)
        np.put_along_axis(score, order, np.broadcast_to(steps.astype(float), loss.shape), axis=1)
        score[failed] = np.inf
    best = np.minimum.accumulate(score, axis=1)
    before = np.concatenate([np.full((len(loss), 1), np.inf), best[:, :-1]], axis=1)
    return np.maximum.accumulate(np.where(score < before, steps, -1), axis=1)


def _constant(values: NDArray[Any]) -> bool:
    return len(values) == 0 or bool((values == values[0]).all())


def incumbent_values(values: Floats, incumbent: NDArray[np.intp]) -> Floats:
    """(runs, steps) ``values`` of the incumbent at each step; NaN before there is one."""
    taken = np.take_along_axis(values, np.maximum(incumbent, 0), axis=1)
    return np.where(incumbent < 0, np.nan, taken)


def regret(truth: Floats, optimum: float) -> Floats:
    """``truth - optimum``, in the units of the loss. Negative values are kept as they are."""
    return truth - optimum


def on_grid(times: Floats, values: Floats, ends: Floats, grid: Floats) -> Floats:
    """(runs, len(grid)) the right-continuous step function of each run at the points of ``grid``.

    ``values[r, i]`` holds from ``times[r, i]`` on, until the next time; ``ends`` (runs,) is when
    each run ended. There is no value (NaN) before a run's first time nor after its end: nothing
    is interpolated and nothing is extended.
    """
    found = np.full((len(times), len(grid)), np.nan)
    for run, (time, value, end) in enumerate(zip(times, values, ends, strict=True)):
        length = int(np.count_nonzero(~np.isnan(time)))
        place = np.searchsorted(time[:length], grid, side="right") - 1
        known = (place >= 0) & (grid <= end)
        found[run, known] = value[place[known]]
    return found


def last(values: Floats) -> Floats:
    """(runs,) the value at each run's last step, steps padded with NaN left aside."""
    known = ~np.isnan(values)
    place = values.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), values[np.arange(len(values)), place], np.nan)


def average_rank(scores: Floats) -> Floats:
    """(strategies,) mean rank over tasks of ``scores`` (strategies, tasks); 1 is the least score.

    Equal scores share the mean of their ranks. Tasks on which a strategy has no score are left
    out for all.
    """
    from scipy.stats import rankdata

    complete = scores[:, ~np.isnan(scores).any(axis=0)]
    if complete.shape[1] == 0:
        return np.full(len(scores), np.nan)
    ranks: Floats = rankdata(complete, axis=0).mean(axis=1)
    return ranks
