"""Draws a figure or table again from the record and compares."""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..bench._base.errors import StoreError
from .record.provenance import Recipe, read_recipe

if TYPE_CHECKING:
    from .figures.gallery import Plate
    from .record.references import Tables
    from .report import Report


def verify_file(
    path: str | os.PathLike[str],
    results: Sequence[str | os.PathLike[str]],
    tables: Tables | None = None,
) -> str | None:
    """What is wrong with a figure or table that was made from ``results``; None if nothing is.

    Compared are the data, code, settings, seeds and record it names, then the numbers and texts
    it shows, then the file: what a picture shows, its bits where no compression stands between.

    Raises:
        StoreError: if the file names no source, or the results cannot be read.
    """
    from .report import prepare

    place = Path(path)
    if place.suffix.lower() == ".csv":
        return _check_csv(place, prepare(results, "screen", tables))
    recipe = read_recipe(place)
    report = prepare(results, recipe.style, tables)
    wrong = recipe.provenance.differs(report.provenance)
    if wrong:
        return (
            f"it was made from other results: {', '.join(wrong)} "
            f"{'differ' if len(wrong) > 1 else 'differs'} (provenance {recipe.provenance.hash} in "
            f"the file, {report.provenance.hash} in the results)"
        )
    if recipe.kind == "table":
        return _check_table(place, recipe, report)
    if recipe.kind == "figure":
        return _check_figure(place, recipe, report)
    raise StoreError(f"{place} is a {recipe.kind}; expected a figure or a table")


def _check_csv(path: Path, report: Report) -> str | None:
    from .report import table_text

    table = next((t for t in report.tables if t.name == path.stem), None)
    again = None if table is None else table_text(report, table, "csv")
    if again is None:
        raise StoreError(f"{path} is no table of the report; expected validation-regret.csv or so")
    return None if path.read_text(encoding="utf-8") == again else "its numbers differ"


def _check_table(path: Path, recipe: Recipe, report: Report) -> str | None:
    from .report import table_text

    kind = path.suffix.lower().lstrip(".")
    for table in report.tables:
        if table.name != recipe.name:
            continue
        if report.recipe("table", table.name, table).shows != recipe.shows:
            return "its numbers differ from those the record gives now"
        there = path.read_text(encoding="utf-8")
        if r"\input{" in there and kind == "tex":
            return None  # a float: the numbers are in the file that it inputs
        return None if there == table_text(report, table, kind) else "its text was changed"
    return f"the results give no table {recipe.name!r}"


def _check_figure(path: Path, recipe: Recipe, report: Report) -> str | None:
    from .figures.gallery import render

    plate = _find(report, recipe.name)
    if plate is None:
        return f"the results give no figure {recipe.name!r}"
    own = report.plate_recipe(plate)
    if own.shows != recipe.shows:
        return "its numbers differ from those the record gives now"
    kind = path.suffix.lower().lstrip(".")
    if kind == "tex":
        return None
    if own.drawn_with != recipe.drawn_with:
        return (
            "its numbers are those of the record, but the picture cannot be compared: it was drawn "
            f"with {recipe.drawn_with}, here is {own.drawn_with}"
        )
    again = render(plate, report.style, report.looks, {kind: own.metadata(kind)})[kind]
    return None if _same(kind, path.read_bytes(), again) else "it was drawn or changed otherwise"


def _find(report: Report, name: str) -> Plate | None:
    from .figures.gallery import file_name

    # A task's figures begin with its name: no other need be prepared.
    tasks = [task for task in report.charts.tasks if name.startswith(file_name(task))]
    for task in (*tasks, None):
        for plate in report.plates(task):
            if plate.name == name:
                return plate
    return None


def _same(kind: str, one: bytes, other: bytes) -> bool:
    """Whether two files hold the same picture, whatever compressed them."""
    if one == other:
        return True
    if kind == "png":
        return bool(np.array_equal(_pixels(one), _pixels(other)))
    return kind == "pdf" and _streams(one) == _streams(other)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"))


def _streams(data: bytes) -> list[bytes]:
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            found.append(match[1])
    return found
