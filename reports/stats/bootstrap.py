"""The percentile bootstrap: over runs for curves, within each task for figures over many tasks.

Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; the stratified form
is that of Agarwal et al. 2021, arXiv:2108.13264 (rliable).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .regret import Floats

CENTERS = ("mean", "median", "iqm")
_BLOCK = 2_000_000
"""So many numbers at once: they stay in the processor's cache or near it."""


def cut(runs: int, center: str) -> int:
    """How many of ``runs`` sorted values ``center`` leaves out at each end.

    The mean, the interquartile mean (a quarter, rounded down) and the median (all but one or two)
    are one family: the mean of what is left.

    Raises:
        ValueError: if ``center`` is none of `CENTERS`.
    """
    if center not in CENTERS:
        raise ValueError(f"center: expected one of {', '.join(CENTERS)}, got {center!r}")
    return {"mean": 0, "iqm": runs // 4, "median": max(runs - 1, 0) // 2}[center]


def check_level(level: float) -> None:
    """Raises ValueError unless ``level`` is between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")


def interval(
    values: Floats,
    *,
    center: str = "mean",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Bounds (points,) of a bootstrap interval for the ``center`` of ``values`` (runs, points).

    Runs are resampled whole: the points of one run stay together. A point at which any run has
    no value has no interval (NaN), and one run alone has none: it says nothing of the spread. The
    same ``seed`` gives the same interval.

    Raises:
        ValueError: if there are no runs, ``level`` is not between 0 and 1 or ``center`` unknown.
    """
    runs, points = values.shape
    if runs == 0:
        raise ValueError("expected at least one run, got none")
    check_level(level)
    out = cut(runs, center)
    bounds = np.full((2, points), np.nan)
    if runs == 1:
        return bounds[0], bounds[1]
    # How often each run is drawn is all that the center needs to know.
    counts = tally(np.arange(runs), runs, resamples, np.random.default_rng(seed)).T
    known = np.flatnonzero(~np.isnan(values).any(axis=0))
    tails = [(1 - level) / 2, (1 + level) / 2]
    block = max(1, 20_000_000 // resamples)  # keeps the resampled centers under 160 MB
    weights = counts / np.float64(runs) if out == 0 else counts
    for start in range(0, len(known), block):
        part = known[start : start + block]
        if out == 0:
            centers = values[:, part].T @ weights
        else:
            centers = np.stack([_trimmed(counts, values[:, point], out) for point in part])
        bounds[:, part] = np.quantile(centers, tails, axis=1)
    return bounds[0], bounds[1]


def _trimmed(counts: NDArray[np.float32], values: Floats, out: int) -> Floats:
    """(resamples,) the mean of each resample without its ``out`` least and greatest values.

    ``counts`` (runs, resamples) says how often each run was drawn.
    """
    order = np.argsort(values, kind="stable")
    ranks = np.cumsum(counts[order], axis=0)
    np.clip(ranks, out, len(values) - out, out=ranks)
    # A value counts as often as its ranks are not cut off; summed by parts, from rank to rank.
    rises = np.diff(values[order]).astype(np.float64)
    total = values[order[-1]] * (len(values) - out) - values[order[0]] * out
    means: Floats = (total - rises @ ranks[:-1]) / (len(values) - 2 * out)
    return means


def stratified(
    sizes: Sequence[int], resamples: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint32]]:
    """Resamples of runs within each task: blocks (resamples, sum of ``sizes``) of places.

    The values of all tasks lie one behind the other, ``sizes`` of them in each; a place is drawn
    among those of its own task. The blocks together hold ``resamples`` rows.
    """
    total = int(sum(sizes))
    size = np.repeat(np.asarray(sizes, dtype=np.float32), sizes)
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes).astype(np.uint32)
    rows = max(1, _BLOCK // total)
    for start in range(0, resamples, rows):
        shape = (min(rows, resamples - start), total)
        places = rng.random(shape, dtype=np.float32)
        places *= size
        drawn = places.astype(np.uint32)
        drawn += first
        yield drawn


def tally(
    classes: NDArray[np.int64], number: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(resamples, number) how often each class is drawn when the runs are resampled.

    ``classes`` (runs,) holds each run's class, below ``number``. (NumPy's multinomial gives the
    same, several times as slowly.)
    """
    runs = len(classes)
    found = np.empty((resamples, number), dtype=np.float32)
    rows = max(1, _BLOCK // max(runs, number))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = rng.random((count, runs), dtype=np.float32) * np.float32(runs)
        places = classes[drawn.astype(np.int32)] + np.arange(count)[:, None] * number
        tallied = np.bincount(places.ravel(), minlength=count * number)
        found[start : start + count] = tallied.reshape(count, number)
    return found
