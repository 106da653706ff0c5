"""Where a series of numbers changed its level."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...bench._base.errors import StoreError
from .history import Row, Series

PENALTY = 5.0
"""What a change must explain, in units of noise variance times log n; see docs."""


class Change(NamedTuple):
    """The level went from ``before`` to ``after`` (means of the stretches) with ``row``."""

    row: Row
    before: float
    after: float

    @property
    def worse(self) -> bool:
        return self.after > self.before

    @property
    def share(self) -> float:
        """The change as a share of the level before."""
        return (self.after - self.before) / abs(self.before) if self.before else np.inf


def levels(values: list[float]) -> list[tuple[int, int, float]]:
    """Stretches of one level: (start, end, mean), half-open.

    The best segmentation by squared error with a penalty for each change (PELT: Killick,
    Fearnhead & Eckley, JASA 107:1590, 2012). Noise is estimated from the differences of
    neighbours, by their median: the changes themselves hardly count. Where most neighbours are
    equal, as in results that are deterministic, every difference is a change.

    Raises:
        StoreError: if ruptures is not installed.
    """
    try:
        import ruptures
    except ImportError:
        raise StoreError(
            "change points need the package ruptures: pip install 'nasarena[track]'"
        ) from None
    signal = np.asarray(values, dtype=float)
    n = len(signal)
    if n < 2:
        return [(0, n, float(signal[0]))] if n else []
    steps = np.abs(np.diff(signal))
    noise = 1.4826 * float(np.median(steps)) / np.sqrt(2)
    noise = max(noise, 1e-9 * float(np.abs(signal).max()), np.finfo(float).tiny)
    found = ruptures.Pelt(model="l2", min_size=1, jump=1).fit(signal / noise)
    ends = [int(end) for end in found.predict(pen=PENALTY * np.log(max(n, 3)))]
    starts = [0, *ends[:-1]]
    return [(s, e, float(signal[s:e].mean())) for s, e in zip(starts, ends, strict=True)]


def changes(series: Series) -> list[Change]:
    """The changes of a series, the oldest first.

    Raises:
        StoreError: if ruptures is not installed.
    """
    found = levels([row.value for row in series.rows])
    return [
        Change(series.rows[start], before, after)
        for (_, _, before), (start, _, after) in pairwise(found)
    ]
