"""Charts as figures: regret over time, ranks, shares. Drawing only; see `reports.charts`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .charts import Chart, Curve, protocol
from .style import OTHERS, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["chart_figure", "protocol"]

Looks = dict[str, dict[str, Any]]


def chart_figure(
    rows: Sequence[Sequence[Chart]], note: str, style: Style, looks: Looks, width: float
) -> Figure:
    """``rows`` of charts under one note and above one legend."""
    columns = max(map(len, rows))
    shown = [chart for charts in rows for chart in charts]
    entries, entry_columns = legend_entries(shown, looks, style, width)
    lines = len(_broken(note, width, style)) + -(-len(entries) // max(entry_columns, 1))
    furniture = 0.2 + lines * style.small * 1.35 / 72
    height = min(width / columns * 0.72, 2.3) * len(rows)
    figure, axes = canvas(len(rows), columns, width, height + furniture, style)
    for row, charts in zip(axes, rows, strict=True):
        for place, chart in zip(row, charts, strict=False):
            draw_chart(place, chart, looks, style, minor=columns * len(rows) <= 2)
        for place in row[len(charts) :]:
            place.remove()
    for chart, place in zip(shown, figure.axes, strict=True):
        if len({c.title for c in shown}) > 1:
            title(place, chart.title, width / columns, style)
    for row, charts in zip(axes, rows, strict=True):
        if len({chart.y_label for chart in charts}) == 1:
            for place in row[1 : len(charts)]:
                place.set_ylabel("")
    if len(shown) > columns and len({c.x_label for c in shown}) == 1:
        for place in figure.axes[:-columns]:
            place.set_xlabel("")
    for place in figure.axes:
        place.set_xlabel(fitted(place.get_xlabel(), width / columns * 0.85, style))
        place.set_ylabel(fitted(place.get_ylabel(), height / len(rows) * 0.9, style))
    head(figure, note, style)
    if entries:
        figure.legend(handles=entries, loc="outside lower center", ncols=entry_columns)
    return figure


def fitted(text: str, width: float, style: Style) -> str:
    """``text`` in as many lines as it needs to be no wider than ``width`` inches."""
    letters = int(width / (style.size / 72 * (0.47 if style.serif else 0.58)))
    return "\n".join(textwrap.wrap(text, max(letters, 8)))


def title(axes: Axes, text: str, width: float, style: Style) -> None:
    """A title no wider than ``width`` inches."""
    wide = max(map(len, text.splitlines())) * style.size / 72 * (0.47 if style.serif else 0.58)
    axes.set_title(text, fontsize=style.size * min(1.0, width * 0.95 / wide))


def canvas(
    rows: int, columns: int, width: float, height: float, style: Style
) -> tuple[Figure, Any]:
    """A figure of that many axes, no taller than the style allows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, min(height, style.tall)), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def head(figure: Figure, note: str, style: Style) -> None:
    """The note at the top: what is shown, in small type, broken to the figure's width."""
    text = "\n".join(_broken(note, figure.get_figwidth(), style))
    figure.suptitle(text, x=0.01, ha="left", fontsize=style.small, color="0.25", linespacing=1.15)


def _broken(note: str, width: float, style: Style) -> list[str]:
    """The lines of a note in a figure of that width, in inches."""
    wide = int(width * 72 / (style.small * (0.45 if style.serif else 0.54)))
    return [line for part in note.splitlines() for line in textwrap.wrap(part, wide)]


def legend_entries(
    charts: Sequence[Chart], looks: Looks, style: Style, width: float
) -> tuple[list[Any], int]:
    """One entry a strategy, one for all that are drawn in grey, one for the reference.

    And how many of them stand beside one another in ``width`` inches.
    """
    from matplotlib.lines import Line2D

    there = {curve.label for chart in charts for curve in chart.curves}
    entries = {k: v for k, v in looks.items() if k in there and v is not OTHERS}
    handles = [Line2D([], [], label=k, **_marked(v)) for k, v in entries.items()]
    grey = [k for k in looks if k in there and looks[k] is OTHERS]
    if grey:
        handles.append(Line2D([], [], label=f"{len(grey)} others", **OTHERS))
    references = [chart.reference for chart in charts if chart.reference]
    if references:
        handles.append(Line2D([], [], label=references[0].label, **REFERENCE))
    if not handles:
        return [], 1
    letter = style.small / 72 * (0.47 if style.serif else 0.58)
    entry = max(len(str(h.get_label())) for h in handles) * letter + style.small / 72 * 4.6
    columns = max(1, min(len(handles), int((width - 0.1) / entry)))
    # Rows of equal length look better than one long and one short.
    return handles, -(-len(handles) // -(-len(handles) // columns))


REFERENCE: dict[str, Any] = {"color": "0", "linestyle": (0, (1, 1.5)), "linewidth": 1.0}


def _marked(look: dict[str, Any]) -> dict[str, Any]:
    return {"markeredgecolor": "white", "markeredgewidth": 0.4, **look}


def draw_chart(axes: Axes, chart: Chart, looks: Looks, style: Style, *, minor: bool = True) -> None:
    """Lines as right-continuous steps, with their bands, and what their kind asks for."""
    coloured = [c for c in chart.curves if looks[c.label] is not OTHERS]
    for curve in chart.curves:
        if looks[curve.label] is OTHERS:
            axes.plot(curve.x, curve.y, drawstyle="steps-post", zorder=1.5, **OTHERS)
    for number, curve in enumerate(coloured):
        look = looks[curve.label]
        axes.fill_between(
            curve.x,
            curve.low,
            curve.high,
            step="post",
            color=look["color"],
            alpha=0.15,
            linewidth=0,
            zorder=1.8,
        )
        line = {**look, "marker": ""}
        order = 2 + (len(coloured) - number) / 100
        axes.plot(curve.x, curve.y, drawstyle="steps-post", zorder=order, **line)
        # Above all lines: a strategy that lies under another is still to be seen.
        marks = _marks(curve, number, len(coloured))
        places = {**_marked(look), "linestyle": ""}
        axes.plot(curve.x[marks], curve.y[marks], zorder=3, clip_on=False, **places)
    if chart.reference:
        axes.plot(chart.reference.x, chart.reference.y, zorder=1.9, **REFERENCE)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    _time_axis(axes, chart, minor)
    {"regret": _regret_axis, "rank": _rank_axis, "share": _share_axis, "normalized": _one}[
        chart.kind
    ](axes, chart, style)


def _marks(curve: Curve, number: int, of: int) -> list[int]:
    """Places for markers, evenly along a log axis; each strategy's stand between the others'."""
    if len(curve.x) < 2 or curve.x[0] <= 0:
        return [0] if len(curve.x) else []
    low, high = np.log(curve.x[[0, -1]])
    # From the right: at the left end, all curves lie over one another.
    wanted = high - (high - low) * (np.arange(5) + (number + 0.5) / of) / 5.5
    places = np.searchsorted(np.log(curve.x), wanted)
    return sorted({int(p) for p in places if p < len(curve.x)})


def _time_axis(axes: Axes, chart: Chart, minor: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    ends = [x for c in chart.curves for x in (c.x[0], c.x[-1])]
    if chart.kind == "share" and min(ends, default=0) <= 0:
        axes.set_xlim(0, max(ends, default=1))
    if not ends or min(ends) <= 0:
        return
    axes.set_xscale("log")
    if max(ends) > min(ends):
        axes.set_xlim(min(ends), max(ends) * 1.03)
    if minor:
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_minor_locator(NullLocator())
    decades = np.log10(max(ends) / min(ends)) if max(ends) > min(ends) else 0
    if decades < 1.5:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _number(x)))


