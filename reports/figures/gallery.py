"""Every figure of a report: its name, what it shows, what its caption says."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...bench._base.errors import visible
from ..record.sources import Results
from .charts import TARGETS, Chart, Charts, budget, protocol, runs
from .finals import chances, critical, distributions, profile
from .landscapes import learning_curves, space_map, trade_offs, visits
from .style import OTHERS, SHOWN, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .figures import Looks

DPI = 200
"""Pixels an inch of PNG files, and of what is rasterized in others."""
_BAND = "lines are means over runs, bands bootstrap 95 % intervals of the mean"
_OPTIMUM = (
    "the regret axis is linear below its first tick, so that the optimum (0) is on it; the dashed "
    "line is the noise floor, where the table tells it"
)
_STRATIFIED = "95 % stratified bootstrap"
_CAPTIONS = {
    "normalized-regret": (
        "Regret over the exact expectation of random search at the same number of queries, "
        f"averaged over tasks: 0 is the optimum, 1 is random search; {_BAND}"
    ),
    "average-rank": (
        "Average rank of the incumbents' validation regret over tasks and paired seeds, by "
        "queries; 1 is best"
    ),
    "time-to-target": (
        "Share of runs and targets reached by a number of queries (empirical distribution of times "
        f"to a target). A task has {TARGETS} targets, evenly spaced on a log scale from the worst "
        "mean first answer to the least regret that any run reached; runs that miss one count as "
        "never"
    ),
    "performance-profile": (
        "Performance profile: the share of runs whose normalized final regret is τ or below, mean "
        f"over tasks; bands: {_STRATIFIED}"
    ),
}


@dataclass(frozen=True)
class Plate:
    """A figure to be drawn: ``data`` by the drawing named ``kind``.

    ``note`` stands in the figure, ``caption`` belongs below it; ``wide`` figures are as wide as
    the page, the others as a column.
    """

    name: str
    kind: str
    data: Any
    note: str
    caption: str
    wide: bool = True


def plates(
    record: Results, charts: Charts, style: Style, looks: Looks, task: str | None = None
) -> Iterator[Plate]:
    """The figures across tasks, or those of one ``task``."""
    told = _grey(looks)
    if task is None:
        yield from _across(charts, style, told)
    else:
        yield from _of_task(record, charts, style, told, task)


def refusals(charts: Charts) -> dict[str, str]:
    """The figures that cannot be drawn, and why."""
    found = critical(charts) if len(charts.labels) > 1 else ""
    return {"critical-difference": found} if isinstance(found, str) and found else {}


def _grey(looks: Looks) -> str:
    grey = sum(look is OTHERS for look in looks.values())
    return f"; {SHOWN} best by average rank in color, {grey} others grey" if grey else ""


def _across(charts: Charts, style: Style, told: str) -> Iterator[Plate]:
    note = protocol(charts.blocks, charts.manifest) + told
    ends = f"{runs(charts.blocks)} a task and strategy, {budget(charts.manifest)}{told}"
    for metric in ("validation", "test"):
        suffix = "" if metric == "validation" else "-test"
        tasks = [task for task in charts.tasks if metric in charts.metrics(task)]
        shown = [charts.regret(task, "queries", metric) for task in tasks]
        caption = (
            f"{metric.capitalize()} regret of the incumbent over queries, a panel a task: {_BAND}; "
            f"{_OPTIMUM}. {ends.capitalize()}."
        )
        for name, part in _pages(f"overview{suffix}", shown, *_panels(style, len(shown))):
            yield Plate(name, "charts", part, note, caption)
    makers: dict[str, Callable[[], Chart | None]] = {
        "normalized-regret": charts.normalized,
        "average-rank": charts.ranks,
        "time-to-target": charts.ecdf,
        "performance-profile": lambda: profile(charts),
    }
    said = {"normalized-regret": note, "performance-profile": f"bands: {_STRATIFIED}; {ends}"}
    for name, make in makers.items():
        chart = make()
        if chart is not None:
            caption = f"{_CAPTIONS[name]}. {_full(ends)}"
            if name == "performance-profile":
                caption = f"{_CAPTIONS[name]}; {chart.title}. {_full(ends)}"
            yield Plate(name, "charts", ((chart,),), said.get(name, ends), caption, wide=False)
    yield from _ends(charts, style, ends)


def _full(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _ends(charts: Charts, style: Style, ends: str) -> Iterator[Plate]:
    from ..stats.across_tasks import CriticalDifference

    for metric in ("validation", "test"):
        suffix = "" if metric == "validation" else "-test"
        panels = distributions(charts, metric)
        if not panels:
            continue
        caption = (
            f"Final {metric} regret of every run (dots), with median (marker) and quartiles (bar); "
            f"the axis is linear below its first tick, the optimum is 0, the dashed line the noise "
            f"floor. {_full(ends)}"
        )
        columns = min(max(1, int(style.full / 1.6)), len(panels))
        rows = max(1, int((style.tall - 0.4) / (0.55 + len(charts.labels) * style.small / 48)))
        for name, part in _pages(f"final-regret{suffix}", panels, columns, rows):
            flat = tuple(panel for row in part for panel in row)
            yield Plate(name, "distribution", flat, f"final {metric} regret: {ends}", caption)
    matrix = chances(charts)
    if matrix is not None:
        caption = (
            "Probability that a run of the row's strategy ends with less validation regret than "
            "one of the column's, mean over tasks; bold where the 95 % stratified bootstrap "
            f"interval leaves out one half. {_full(ends)}"
        )
        said = f"bold: 95 % interval leaves out 0.5; {matrix.title}, {ends}"
        yield Plate("probability-of-improvement", "chances", matrix, said, caption, wide=False)
    found = critical(charts) if len(charts.labels) > 1 else None
    if isinstance(found, CriticalDifference):
        test = "Nemenyi test" if found.test == "nemenyi" else "Wilcoxon signed-rank tests, Holm"
        said = f"mean final validation regret, {found.tasks} tasks, {test}, α = {found.alpha:g}"
        caption = (
            "Critical-difference diagram of average ranks by mean final validation regret "
            f"({test}, α = {found.alpha:g}); bars join strategies of which no pair differs "
            f"significantly. {found.statement()} {_full(ends)}"
        )
        yield Plate(
            "critical-difference", "critical", found, f"{said}; {ends}", caption, wide=False
        )


def _of_task(
    record: Results, charts: Charts, style: Style, told: str, task: str
) -> Iterator[Plate]:
    own = charts.of_task[task]
    note = f"{task}: {protocol(own, charts.manifest)}{told}"
    ends = f"{runs(own)} a strategy, {budget(charts.manifest)}{told}"
    name = file_name(task)
    axes = ["queries", *(["epochs"] if _varies(own) else []), "finish"]
    rows = [tuple(charts.regret(task, axis, m) for axis in axes) for m in charts.metrics(task)]
    caption = (
        f"Regret of the incumbent on {task} over {' and '.join(c.x_label for c in rows[0])}: "
        f"{_BAND}; {_OPTIMUM}. {_full(ends)}"
    )
    most = max(1, int((style.tall - 0.7) / 1.2))
    for number in range(0, len(rows), most):
        suffix = "" if number == 0 else f"-{charts.metrics(task)[number]}"
        yield Plate(f"{name}{suffix}", "charts", tuple(rows[number : number + most]), note, caption)
    seen = visits(record, task)
    found = space_map(record, task, seen)
    if found is not None:
        said = (
            f"{task}: where each strategy's queries went, first {len(set(seen[0].seed.tolist()))} "
            f"runs; {budget(charts.manifest)}{told}"
        )
        caption = (
            f"Where each strategy went on {task}: the space in the plane of the first two "
            f"principal components of the one-hot encodings ({100 * found.explained:.0f} % of "
            "their variance). A disk's area is a cell's share of the queries; the darker the "
            "ground, the less regret; the star is the best network that any run has seen."
        )
        yield Plate(f"{name}-map", "map", found, said, caption)
    panels = trade_offs(record, task, seen)
    if panels:
        said = f"{task}: attained by half of the runs (line), by 25 to 75 % (band); {ends}"
        caption = (
            f"Pareto fronts on {task} as observed: median attainment surfaces with quartiles over "
            f"runs; markers are answers that no other of the same strategy dominates. {_full(ends)}"
        )
        yield Plate(f"{name}-front", "front", panels, said, caption)
    curves = learning_curves(record, task, seen)
    if curves is not None:
        said = f"{task}: trainings of each strategy's first run, black: its best; {ends}"
        caption = (
            f"Learning curves on {task}: every training of each strategy's first run. {_full(ends)}"
        )
        yield Plate(f"{name}-learning", "learning", curves, said, caption)


def _varies(blocks: Sequence[Any]) -> bool:
    """Whether epochs say anything that the number of queries does not."""
    import numpy as np

    ratios = [np.nanmax(b.epochs / b.queries) / np.nanmin(b.epochs / b.queries) for b in blocks]
    return bool(max(ratios) > 1)


def _panels(style: Style, count: int) -> tuple[int, int]:
    """Columns and rows of small multiples that fit on a page of the style."""
    columns = 2 if count in (2, 4) and style.full > 5 else max(1, min(3, count))
    if count > 12 and style.full > 5:
        columns = 4
    if style.full < 5:
        columns = min(columns, 2)
    return columns, max(1, int((style.tall - 0.9) / 1.15))


def _pages(
    name: str, panels: Sequence[Any], columns: int, rows: int
) -> Iterator[tuple[str, tuple[tuple[Any, ...], ...]]]:
    """``panels`` in rows, on as many pages as they need."""
    each = columns * rows
    for page, start in enumerate(range(0, len(panels), each), 1):
        part = panels[start : start + each]
        lines = tuple(tuple(part[i : i + columns]) for i in range(0, len(part), columns))
        yield name if page == 1 else f"{name}-{page}", lines


def file_name(task: str) -> str:
    """A task's id as a file name; of one that is too long for that, its beginning and a hash."""
    name = re.sub(r"[^\w.+-]+", "_", task).strip("._") or "task"
    if len(name.encode()) > 160:
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        name = f"{name.encode()[:140].decode(errors='ignore')}-{digest}"
    return name


