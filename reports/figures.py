"""Regret curves: drawing only. What is drawn comes from `reports.curves`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .bootstrap import mean_interval
from .curves import Block
from .regret import Floats
from .style import RC, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 200
"""Points at which a curve over seconds is drawn; one over queries has one a query, up to this."""


def _grid(blocks: Sequence[Block], axis: str) -> Floats:
    """Points from the first answer of any run to the last end, evenly spaced on a log axis."""
    last = max(float(np.nanmax(b.ends if axis == "finish" else b.queries)) for b in blocks)
    if axis == "queries":
        steps = np.unique(np.round(np.geomspace(1, max(last, 1), POINTS)))
        return steps.astype(np.float64)
    first = min(float(np.nanmin(b.finish)) for b in blocks)
    if not 0 < first < last:
        return np.array([last])
    return np.geomspace(first, last, POINTS)


def draw_curves(
    axes: Axes, blocks: Sequence[Block], axis: str, metric: str, styles: dict[str, dict[str, Any]]
) -> None:
    """Mean regret with its bootstrap band, as right-continuous steps.

    A curve starts where every run has an incumbent and stops where the first run ends. The
    regret axis is logarithmic; where a mean is zero or below, it is linear around zero.
    """
    grid = _grid(blocks, axis)
    lowest, smallest = np.inf, np.inf
    for number, block in enumerate(blocks):
        values = block.against(axis, metric, grid)
        mean = values.mean(axis=0)  # NaN wherever a run has no value: see above
        known = ~np.isnan(mean)
        if not known.any():
            continue
        style = styles[block.strategy]
        low, high = mean_interval(values)
        marks = np.linspace(0, known.sum() - 1, 7)[1:].astype(int) - 3 * number
        axes.plot(
            grid[known],
            mean[known],
            drawstyle="steps-post",
            markevery=[int(m) for m in marks if m >= 0],
            label=block.strategy,
            markeredgecolor="white",
            markeredgewidth=0.5,
            **style,
        )
        if len(values) > 1:
            axes.fill_between(
                grid[known],
                low[known],
                high[known],
                step="post",
                color=style["color"],
                alpha=0.18,
                linewidth=0,
            )
        lowest = min(lowest, float(mean[known].min()))
        positive = mean[known][mean[known] > 0]
        smallest = min([smallest, *positive.tolist()])
    _scales(axes, lowest, smallest)


def _scales(axes: Axes, lowest: float, smallest: float) -> None:
    axes.set_xscale("log")
    if np.isinf(smallest):
        return
    if lowest <= 0:
        axes.set_yscale("symlog", linthresh=smallest)
        axes.axhline(0, color="0.5", linewidth=0.8)
    else:
        axes.set_yscale("log")
        # A band that reaches zero would stretch a log axis without end.
        axes.set_ylim(bottom=smallest / 1.5)
    axes.grid(True, axis="y")


def _axis_label(axis: str, facts: dict[str, Any]) -> str:
    if axis == "queries":
        return "queries"
    unit = facts["cost"]["unit"]
    return f"simulated {_short(facts['cost'])}, total{f' ({unit})' if unit else ''}"


def _short(column: dict[str, Any]) -> str:
    """A column's label without what it says in brackets."""
    return str(column["label"]).split(" (")[0]


def _regret_label(name: str, column: dict[str, Any]) -> str:
    unit = f" ({column['unit']})" if column["unit"] else ""
    return f"regret of {name}{unit}"


def task_figure(blocks: Sequence[Block], manifest: dict[str, Any], labels: Sequence[str]) -> Figure:
    """One task: validation regret (and test, where the table has it) by queries and by cost."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    task = blocks[0].task
    facts = manifest["tasks"][task]
    metrics = ["validation", *(["test"] if facts["test"] else [])]
    with rc_context(RC):
        figure = Figure(figsize=(7.2, 2.75 * len(metrics) + 0.55), layout="constrained")
        grid = figure.subplots(len(metrics), 2, squeeze=False, sharey="row")
        for row, metric in zip(grid, metrics, strict=True):
            for axes, axis in zip(row, ("queries", "finish"), strict=True):
                draw_curves(axes, blocks, axis, metric, looks(labels))
                axes.set_xlabel(_axis_label(axis, facts))
            row[0].set_ylabel(_regret_label(_short(facts[metric]), facts[metric]))
        optima = ", ".join(f"best {metric} {best(facts, metric)}" for metric in metrics)
        figure.suptitle(f"{task}, {optima}\n{protocol(blocks, manifest)}", fontsize=8.5)
        _legend(figure, grid[0][0], len(labels))
    return figure


def overview_figure(
    blocks: Sequence[Block], manifest: dict[str, Any], labels: Sequence[str]
) -> Figure:
    """Validation regret by queries, one small plot a task."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(block.task for block in blocks))
    columns = 2 if len(tasks) == 4 else min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    with rc_context(RC):
        figure = Figure(figsize=(2.6 * columns + 0.6, 2.2 * rows + 0.7), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, task in zip(grid.flat, tasks, strict=False):
            own = [block for block in blocks if block.task == task]
            draw_curves(axes, own, "queries", "validation", looks(labels))
            axes.set_title(task)
            axes.set_xlabel("queries")
            column = manifest["tasks"][task]["validation"]
            axes.set_ylabel(_regret_label("validation", column))
        for axes in grid.flat[len(tasks) :]:
            axes.remove()
        figure.suptitle(protocol(blocks, manifest), fontsize=8.5)
        _legend(figure, grid[0][0], len(labels))
    return figure


def _legend(figure: Figure, axes: Axes, count: int) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, max(count, 1)))


def best(facts: dict[str, Any], name: str) -> str:
    """A task's optimum in column ``name``, in the table's own direction and unit."""
    column, optimum = facts[name], facts["optimum"][name]
    shown = -optimum if column["maximize"] else optimum
    return f"{shown:.6g} {column['unit']}".strip()


def protocol(blocks: Sequence[Block], manifest: dict[str, Any]) -> str:
    """What the reader of a figure must know: runs, budget, noise, and what line and band are."""
    runs = sorted({len(block.seeds) for block in blocks})
    shown = str(runs[0]) if len(runs) == 1 else f"{runs[0]}–{runs[-1]}"
    experiment = manifest["experiment"]
    limits = [f"{v:g} {k}" for k, v in experiment["budget"].items() if v is not None]
    noise = {"sampled": "one training seed a query", "mean": "seed-averaged answers"}
    workers = experiment["workers"]
    return ", ".join(
        [
            f"mean and bootstrap 95 % interval over {shown} runs",
            " or ".join(limits),
            *([f"{workers} workers"] if workers > 1 else []),
            noise.get(experiment["noise"], experiment["noise"]),
        ]
    )
