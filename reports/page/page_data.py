"""What the page's interactive curves draw: a task's curves as plain lists, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures.charts import axis_label
from ..figures.style import looks
from ..record.curves import Block
from ..stats.bands import band
from ..stats.regret import Floats

if TYPE_CHECKING:
    from ...bench.store.manifest import TaskFacts

POINTS = 120
"""Points of a curve at most; one over queries has one a query where that is fewer."""

BANDS = {
    "interval": ("mean", "bootstrap", "mean, 95 % interval"),
    "deviation": ("mean", "std", "mean ± deviation"),
    "quartiles": ("median", "iqr", "median, quartiles"),
}
"""The lines and bands to choose from: center and band of `bands.band`, and the switch's words."""


def swatches(labels: Sequence[str], best: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """How each strategy is drawn: the colours and lines of the printed figures, for a browser.

    ``best`` are those to be coloured where there are too many for all (see `style.looks`).
    """
    from matplotlib.colors import to_hex

    styles = looks(labels, best)
    return [
        {
            "label": label,
            "color": to_hex(styles[label]["color"]),
            "dash": _dash(styles[label]["linestyle"]),
            "width": float(styles[label].get("linewidth", 2)),
        }
        for label in labels
    ]


def _dash(line: Any) -> list[float]:
    """Matplotlib's line style as lengths of dashes and gaps in pixels; empty: a full line."""
    return [] if isinstance(line, str) else [2.0 * part for part in line[1]]


def task_curves(blocks: Sequence[Block], facts: TaskFacts, labels: Sequence[str]) -> dict[str, Any]:
    """The curves of one task, for every metric and axis that it has.

    ``axes`` maps an axis to its label and its points ``x``; ``metrics`` a metric to its label;
    ``curves[metric][axis]`` has one entry a label: None, or the columns of `_curve` from point
    ``first`` on: for each of `BANDS` center, low and high, of one run the center alone.
    """
    labels_of = {axis: axis_label(axis, facts) for axis in ("queries", "finish")}
    grids = {axis: _grid(blocks, axis) for axis in labels_of}
    own = {block.strategy: block for block in blocks}
    return {
        "axes": {
            axis: {"label": labels_of[axis], "x": _numbers(grid)} for axis, grid in grids.items()
        },
        "metrics": {m: f"{m} regret{facts.column(m).in_brackets}" for m in facts.metrics},
        "curves": {
            metric: {
                axis: [
                    _curve(own[label].against(axis, metric, grid)) if label in own else None
                    for label in labels
                ]
                for axis, grid in grids.items()
            }
            for metric in facts.metrics
        },
    }


def _grid(blocks: Sequence[Block], axis: str) -> Floats:
    """Points from the first answer of any run to the last end, evenly spaced on a log axis."""
    last = max(float(np.nanmax(b.ends if axis == "finish" else b.queries)) for b in blocks)
    if axis == "queries":
        return np.unique(np.round(np.geomspace(1, max(last, 1), POINTS)))
    first = min(float(np.nanmin(b.finish)) for b in blocks)
    if not 0 < first < last:
        return np.array([last])
    return np.geomspace(first, last, POINTS)


def _curve(values: Floats) -> dict[str, Any] | None:
    """Center and spread of ``values`` (runs, points) where every run has one; None: nowhere."""
    known = np.flatnonzero(~np.isnan(values).any(axis=0))
    if len(known) == 0:
        return None
    part = values[:, known[0] : known[-1] + 1]
    found: dict[str, Any] = {"first": int(known[0]), "label": {}}
    for name, (center, kind, _) in BANDS.items():
        shown = band(part, center=center, band=kind)
        columns = [shown.center] if len(values) == 1 else [shown.center, shown.low, shown.high]
        found[name] = [_numbers(column) for column in columns]
        found["label"][name] = shown.label
    return found


def _numbers(values: Floats) -> list[float]:
    """Rounded to what a screen can show, so that the page stays small."""
    return [float(f"{value:.4g}") for value in values]