def draw(plate: Plate, style: Style, looks: Looks) -> Figure:
    """The figure; to be saved under ``style.rc()``."""
    from . import figures, final_figures, landscape_figures

    drawings: dict[str, Callable[..., Figure]] = {
        "charts": figures.chart_figure,
        "distribution": final_figures.distribution_figure,
        "chances": final_figures.chance_figure,
        "critical": final_figures.critical_figure,
        "front": landscape_figures.trade_off_figure,
        "map": landscape_figures.map_figure,
        "learning": landscape_figures.learning_figure,
    }
    width = style.full if plate.wide else style.column
    return drawings[plate.kind](plate.data, plate.note, style, looks, width)


def _spell_out(figure: Figure) -> None:
    """Make control characters in the figure's texts visible: no font has them, XML bans them."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        shown = visible(text.get_text())
        if shown != text.get_text():
            text.set_text(shown)


def render(
    plate: Plate, style: Style, looks: Looks, metadata: dict[str, dict[str, Any]]
) -> dict[str, bytes]:
    """The figure's file in each format that ``metadata`` names; drawn once, laid out once."""
    from matplotlib import rc_context

    with rc_context(style.rc()):
        figure = draw(plate, style, looks)
        _spell_out(figure)
        figure.set_dpi(DPI)
        layout = figure.get_layout_engine()
        if layout is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")
        return {format: picture(figure, format, about) for format, about in metadata.items()}


def picture(figure: Figure, format: str, metadata: dict[str, Any] | None = None) -> bytes:
    """The figure's file as png, pdf or svg, without a date: equal figures give equal files."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    # The canvases themselves, not ``savefig``: it draws each figure once more, to no end.
    prints: dict[str, Any] = {
        "png": lambda: FigureCanvasAgg(figure).print_png,
        "pdf": lambda: FigureCanvasPdf(figure).print_pdf,
        "svg": lambda: FigureCanvasSVG(figure).print_svg,
    }
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(format, {})
    prints[format]()(buffer, metadata=undated if metadata is None else metadata)
    return buffer.getvalue()


__all__ = ["Chart", "Plate", "draw", "file_name", "plates", "refusals", "render"]