def _number(value: float) -> str:
    """Plain up to ten thousand, a power of ten above."""
    if value == 0:
        return "0"
    exponent = int(np.floor(np.log10(abs(value)) + 1e-9))
    if -3 <= exponent < 4:
        return f"{float(f'{value:.3g}'):g}".replace("-", "−")
    factor = value / 10.0**exponent
    power = "10" + str(exponent).translate(_RAISED)
    return power if abs(factor - 1) < 1e-6 else f"{factor:.3g}·{power}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _regret_axis(axes: Axes, chart: Chart, style: Style) -> None:
    """Logarithmic above the least positive mean, linear below it, so that 0 is on the axis."""
    values = np.concatenate([c.y for c in chart.curves]) if chart.curves else np.array([])
    positive = values[values > 0]
    axes.axhline(0, color="0.25", linewidth=0.9, zorder=1.4)
    if not len(positive):
        axes.set_ylim(min([*values.tolist(), 0.0]) * 1.1 - 0.1, 1)
    else:
        least, most = float(positive.min()), float(positive.max())
        linear = max(least * 0.8, most * 1e-6)
        axes.set_yscale("symlog", linthresh=linear, linscale=0.35)
        tops = np.concatenate([np.concatenate([c.y, c.high]) for c in chart.curves])
        lows = np.concatenate([np.concatenate([c.y, c.low]) for c in chart.curves])
        bottom = float(np.nanmin(lows))
        axes.set_ylim(bottom * 1.3 if bottom < 0 else -0.35 * linear, np.nanmax(tops) * 1.15)
        _regret_ticks(axes, linear, float(np.nanmax(tops)), bottom)
    if chart.optimum:
        _say(axes, 0.0, f"optimum {chart.optimum}", style)
    if chart.floor and (not len(positive) or chart.floor < axes.get_ylim()[1]):
        axes.axhline(chart.floor, color="0.25", linewidth=0.7, linestyle=(0, (2, 2)), zorder=1.4)
        # Where the two lines are close, their words stand at opposite ends.
        apart = len(positive) and chart.floor > 0.6 * float(positive.min())
        _say(axes, chart.floor, "noise floor", style, right=not apart)


def _say(axes: Axes, at: float, text: str, style: Style, *, right: bool = False) -> None:
    """A word on a horizontal line, at its left end: there the curves are still high above."""
    axes.text(
        0.985 if right else 0.015,
        at,
        text,
        transform=axes.get_yaxis_transform(),
        va="bottom",
        ha="right" if right else "left",
        fontsize=style.small - 1.5,
        color="0.25",
        zorder=1.6,
    )


def _regret_ticks(axes: Axes, least: float, most: float, bottom: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    exponents = range(int(np.floor(np.log10(least))), int(np.ceil(np.log10(most))) + 1)
    dense = [m * 10.0**e for e in exponents for m in (1, 2, 5)]
    inside = [t for t in dense if least <= t <= most * 1.15]
    if len(inside) > 6:
        whole = [10.0**e for e in exponents if least <= 10.0**e <= most * 1.15]
        inside = whole[:: -(-len(whole) // 6)] if len(whole) > 1 else inside[::2]
    below = [-t for t in inside if -t >= bottom * 1.3]
    axes.yaxis.set_major_locator(FixedLocator(sorted([*below, 0.0, *inside])))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _number(y)))


def _rank_axis(axes: Axes, chart: Chart, style: Style) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_ylim(len(chart.curves) + 0.2, 0.8)  # the best on top
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=2))


def _share_axis(axes: Axes, chart: Chart, style: Style) -> None:
    axes.set_ylim(-0.02, 1.02)


def _one(axes: Axes, chart: Chart, style: Style) -> None:
    axes.axhline(0, color="0.25", linewidth=0.9, zorder=1.4)
    _say(axes, 0.0, "optimum", style)
