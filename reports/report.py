"""Writes a report: figures, tables, Markdown and the page."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bench import store
from ..bench.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .curves import Block
    from .tables import Table

FORMATS = ("html", "md", "csv", "tex", "png", "pdf")


def write_report(
    results: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    formats: Sequence[str] = FORMATS,
) -> Path:
    """Write a report on a results folder; returns its page, or its folder if there is no page.

    ``out`` is ``results/report`` if not given; files there of the same names are replaced.

    Raises:
        StoreError: if ``results`` is no results folder, is damaged or holds no finished run, or
            if a format is unknown.
    """
    from .curves import COLUMNS, blocks

    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise StoreError(f"unknown format {unknown}; expected some of {', '.join(FORMATS)}")
    manifest = store.manifest(results)
    frame = store.read(results, columns=COLUMNS)
    if frame.empty:
        raise StoreError(f"{results} holds no finished run to report on")
    folder = Path(results) / "report" if out is None else Path(out)
    return _write(blocks(frame, manifest), manifest, folder, set(formats))


def _write(
    found: Sequence[Block], manifest: dict[str, Any], folder: Path, formats: set[str]
) -> Path:
    labels = [s["label"] for s in manifest["experiment"]["strategies"]]
    labels = [label for label in labels if any(block.strategy == label for block in found)]
    tables = _tables(found, labels)
    for kind, text in (("csv", _csv), ("tex", _tex), ("md", _markdown)):
        if kind in formats:
            text(folder / "tables", found, tables)
    images = _figures(found, manifest, labels, folder / "figures", formats)
    if "md" in formats:
        _write_text(folder / "report.md", _report_markdown(manifest, tables, images, formats))
    if "html" not in formats:
        return folder
    from .page import page

    _write_text(folder / "index.html", page(manifest, found, labels, tables, images))
    return folder / "index.html"


def _tables(found: Sequence[Block], labels: Sequence[str]) -> list[Table]:
    from .tables import effort_table, rank_table, regret_table

    made = [
        regret_table(found, "validation", labels),
        regret_table(found, "test", labels),
        rank_table(found, labels),
        effort_table(found, labels),
    ]
    return [table for table in made if table is not None]


def _write_text(path: Path, text: str) -> None:
    store.write_atomically(path, lambda temporary: _fill(temporary, text.encode()))


def _fill(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _csv(folder: Path, found: Sequence[Block], tables: Sequence[Table]) -> None:
    """Full numbers, one row a task and strategy."""
    from .tables import final_regret

    for metric in ("validation", "test"):
        frame = final_regret(found, metric)
        if not frame.empty:
            _write_text(folder / f"{metric}-regret.csv", frame.to_csv(index=False))


def _tex(folder: Path, found: Sequence[Block], tables: Sequence[Table]) -> None:
    for table in tables:
        _write_text(folder / f"{table.name}.tex", table.tex())


def _markdown(folder: Path, found: Sequence[Block], tables: Sequence[Table]) -> None:
    for table in tables:
        _write_text(folder / f"{table.name}.md", table.markdown())


def file_name(task: str) -> str:
    """A task's id as a file name."""
    return re.sub(r"[^\w.+-]+", "_", task).strip("._") or "task"


def _figures(
    found: Sequence[Block],
    manifest: dict[str, Any],
    labels: Sequence[str],
    folder: Path,
    formats: set[str],
) -> dict[str, bytes]:
    """Draw every figure once, keep it in the formats asked for; name -> PNG."""
    from .figures import overview_figure, task_figure

    if not formats & {"png", "pdf", "html"}:
        return {}
    images = {
        "overview": _save(overview_figure(found, manifest, labels), folder, "overview", formats)
    }
    for task in dict.fromkeys(block.task for block in found):
        own = [block for block in found if block.task == task]
        figure = task_figure(own, manifest, labels)
        images[task] = _save(figure, folder, file_name(task), formats)
    return images


def _save(figure: Figure, folder: Path, name: str, formats: set[str]) -> bytes:
    from matplotlib import rc_context

    from .style import RC

    png = b""
    with rc_context(RC):
        for kind in ("png", "pdf"):
            if kind in formats or (kind == "png" and "html" in formats):
                buffer = io.BytesIO()
                # No date: the same record gives the same file.
                metadata = {"CreationDate": None} if kind == "pdf" else {}
                figure.savefig(buffer, format=kind, metadata=metadata)
                figure.set_layout_engine("none")  # the first layout serves all: it costs most
                data = buffer.getvalue()
                png = data if kind == "png" else png
                if kind in formats:
                    _write_bytes(folder / f"{name}.{kind}", data)
    return png


def _write_bytes(path: Path, data: bytes) -> None:
    store.write_atomically(path, lambda temporary: _fill(temporary, data))


def _report_markdown(
    manifest: dict[str, Any], tables: Sequence[Table], images: dict[str, bytes], formats: set[str]
) -> str:
    lines = [f"# {manifest['name']}", ""]
    for table in tables:
        lines += [table.caption + ":", "", table.markdown()]
    if "png" in formats:
        for name in images:
            lines += [f"![{name}](figures/{file_name(name)}.png)", ""]
    return "\n".join(lines)
