"""A center and a band around it for a bundle of runs, and the words that say which they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bootstrap import cut, interval
from .regret import Floats

BANDS = ("bootstrap", "iqr", "std")
_CENTER_NAMES = {"mean": "mean", "median": "median", "iqm": "interquartile mean"}


class Band(NamedTuple):
    """``center``, ``low`` and ``high`` (points,) in the units of the values, and what they are.

    ``runs`` is the number of runs behind every point that has a value.
    """

    center: Floats
    low: Floats
    high: Floats
    label: str
    runs: int


def center_of(values: Floats, center: str = "mean") -> Floats:
    """(points,) mean, median or interquartile mean over runs of ``values`` (runs, points).

    The interquartile mean leaves out a quarter of the runs, rounded down, at each end. A point at
    which any run has no value has none (NaN): a curve neither starts before every run has an
    incumbent nor goes on after the first run has ended.

    Raises:
        ValueError: if there are no runs or ``center`` is unknown.
    """
    runs = len(values)
    if runs == 0:
        raise ValueError("expected at least one run, got none")
    out = cut(runs, center)
    ordered = np.sort(values, axis=0) if out else values
    kept = ordered[out : runs - out]
    return np.where(np.isnan(values).any(axis=0), np.nan, kept.mean(axis=0))


def band(
    values: Floats,
    *,
    center: str = "mean",
    band: str = "bootstrap",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Band:
    """The ``center`` of ``values`` (runs, points) with a ``band``, labelled.

    ``"bootstrap"`` is a percentile bootstrap interval of the center (how well it is known),
    ``"iqr"`` the quartiles of the runs and ``"std"`` one sample standard deviation to either side
    of the center (how much runs differ). With one run there is a center and no band (NaN).

    Raises:
        ValueError: if there are no runs, or ``center``, ``band`` or ``level`` is none that is
            known.
    """
    if band not in BANDS:
        raise ValueError(f"band: expected one of {', '.join(BANDS)}, got {band!r}")
    middle = center_of(values, center)
    runs = len(values)
    low, high = np.full((2, values.shape[1]), np.nan)
    if band == "bootstrap":
        low, high = interval(values, center=center, level=level, resamples=resamples, seed=seed)
        name = f"{100 * level:g} % bootstrap interval of the {_CENTER_NAMES[center]}"
    elif band == "iqr":
        name = "interquartile range of the runs"
        if runs > 1:
            low, high = np.quantile(values, [0.25, 0.75], axis=0)
    else:
        name = "± 1 standard deviation of the runs"
        if runs > 1:
            spread = np.std(values, axis=0, ddof=1)
            low, high = middle - spread, middle + spread
    label = f"{_CENTER_NAMES[center]} of {runs} run{'s' * (runs != 1)}"
    label += ", no band: one run does not show a spread" if runs == 1 else f", {name}"
    return Band(middle, low, high, label, runs)
