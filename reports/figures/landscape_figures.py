"""Fronts, maps of the space and learning curves as figures. Drawing only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stats.regret import Floats
from .figures import Looks, _marked, _number, canvas, head, title
from .landscapes import LearningCurves, SpaceMap, TradeOff
from .style import OTHERS, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trade_off_figure(
    panels: Sequence[TradeOff], note: str, style: Style, looks: Looks, width: float
) -> Figure:
    """Median attainment surfaces with quartiles, and the points no run of a strategy dominates."""
    from matplotlib.lines import Line2D

    own = min(width, max(len(panels) * style.column, width * 0.75))
    figure, grid = canvas(1, len(panels), own, min(0.66 * own / len(panels), 3.2) + 0.6, style)
    for axes, panel in zip(grid[0], panels, strict=True):
        for front in panel.fronts:
            look = _marked(looks[front.label])
            sx, sy = (-1 if panel.flip_x else 1), (-1 if panel.flip_y else 1)
            there = np.isfinite(front.middle)
            axes.plot(
                sx * front.x[there],
                sy * front.middle[there],
                drawstyle="steps-post",
                zorder=3,
                **{**look, "marker": ""},
            )
            band = np.isfinite(front.high)
            axes.fill_between(
                sx * front.x[band],
                sy * front.low[band],
                sy * front.high[band],
                step="post",
                color=look["color"],
                alpha=0.18,
                linewidth=0,
            )
            axes.plot(
                sx * front.points[:, 0],
                sy * front.points[:, 1],
                linestyle="",
                zorder=2.5,
                **{k: v for k, v in look.items() if k not in ("linestyle", "linewidth")},
            )
        _zoom(axes, panel)
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.grid(True)
        axes.set_axisbelow(True)
    labels = [front.label for front in panels[0].fronts]
    handles = [
        Line2D([], [], label=label, **_marked(looks[label]))
        for label in labels
        if looks[label] is not OTHERS
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, min(3, len(handles))))
    head(figure, note, style)
    return figure


def _zoom(axes: Any, panel: TradeOff) -> None:
    """Show the fronts: answers far off them would press them into a corner."""
    sy = -1 if panel.flip_y else 1
    finite = [f.middle[np.isfinite(f.middle)] for f in panel.fronts]
    values = np.concatenate([v for v in finite if len(v)]) if any(map(len, finite)) else None
    if values is None:
        return
    good, bad = values.min(), np.quantile(values, 0.9)
    best = min(float(f.points[:, 1].min()) for f in panel.fronts)
    pad = 0.1 * (bad - best) or 1.0
    ends = sorted([sy * (min(good, best) - pad), sy * (bad + pad)])
    axes.set_ylim(*ends)
    sx = -1 if panel.flip_x else 1
    fronts = [f.x[f.low <= bad + pad] for f in panel.fronts]
    spots = [f.points[f.points[:, 1] <= bad + pad, 0] for f in panel.fronts]
    shown = sx * np.concatenate([*fronts, *spots])
    margin = 0.04 * np.ptp(shown) or 1.0
    axes.set_xlim(float(shown.min() - margin), float(shown.max() + margin))


def map_figure(found: SpaceMap, note: str, style: Style, looks: Looks, width: float) -> Figure:
    """A small map a strategy: grey is how good a place is, the disks' areas where it went."""
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import PathPatch

    shown = [r for r in found.regions if looks[r.label] is not OTHERS]
    spread = np.ptp(found.centers, axis=0) + found.size
    shape = float(spread[1] / spread[0])
    words = 2.6 * style.small / 72

    def side(columns: int) -> float:
        """How wide a map is, in inches, with that many beside one another."""
        rows = -(-len(shown) // columns)
        return min(width / columns, ((style.tall - 0.9) / rows - words) / shape, 1.7)

    columns = max(range(1, len(shown) + 1), key=lambda count: (side(count), count))
    rows = -(-len(shown) // columns)
    height = rows * (side(columns) * shape + words) + 0.9
    figure, grid = canvas(rows, columns, width, height, style)
    ground, extent = _ground(found)
    positive = found.regret[found.regret > 0]
    known = positive if len(positive) else np.array([0.0, 1.0])
    scale = LogNorm if len(positive) and known.max() / known.min() > 5 else Normalize
    norm = scale(float(known.min()), float(known.max()))
    greys: Any = None
    most = max(float(r.share.max()) for r in shown)
    for axes, region in zip(grid.flat, shown, strict=False):
        color = looks[region.label]["color"]
        greys = axes.imshow(ground, cmap=_grey_map(), norm=norm, extent=extent, origin="lower")
        there = region.share > 0
        across = 1.6 * found.size * np.sqrt(np.maximum(region.share[there] / most, 0.01))
        # Not add_patch: it would look for the limits of every curve.
        axes.add_artist(
            PathPatch(
                _disks(found.centers[there], across / 2),
                facecolor=color,
                edgecolor="white",
                linewidth=0.3,
                alpha=0.85,
                zorder=3,
            )
        )
        star: dict[str, Any] = {"color": "white", "markeredgecolor": "black", "markersize": 6.0}
        axes.plot(*found.best, "*", zorder=4, **star)
        title(axes, f"{region.label}\n{region.networks:,} networks", width / columns, style)
        axes.set_xlim(*extent[:2])
        axes.set_ylim(*extent[2:])
        axes.set_aspect("equal", adjustable="box")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    for axes in grid.flat[len(shown) :]:
        axes.remove()
    from matplotlib.ticker import FuncFormatter, NullLocator

    bar = figure.colorbar(greys, ax=figure.axes, location="bottom", shrink=0.6, aspect=40, pad=0.02)
    bar.set_label(found.y_label, fontsize=style.small)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _number(x)))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)
    head(figure, note, style)
    return figure


