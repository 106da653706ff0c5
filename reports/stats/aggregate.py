"""One figure for many tasks, with a stratified bootstrap; definitions of rliable, for losses.

Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
NeurIPS 2021, arXiv:2108.13264. Values are (runs, tasks), one strategy's final regret, made
comparable over tasks (normalized) by the caller; less is better. There the same is said of scores,
of which more is better: their value of ``-values`` is ours. Runs that are missing on a task are NaN
there, each task counts the same, and runs are resampled within their task: the interval is for
other seeds on the same tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import check_level, stratified, tally
from .regret import Floats

RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A value with its bootstrap or Wilson interval: numbers, or arrays of one shape.

    ``low`` and ``high`` are NaN where a single run says nothing of the spread.
    """

    value: Floats
    low: Floats
    high: Floats


def _by_task(values: Floats) -> list[Floats]:
    """The known values of each task.

    Raises:
        ValueError: if ``values`` is not (runs, tasks) or a task has no run.
    """
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected values (runs, tasks), got shape {values.shape}")
    found = [column[~np.isnan(column)] for column in values.T]
    for task, known in enumerate(found):
        if len(known) == 0:
            raise ValueError(f"task {task} has no run with a value; leave it out for all")
    return found


def _bounds(resampled: Floats, level: float) -> tuple[Floats, Floats]:
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _mean_over_tasks(
    values: Floats, measure: Callable[[Floats], Floats], level: float, resamples: int, seed: int
) -> Estimate:
    """A mean over runs and then tasks of ``measure`` of a value, with its interval."""
    check_level(level)
    tasks = [measure(known) for known in _by_task(values)]
    value = np.mean([each.mean() for each in tasks])
    sizes = [len(each) for each in tasks]
    if min(sizes) < 2:
        return Estimate(value, np.array(np.nan), np.array(np.nan))
    flat = np.concatenate([each / len(each) for each in tasks]) / len(tasks)
    blocks = stratified(sizes, resamples, np.random.default_rng(seed))
    found = np.concatenate([flat[places].sum(axis=1) for places in blocks])
    return Estimate(value, *_bounds(found, level))


def mean(
    values: Floats, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The mean over runs and tasks."""
    return _mean_over_tasks(values, lambda x: x, level, resamples, seed)


def iqm(
    values: Floats, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """The interquartile mean over all runs of all tasks: a quarter is left out at each end."""
    check_level(level)
    tasks = _by_task(values)
    flat = np.concatenate(tasks)
    order = np.argsort(flat, kind="stable")
    out = len(flat) // 4
    kept = slice(out, len(flat) - out)
    ordered = flat[order]
    value = ordered[kept].mean()
    sizes = [len(each) for each in tasks]
    if min(sizes) < 2:
        return Estimate(value, np.array(np.nan), np.array(np.nan))
    # Ranks sort faster than values, and are as good.
    rank = np.empty(len(flat), dtype=np.uint16 if len(flat) < 2**16 else np.uint32)
    rank[order] = np.arange(len(flat))
    found = []
    for places in stratified(sizes, resamples, np.random.default_rng(seed)):
        ranks = rank[places]
        ranks.sort(axis=1)
        found.append(ordered[ranks[:, kept]].mean(axis=1))
    return Estimate(value, *_bounds(np.concatenate(found), level))


def performance_profile(
    values: Floats,
    thresholds: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """(thresholds,) the share of runs at or below each of increasing ``thresholds``.

    The run-score distribution of rliable, with pointwise intervals. rliable counts scores strictly
    above a threshold; here those equal to it count too, so that at 0 stands the share of runs that
    found the optimum.

    Raises:
        ValueError: if the thresholds do not increase.
    """
    check_level(level)
    taus = np.atleast_1d(np.asarray(thresholds, dtype=float))
    if (np.diff(taus) <= 0).any():
        raise ValueError("thresholds: expected increasing numbers")
    tasks = _by_task(values)
    shares = np.array([(each[:, None] <= taus).mean(axis=0) for each in tasks])
    value = shares.mean(axis=0)
    none = np.full(len(taus), np.nan)
    if min(len(each) for each in tasks) < 2:
        return Estimate(value, none, none)
    rng = np.random.default_rng(seed)
    found = np.zeros((resamples, len(taus)))
    for each in tasks:
        # The first threshold that a run passes says it all.
        counts = tally(np.searchsorted(taus, each), len(taus) + 1, resamples, rng)
        found += np.cumsum(counts[:, :-1], axis=1) / len(each)
    return Estimate(value, *_bounds(found / len(tasks), level))


def probability_of_improvement(
    values: Floats,
    others: Floats,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """How likely a run of the first strategy is better than one of the second, mean over tasks.

    ``values`` (runs, tasks) and ``others`` (other runs, the same tasks) are losses: less is better,
    and equal counts half. Both are resampled, each on its own.

    Raises:
        ValueError: if the numbers of tasks differ.
    """
    check_level(level)
    ours, theirs = _by_task(values), _by_task(others)
    if len(ours) != len(theirs):
        raise ValueError(f"expected the same tasks, got {len(ours)} and {len(theirs)}")
    value = np.zeros(())
    found = np.zeros(resamples)
    rng = np.random.default_rng(seed)
    for a, b in zip(ours, theirs, strict=True):
        wins = (a[:, None] < b) + (a[:, None] == b) / 2
        value = value + wins.mean()
        first = tally(np.arange(len(a)), len(a), resamples, rng)
        second = tally(np.arange(len(b)), len(b), resamples, rng)
        found += np.einsum("ri,ri->r", first @ wins.astype(np.float32), second) / wins.size
    value = value / len(ours)
    if min(len(each) for each in [*ours, *theirs]) < 2:
        return Estimate(value, np.array(np.nan), np.array(np.nan))
    return Estimate(value, *_bounds(found / len(ours), level))


def hit_rate(hits: int, runs: int, *, level: float = 0.95) -> Estimate:
    """The share of ``runs`` that hit, with the Wilson score interval (Wilson 1927).

    Runs that failed count as runs that did not hit.

    Raises:
        ValueError: unless 0 <= hits <= runs and there is a run.
    """
    from scipy.stats import binomtest

    check_level(level)
    if not 0 <= hits <= runs or runs == 0:
        raise ValueError(f"expected 0 <= hits <= runs and a run, got {hits} hits of {runs} runs")
    low, high = binomtest(hits, runs).proportion_ci(confidence_level=level, method="wilson")
    return Estimate(np.array(hits / runs), np.array(low), np.array(high))
