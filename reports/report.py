"""Writes a report: figures, tables, Markdown, LaTeX floats and the page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..bench._base.errors import StoreError
from ..bench.store import store

if TYPE_CHECKING:
    from .figures.charts import Charts
    from .figures.gallery import Plate
    from .figures.style import Style
    from .record.provenance import Provenance, Recipe
    from .record.references import Tables
    from .record.sources import Results
    from .text.tables import Table

T = TypeVar("T")
FORMATS = ("html", "md", "csv", "tex", "png", "pdf")
"""The formats of a report; "svg" can be asked for too."""
_ALL = (*FORMATS, "svg")
_FIGURES = ("png", "pdf", "svg")


def write_report(
    results: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    formats: Sequence[str] = FORMATS,
    *,
    style: str = "screen",
    tables: Tables | None = None,
    processes: int | None = 1,
    first: Sequence[Table] = (),
    focus: str | None = None,
    figures: bool = True,
) -> Path:
    """Write a report on one or several results folders; returns its page, or else its folder.

    Args:
        results: a results folder, or several that belong together (see `sources.open_record`).
        out: where to; ``report`` in the results folder if not given. Files there of the same
            names are replaced.
        formats: some of html, md, csv, tex, png, pdf and svg.
        style: the venue the figures are for; see `style.STYLES`.
        tables: where the tables of the tasks are had from, for random search's exact regret;
            without them it is left out.
        processes: how many draw at a time; None: all cores.
        first: tables that come before the report's own.
        focus: the strategy that the report is about: it has a colour however many there are.
        figures: whether there are any beside the curves in the page.

    Raises:
        StoreError: if ``results`` is no results folder, is damaged or holds no finished run, if
            several do not belong together, or if a format is unknown.
        UnknownName: if the style is unknown.
    """
    unknown = sorted(set(formats) - set(_ALL))
    if unknown or not formats:
        raise StoreError(f"unknown format {unknown}; expected some of {', '.join(_ALL)}")
    folders = [results] if isinstance(results, str | os.PathLike) else list(results)
    if out is None and len(folders) > 1:
        raise StoreError("a report on several results folders needs a place to go to: give --out")
    with _workers(processes) as submit:
        report = prepare(folders, style, tables, submit, focus)
        report = replace(report, first=first, tables=[*first, *report.tables])
        folder = Path(folders[0]) / "report" if out is None else Path(out)
        return _write(report, folder, frozenset(formats), submit, figures)


Submit = Callable[..., "Future[Any]"]


@contextmanager
def _workers(processes: int | None) -> Iterator[Submit]:
    """A function that has something computed elsewhere, or at once where there is one process."""
    count = (os.cpu_count() or 1) if processes is None else processes
    if count == 1:
        yield _at_once
        return
    from multiprocessing import get_context

    # Spawned, not forked: a fork copies the locks of whatever threads the caller runs.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield pool.submit


def _at_once(function: Callable[..., T], *arguments: Any) -> Future[T]:
    done: Future[T] = Future()
    done.set_result(function(*arguments))
    return done


@dataclass(frozen=True)
class Report:
    """All that the files of a report are made from."""

    results: Results
    charts: Charts
    style: Style
    looks: dict[str, dict[str, Any]]
    tables: list[Table]
    provenance: Provenance
    versions: str
    first: Sequence[Table] = ()

    def recipe(self, kind: str, name: str, shows: Any) -> Recipe:
        """What a file says of itself."""
        from .record.provenance import Recipe, digest

        return Recipe(kind, name, self.style.name, digest(shows), self.provenance, self.versions)

    def plates(self, task: str | None = None) -> Iterator[Plate]:
        """The figures across tasks, or those of one."""
        from .figures.gallery import plates

        yield from plates(self.results, self.charts, self.style, self.looks, task)

    def plate_recipe(self, plate: Plate) -> Recipe:
        """The recipe of a figure."""
        return self.recipe("figure", plate.name, (plate.data, plate.note))


def prepare(
    folders: Sequence[str | os.PathLike[str]],
    style: str,
    tables: Tables | None,
    submit: Submit = _at_once,
    focus: str | None = None,
) -> Report:
    """Read the record and compute what tables and figures share."""
    from .figures import style as styles
    from .figures.charts import Charts
    from .figures.finals import mean_finals
    from .record.provenance import drawn_with, provenance
    from .record.references import expectation, jobs
    from .record.sources import open_record

    chosen = styles.style(style)
    results = open_record(folders)
    asked = {key: submit(expectation, *job) for key, job in jobs(results, tables).items()}
    blocks = list(results.blocks())
    references = {key: future.result() for key, future in asked.items()}
    charts = Charts(blocks, results.manifest, results.labels, references)
    order = _by_rank(results.labels, mean_finals(blocks, results.labels)[1])
    order.sort(key=lambda label: label != focus)
    return Report(
        results,
        charts,
        chosen,
        styles.looks(results.labels, order),
        _tables(charts),
        provenance(results),
        drawn_with(),
    )


def _by_rank(labels: Sequence[str], finals: Any) -> list[str]:
    """The labels from best to worst average rank; those without one in their own order behind."""
    import numpy as np

    from .stats.regret import average_rank

    ranks = average_rank(finals.T)
    return [labels[i] for i in np.argsort(np.where(np.isnan(ranks), np.inf, ranks), kind="stable")]


def _tables(charts: Charts) -> list[Table]:
    from .text.tables import effort_table, rank_table, regret_table

    blocks, labels, manifest = charts.blocks, charts.labels, charts.manifest
    random = {key: float(values[1][-1]) for key, values in charts.references.items()}
    made = [
        regret_table(blocks, "validation", labels, manifest, random),
        regret_table(blocks, "test", labels, manifest, random),
        rank_table(blocks, labels),
        effort_table(blocks, labels, manifest),
    ]
    return [table for table in made if table is not None]


# Writing.


def _write(
    report: Report, folder: Path, formats: frozenset[str], submit: Submit, figures: bool
) -> Path:
    pending: list[tuple[Plate, Future[dict[str, bytes]]]] = []
    kinds = [k for k in _FIGURES if k in formats or (k == "png" and "html" in formats)]
    if kinds and figures:
        pending = [(plate, _render(report, plate, kinds, submit)) for plate in _plates(report)]
    for name, text in _table_files(report, formats).items():
        store.write_bytes(folder / "tables" / name, text.encode())
    images = {}
    for plate, future in pending:
        files = future.result()
        for kind, data in files.items():
            if kind in formats:
                store.write_bytes(folder / "figures" / f"{plate.name}.{kind}", data)
        images[plate.name] = files.get("png", b"")
    plates = [plate for plate, _ in pending]
    if "tex" in formats:
        from .floats import floats

        drawn = [(plate, report.plate_recipe(plate)) for plate in plates]
        listed = [(table, report.recipe("table", table.name, table)) for table in report.tables]
        for name, text in floats(report.style, drawn, listed).items():
            store.write_bytes(folder / "floats" / name, text.encode())
    if "md" in formats:
        store.write_bytes(folder / "report.md", _report_markdown(report, plates, formats).encode())
    if "html" not in formats:
        return folder
    store.write_bytes(folder / "index.html", _page(report, images).encode())
    return folder / "index.html"


def _plates(report: Report) -> Iterator[Plate]:
    """Each task's figures first: the figures across tasks are prepared while they are drawn."""
    for task in report.charts.tasks:
        yield from report.plates(task)
    yield from report.plates()


