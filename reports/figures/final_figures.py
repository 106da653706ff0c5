"""Final regrets, profiles, chances and critical differences as figures. Drawing only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import Looks, _number, canvas, fitted, head, title
from .finals import Chances, Finals
from .style import OTHERS, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..stats.across_tasks import CriticalDifference


def distribution_figure(
    panels: Sequence[Finals], note: str, style: Style, looks: Looks, width: float
) -> Figure:
    """Every run's final regret as a dot, with median and quartiles; one row a strategy."""
    most = max(1, int(width / 1.6))
    columns = min(most, len(panels))
    rows = -(-len(panels) // columns)
    strategies = max(len(panel.labels) for panel in panels)
    tall = 0.55 + strategies * style.small / 72 * (1.5 if strategies <= 12 else 1.15)
    figure, grid = canvas(rows, columns, width, rows * tall + 0.3, style)
    for number, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        _distribution(axes, panel, looks, style)
        title(axes, panel.title, (width - 0.8) / columns, style)
        if number % columns:
            axes.set_yticklabels([])
        if len({p.x_label for p in panels}) > 1 or number >= len(panels) - columns:
            axes.set_xlabel(fitted(panel.x_label, (width - 0.8) / columns, style))
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    head(figure, note, style)
    return figure


def _distribution(axes: Axes, panel: Finals, looks: Looks, style: Style) -> None:
    values = np.concatenate(panel.values) if panel.values else np.array([])
    positive = values[values > 0]
    if len(positive):
        linear = max(float(positive.min()) * 0.8, float(positive.max()) * 1e-5)
        axes.set_xscale("symlog", linthresh=linear, linscale=0.35)
    axes.axvline(0, color="0.25", linewidth=0.9, zorder=1.4)
    if panel.floor:
        axes.axvline(panel.floor, color="0.25", linewidth=0.7, linestyle=(0, (2, 2)), zorder=1.4)
    for row, (label, own) in enumerate(zip(panel.labels, panel.values, strict=True)):
        color = looks[label]["color"] if looks[label] is not OTHERS else "0.5"
        if not len(own):
            continue
        # The same run stands at the same height in every row.
        height = row + 0.3 * ((np.arange(len(own)) * 0.618) % 1 - 0.5)
        axes.plot(
            own, height, ".", color=color, markersize=2.2, alpha=0.45, zorder=2, rasterized=False
        )
        low, middle, high = np.quantile(own, [0.25, 0.5, 0.75])
        axes.plot([low, high], [row, row], color=color, linewidth=2.4, zorder=2.5, alpha=0.8)
        axes.plot(
            [middle],
            [row],
            marker=looks[label]["marker"] or "o",
            color=color,
            markeredgecolor="white",
            markeredgewidth=0.5,
            markersize=0.6 * style.size,
            zorder=3,
        )
    for row, missing in enumerate(panel.without):
        if missing:
            axes.text(
                1.0,
                row,
                f"{missing} failed",
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=style.small - 1.5,
            )
    axes.set_yticks(range(len(panel.labels)), panel.labels)
    axes.set_ylim(len(panel.labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    if len(positive):
        _ticks(axes, linear, float(positive.max()))
        lowest = float(values.min())
        axes.set_xlim(lowest * 1.3 if lowest < 0 else -0.25 * linear, float(positive.max()) * 1.3)


def _ticks(axes: Axes, least: float, most: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    exponents = range(int(np.floor(np.log10(least))), int(np.ceil(np.log10(most))) + 1)
    inside = [10.0**e for e in exponents if least <= 10.0**e <= most * 1.2]
    if not inside:
        dense = [m * 10.0**e for e in exponents for m in (1, 2, 5)]
        inside = [t for t in dense if least <= t <= most * 1.2]
    inside = inside[:: -(-len(inside) // 3)] if inside else []
    axes.xaxis.set_major_locator(FixedLocator([0.0, *inside]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _number(x)))


def chance_figure(chances: Chances, note: str, style: Style, looks: Looks, width: float) -> Figure:
    """A heat map that reads in grey too: the number stands in each cell while there is room."""
    count = len(chances.labels)
    written = 0.55 * style.small / 72 * max(map(len, chances.labels))
    side = min(width, written + 0.5 + 0.42 * count)
    figure, grid = canvas(1, 1, width, min(side, width) * 0.92 + 0.3, style)
    axes = grid[0, 0]
    shown = np.ma.masked_invalid(chances.values)
    axes.set_facecolor("0.9")
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(count), chances.labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), chances.labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    room = (width - written - 0.8) / count
    if room > 0.22:
        for (i, j), value in np.ndenumerate(chances.values):
            if not np.isnan(value):
                axes.text(
                    j,
                    i,
                    f"{value:.2f}".lstrip("0") if value < 1 else "1",
                    ha="center",
                    va="center",
                    fontsize=style.small - (0 if room > 0.34 else 1.5),
                    fontweight="bold" if chances.sure[i, j] else "normal",
                    color="white" if value > 0.62 else "black",
                )
    bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.02, aspect=30)
    bar.set_label("P(row better than column)")
    bar.outline.set_visible(False)
    head(figure, note, style)
    return figure


def critical_figure(
    found: CriticalDifference, note: str, style: Style, looks: Looks, width: float
) -> Figure:
    """Demšar's diagram: average ranks on a line, bars join what does not differ.

    Drawn in inches: the line of ranks gets what the longest names leave.
    """
    from matplotlib.figure import Figure

    count = len(found.order)
    half = (count + 1) // 2
    bars = _levels(found.cliques)
    levels = max(bars, default=-1) + 1
    line = style.small / 72 * 1.5
    top = 0.55 if np.isnan(found.difference) else 0.75
    down = 0.2 + 0.09 * levels + line * half
    height = top + down + 0.05
    figure = Figure(figsize=(width, height + 2.6 * style.small / 72), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    low, high = 1, count
    axes.set_ylim(-down, top)  # inches, from the line of ranks
    letter = style.small / 72 * (0.46 if style.serif else 0.56)
    written = [letter * (len(label) + 7) + 0.08 for label in found.order]
    left, right = max(written[:half]), max(written[half:])
    inch = (high - low) / max(width - left - right, 0.8)
    axes.set_xlim(low - left * inch, high + right * inch)
    ink: dict[str, Any] = {
        "color": "0.15",
        "linewidth": 0.8,
        "solid_capstyle": "butt",
        "clip_on": False,
    }
    axes.plot([low, high], [0, 0], **ink)
    step = 1 if count <= 15 else 5
    for tick in range(low, high + 1, step):
        axes.plot([tick, tick], [0, 0.06], **ink)
        axes.text(tick, 0.09, str(tick), ha="center", va="bottom", fontsize=style.small)
    axes.text((low + high) / 2, 0.27, "average rank (1 is best)", ha="center", fontsize=style.small)
    if not np.isnan(found.difference) and found.difference <= high - low:
        end = low + found.difference
        axes.plot([low, end], [0.52, 0.52], **{**ink, "linewidth": 1.6})
        text = f"critical difference {found.difference:.2f}"
        axes.text(end + 0.05 * inch, 0.52, text, va="center", fontsize=style.small)
    first = 0.12 + 0.09 * levels
    for number, (label, rank) in enumerate(zip(found.order, found.ranks, strict=True)):
        left = number < half
        down = -(first + line * (number if left else count - 1 - number) + 0.05)
        edge = low if left else high
        look = looks[label]
        axes.plot([rank, rank, edge], [0, down, down], **ink)
        axes.plot(
            [rank],
            [0],
            marker=look["marker"] or "o",
            color=look["color"],
            markeredgecolor="white",
            markeredgewidth=0.4,
            zorder=3,
            clip_on=False,
        )
        text = f"{label} ({rank:.2f})" if left else f"({rank:.2f}) {label}"
        axes.text(
            edge - (0.04 if left else -0.04) * inch,
            down,
            text,
            ha="right" if left else "left",
            va="center",
            fontsize=style.small,
        )
    for level, (start, stop) in zip(bars, found.cliques, strict=True):
        down = -(0.08 + 0.09 * level)
        ends = [found.ranks[start] - 0.03 * inch, found.ranks[stop] + 0.03 * inch]
        axes.plot(ends, [down, down], **{**ink, "linewidth": 2.4, "color": "0"})
    head(figure, note, style)
    return figure


def _levels(cliques: Sequence[tuple[int, int]]) -> list[int]:
    """A row for each bar, so that no two that overlap share one."""
    ends: list[int] = []
    found = []
    for first, last in cliques:
        level = next((k for k, end in enumerate(ends) if end < first), len(ends))
        if level == len(ends):
            ends.append(last)
        else:
            ends[level] = last
        found.append(level)
    return found
