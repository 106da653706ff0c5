"""The percentile bootstrap over runs."""

from __future__ import annotations

import numpy as np

from .regret import Floats


def mean_interval(
    values: Floats, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Bounds (points,) of a bootstrap interval for the mean over runs of ``values`` (runs, points).

    Runs are resampled whole: the points of one run stay together. A point at which any run has
    no value has no interval (NaN). The same ``seed`` gives the same interval (Efron &
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Raises:
        ValueError: if there are no runs, or ``level`` is not between 0 and 1.
    """
    runs, points = values.shape
    if runs == 0:
        raise ValueError("expected at least one run, got none")
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    rng = np.random.default_rng(seed)
    # How often each run is drawn is all that a mean needs to know.
    weights = rng.multinomial(runs, np.full(runs, 1 / runs), size=resamples) / runs
    bounds = np.full((2, points), np.nan)
    known = np.flatnonzero(~np.isnan(values).any(axis=0))
    tail = (1 - level) / 2
    block = max(1, 20_000_000 // resamples)  # keeps the resampled means under 160 MB
    for start in range(0, len(known), block):
        part = known[start : start + block]
        means = weights @ values[:, part]
        bounds[:, part] = np.quantile(means, [tail, 1 - tail], axis=0)
    return bounds[0], bounds[1]