def _disks(centers: Floats, radii: Floats) -> Any:
    """All disks as one path: many small ones take long to write."""
    from matplotlib.path import Path

    circle: Any = Path.unit_circle()
    vertices = centers[:, None] + radii[:, None, None] * circle.vertices
    return Path(vertices.reshape(-1, 2), np.tile(circle.codes, len(centers)))


def _ground(found: SpaceMap) -> tuple[Floats, tuple[float, float, float, float]]:
    """The regret of every cell as a picture, NaN where there is none, and its edges."""
    low = found.centers.min(axis=0)
    place = np.round((found.centers - low) / found.size).astype(int)
    columns, rows = place.max(axis=0) + 1
    ground = np.full((rows, columns), np.nan)
    least = np.nanmin(found.regret[found.regret > 0], initial=np.inf)
    ground[place[:, 1], place[:, 0]] = np.maximum(found.regret, least if least < np.inf else 0.0)
    left, bottom = low - found.size / 2
    right, top = low + found.size * (np.array([columns, rows]) - 0.5)
    return ground, (left, right, bottom, top)


def _grey_map() -> Any:
    """From a middle grey (good) to nearly white (bad), so that any colour stands out on it."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ground", ["0.45", "0.96"])


def learning_figure(
    found: LearningCurves, note: str, style: Style, looks: Looks, width: float
) -> Figure:
    """Every training of a run as a thin line, the one that came out best as a thick one."""
    columns = min(len(found.runs), max(1, int(width / 1.6)))
    rows = -(-len(found.runs) // columns)
    figure, grid = canvas(rows, columns, width, rows * min(width / columns, 2.2) + 0.5, style)
    for number, (axes, run) in enumerate(zip(grid.flat, found.runs, strict=False)):
        color = looks[run.label]["color"]
        for epochs, values in zip(run.epochs[:-1], run.values[:-1], strict=True):
            axes.plot(
                epochs,
                values,
                color=color,
                linewidth=0.6,
                alpha=0.55,
                marker="." if len(epochs) == 1 else "",
                markersize=2.5,
            )
        axes.plot(run.epochs[-1], run.values[-1], color="0.05", linewidth=1.6, marker=".", zorder=3)
        axes.set_title(run.label)
        if number >= len(found.runs) - columns:
            axes.set_xlabel("epochs")
        if number % columns == 0:
            axes.set_ylabel(found.y_label)
        axes.set_xscale("log")
        _epoch_ticks(axes, run.epochs)
        _value_limits(axes, run.values)
    for axes in grid.flat[len(found.runs) :]:
        axes.remove()
    head(figure, note, style)
    return figure


def _epoch_ticks(axes: Any, epochs: Sequence[Floats]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    there = np.unique(np.concatenate(epochs))
    axes.xaxis.set_major_locator(FixedLocator(there[:: -(-len(there) // 6)].tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _number(x)))


def _value_limits(axes: Any, values: Sequence[Floats]) -> None:
    """A few trainings that went wrong must not flatten all others."""
    every = np.concatenate(values)
    low, high = np.quantile(every, [0.02, 0.98])
    pad = 0.08 * (high - low) or 1.0
    best = values[-1]
    axes.set_ylim(min(low - pad, best.min() - pad), max(high + pad, best.max() + pad))
