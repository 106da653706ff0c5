"""The history as static pages: an overview with the changes, and a page a task with its charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from ...bench.store.store import write_text
from ..figures.gallery import file_name
from ..page.rendering import package_text, render
from ..text.tables import number
from .change_points import Change, levels
from .history import Row, Series

Found: TypeAlias = "Sequence[tuple[Series, list[Change]]]"
_WIDTH, _HEIGHT, _PAD = 640, 150, 12


def write(found: Found, out: Path, repository: str = "") -> Path:
    """Write ``index.html`` and a page a task into ``out``; returns the index.

    ``repository`` is the address under which ``/commit/<hash>`` shows a commit.
    """
    tasks = list(dict.fromkeys(each.key.task for each, _ in found))
    own = {
        task: [(each, points) for each, points in found if each.key.task == task] for task in tasks
    }
    for task in tasks:
        charts = [_chart(each, points, repository) for each, points in own[task]]
        _save(out / _page_name(task), "track_task.html", title=task, charts=charts)
    index = out / "index.html"
    _save(
        index,
        "track_index.html",
        title="nasarena track",
        changes=_changes(found, repository),
        tasks=[
            {
                "name": task,
                "page": _page_name(task),
                "series": len(own[task]),
                "commits": max(len(each.rows) for each, _ in own[task]),
            }
            for task in tasks
        ],
    )
    return index


def _page_name(task: str) -> str:
    return f"task-{file_name(task)}.html"


def _save(path: Path, template: str, **values: Any) -> None:
    styles = [package_text("static_page.css"), package_text("track_page.css")]
    write_text(path, render(template, styles=styles, **values))


def _commit(row: Row, repository: str) -> dict[str, str]:
    """A commit's short name, and its address where there is one."""
    address = f"{repository.rstrip('/')}/commit/{quote(row.commit)}"
    known = repository.startswith(("https://", "http://"))
    return {"name": row.commit[:10], "address": address if known else ""}


def _change(change: Change, repository: str) -> dict[str, Any]:
    return {
        "commit": _commit(change.row, repository),
        "date": change.row.time[:10],
        "kind": "worse" if change.worse else "better",
        "levels": f"{number(change.before)} → {number(change.after)}",
    }


def _changes(found: Found, repository: str) -> list[dict[str, Any]]:
    """All changes, the latest first; among those of one commit the worst first."""
    every = [(each.key, change) for each, points in found for change in points]
    every.sort(key=lambda pair: pair[1].share, reverse=True)
    every.sort(key=lambda pair: pair[1].row.time, reverse=True)
    return [
        {
            **_change(change, repository),
            "page": f"{_page_name(key.task)}#{_anchor(key)}",
            "task": key.task,
            "strategy": key.strategy,
            "metric": key.metric,
        }
        for key, change in every
    ]


def _anchor(key: Any) -> str:
    return file_name("-".join(key[1:]))


def _chart(series: Series, points: Sequence[Change], repository: str) -> dict[str, Any]:
    """One chart, in the coordinates of its picture; a point says which commit it is."""
    values = [row.value for row in series.rows]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(i: float) -> float:
        return round(_PAD + (_WIDTH - 2 * _PAD) * i / max(len(values) - 1, 1), 1)

    def y(value: float) -> float:
        share = (value - low) / span if high > low else 0.5
        return round(_HEIGHT - _PAD - (_HEIGHT - 2 * _PAD) * share, 1)

    last = series.rows[-1]
    return {
        "anchor": _anchor(series.key),
        "name": f"{series.key.strategy}, {series.key.metric}",
        "last": f"{number(last.value)} {last.unit}".strip(),
        "low": number(low),
        "high": number(high),
        "width": _WIDTH,
        "height": _HEIGHT,
        "points": [
            {
                "x": x(i),
                "y": y(row.value),
                "title": f"{row.commit[:10]} {row.time[:10]}: {number(row.value)}",
            }
            for i, row in enumerate(series.rows)
        ],
        "levels": [
            {"start": x(start), "end": x(end - 1), "y": y(mean)}
            for start, end, mean in levels(values)
        ],
        "changes": [_change(change, repository) for change in points],
    }