def _render(
    report: Report, plate: Plate, kinds: Sequence[str], submit: Submit
) -> Future[dict[str, bytes]]:
    from .figures.gallery import render

    recipe = report.plate_recipe(plate)
    metadata = {kind: recipe.metadata(kind) for kind in kinds}
    return submit(render, plate, report.style, report.looks, metadata)


def _page(report: Report, images: dict[str, bytes]) -> str:
    from .figures.gallery import file_name
    from .figures.style import OTHERS
    from .page.page import page

    charts = report.charts
    # Curves of each task are in the page itself, to be hovered over and zoomed.
    live = {file_name(task) for task in charts.tasks} | {"overview", "overview-test"}
    shown = {name: image for name, image in images.items() if name not in live}
    best = [label for label, look in report.looks.items() if look is not OTHERS]
    made = page(
        charts.manifest, charts.blocks, charts.labels, report.tables, shown, best, report.first
    )
    return made + report.recipe("page", "index", made).comment("html")


def _table_files(report: Report, formats: frozenset[str]) -> dict[str, str]:
    """File name -> text of every table, in the formats asked for."""
    found = {}
    for table in report.tables:
        for kind in ("tex", "md", "csv"):
            if kind in formats:
                text = table_text(report, table, kind)
                if text is not None:
                    found[f"{table.name}.{kind}"] = text
    return found


def table_text(report: Report, table: Table, kind: str) -> str | None:
    """A table's file in a format; None for a CSV of what is not final regret."""
    if kind == "csv":
        return _csv(report, table.name.removesuffix("-regret"))
    # At 8 points a character takes half of that on average.
    shown = table.tex(report.style.full * 72 / (0.47 * report.style.size))
    text = shown if kind == "tex" else table.markdown()
    return report.recipe("table", table.name, table).comment(kind) + text


def _csv(report: Report, metric: str) -> str | None:
    """Full numbers, one row a task and strategy, and where they came from."""
    from .text.escaping import csv
    from .text.tables import final_regret

    if metric not in ("validation", "test"):
        return None
    frame = final_regret(report.charts.blocks, metric)
    for name in ("task", "strategy"):
        frame[name] = frame[name].map(csv)
    text: str = frame.assign(provenance=report.provenance.hash).to_csv(index=False)
    return text


def _report_markdown(report: Report, plates: Sequence[Plate], formats: frozenset[str]) -> str:
    from .figures.gallery import refusals
    from .text.escaping import markdown

    lines = [f"# {markdown(report.charts.manifest.name)}", ""]
    for table in report.tables:
        lines += [f"{markdown(table.caption)}:", "", table.markdown()]
    if "png" in formats:
        for plate in plates:
            lines += [f"![{plate.name}](figures/{plate.name}.png)", "", markdown(plate.caption), ""]
    for name, why in refusals(report.charts).items():
        lines += [f"Not drawn: {name}. {markdown(why)}.", ""]
    lines += [f"Provenance: {report.provenance.hash}", ""]
    return "\n".join(lines) + report.recipe("page", "report", lines).comment("md")
