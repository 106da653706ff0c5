"""What the page's interactive curves draw: a task's curves as plain lists, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .bootstrap import mean_interval
from .curves import Block
from .regret import Floats
from .style import looks

POINTS = 120
"""Points of a curve at most; one over queries has one a query where that is fewer."""

BANDS = {
    "interval": "mean over runs, with its 95 % bootstrap interval",
    "deviation": "mean over runs, ± one standard deviation of the runs",
    "quartiles": "median over runs, with their quartiles",
    "none": "mean over runs, no band",
}
"""What a line and its band are, by the name the page's switch has for them."""


def swatches(labels: Sequence[str]) -> list[dict[str, Any]]:
    """How each strategy is drawn: the colours and lines of the printed figures, for a browser."""
    from matplotlib.colors import to_hex

    styles = looks(labels)
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


def task_curves(
    blocks: Sequence[Block], facts: dict[str, Any], labels: Sequence[str]
) -> dict[str, Any]:
    """The curves of one task, for every metric and axis that it has.

    ``axes`` maps an axis to its label and its points ``x``; ``metrics`` a metric to its label;
    ``curves[metric][axis]`` has one entry a label: None, or the columns of `_curve` from point
    ``first`` on.
    """
    metrics = ["validation", *(["test"] if facts["test"] else [])]
    cost = facts["cost"]
    labels_of = {"queries": "queries", "finish": _with_unit(f"simulated {_short(cost)}", cost)}
    grids = {axis: _grid(blocks, axis) for axis in labels_of}
    own = {block.strategy: block for block in blocks}
    return {
        "axes": {
            axis: {"label": labels_of[axis], "x": _numbers(grid)} for axis, grid in grids.items()
        },
        "metrics": {m: _with_unit(f"{m} regret", facts[m]) for m in metrics},
        "curves": {
            metric: {
                axis: [
                    _curve(own[label].against(axis, metric, grid)) if label in own else None
                    for label in labels
                ]
                for axis, grid in grids.items()
            }
            for metric in metrics
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
    low, high = mean_interval(part)
    quartiles = np.quantile(part, [0.25, 0.5, 0.75], axis=0)
    spread = part.std(axis=0, ddof=1) if len(part) > 1 else np.zeros(part.shape[1])
    return {
        "first": int(known[0]),
        "runs": len(values),
        "mean": _numbers(part.mean(axis=0)),
        "low": _numbers(low),
        "high": _numbers(high),
        "std": _numbers(spread),
        "q1": _numbers(quartiles[0]),
        "median": _numbers(quartiles[1]),
        "q3": _numbers(quartiles[2]),
    }


def _numbers(values: Floats) -> list[float]:
    """Rounded to what a screen can show, so that the page stays small."""
    return [float(f"{value:.4g}") for value in values]


def _short(column: dict[str, Any]) -> str:
    """A column's label without what it says in brackets."""
    return str(column["label"]).split(" (")[0]


def _with_unit(text: str, column: dict[str, Any]) -> str:
    return f"{text} ({column['unit']})" if column["unit"] else text
