"""What the command line asks of a history: add, show, publish."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...bench._base.errors import StoreError
from ..gate import gate_record, speed
from ..gate.gate import parse_options
from ..text.tables import number
from . import history
from .change_points import Change, changes
from .history import Row, Series

_BARS = "▁▂▃▄▅▆▇█"


def add(
    results: str | os.PathLike[str],
    where: Path,
    commit: str | None = None,
    time: str | None = None,
    targets: Sequence[str] = (),
    column: str = "validation",
) -> tuple[Path, int]:
    """Append a results folder, packed file or file of pytest-benchmark to the history.

    Returns the file and the number of rows.

    Raises:
        StoreError: if the results or the history cannot be read, or no commit is known.
    """
    if Path(results).suffix == ".json":
        rows = history.rows_of_speed(speed.read(results), commit, time)
    else:
        options = parse_options(targets=targets, column=column)
        rows = history.rows_of(gate_record.read(results), commit, time, options)
    return history.add(where, rows), len(rows)


def read(where: Path, **patterns: Sequence[str]) -> list[Series]:
    """The series of a history that fit the patterns (tasks, strategies, metrics).

    Raises:
        StoreError: if the history is damaged, or nothing fits.
    """
    found = history.series(history.load(where), **patterns)
    if not found:
        raise StoreError(f"{where} holds no series that fits; add one with nasarena track add")
    return found


def known_changes(found: Sequence[Series]) -> list[tuple[Series, list[Change]]]:
    """Every series with its changes.

    Raises:
        StoreError: if ruptures is not installed.
    """
    return [(each, changes(each)) for each in found]


def table(found: Sequence[tuple[Series, list[Change]]]) -> list[dict[str, str]]:
    """One row a series: its trend as a line of bars, and its latest change."""
    return [
        {
            "task": each.key.task,
            "strategy": each.key.strategy,
            "metric": each.key.metric,
            "commits": str(len(each.rows)),
            "first": number(each.rows[0].value),
            "last": f"{number(each.rows[-1].value)} {each.rows[-1].unit}".strip(),
            "trend": bars([row.value for row in each.rows]),
            "latest change": told(points[-1]) if points else "–",
        }
        for each, points in found
    ]


def bars(values: Sequence[float], width: int = 30) -> str:
    """The latest ``width`` values, the largest as the tallest bar."""
    shown = list(values)[-width:]
    low, high = min(shown), max(shown)
    if low == high:
        return _BARS[3] * len(shown)
    return "".join(_BARS[round(7 * (value - low) / (high - low))] for value in shown)


def told(change: Change) -> str:
    """A change in words."""
    return (
        f"{change.row.commit[:10]}: {number(change.before)} → {number(change.after)} "
        f"({'worse' if change.worse else 'better'})"
    )


def to_json(found: Sequence[tuple[Series, list[Change]]]) -> list[dict[str, Any]]:
    return [
        {
            **each.key._asdict(),
            "rows": [_point(row) for row in each.rows],
            "changes": [
                {"commit": c.row.commit, "before": c.before, "after": c.after, "worse": c.worse}
                for c in points
            ],
        }
        for each, points in found
    ]


def _point(row: Row) -> dict[str, Any]:
    return {"commit": row.commit, "time": row.time, "value": row.value, "count": row.count}


def publish(where: Path, out: Path, repository: str = "") -> Path:
    """Write the static page; returns it.

    Raises:
        StoreError: if the history is damaged or empty, or ruptures is not installed.
    """
    from .track_page import write

    return write(known_changes(read(where)), out, repository)
