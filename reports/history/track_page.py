"""The history as static pages: an overview with the changes, and a page a task with its charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from ...bench.store.store import write_text
from ..figures.gallery import file_name
from ..page.static_page import CSS, head
from ..text.escaping import escape
from ..text.tables import number
from .change_points import Change, levels
from .history import Row, Series

Found: TypeAlias = "Sequence[tuple[Series, list[Change]]]"
_WIDTH, _HEIGHT, _PAD = 640, 150, 12
_STYLE = """
svg { background: var(--tint); border-radius: 6px; max-width: 100%; height: auto; }
circle { fill: var(--accent); } polyline { fill: none; stroke: var(--accent); stroke-opacity: .35; }
line.level { stroke: var(--ink); stroke-width: 1.5; } .worse { color: #c0392b; fill: #c0392b; }
.better { color: #1e8449; fill: #1e8449; } h3 { margin: 1.6rem 0 .3rem; font-size: 1rem; }
"""


def write(found: Found, out: Path, repository: str = "") -> Path:
    """Write ``index.html`` and a page a task into ``out``; returns the index.

    ``repository`` is the address under which ``/commit/<hash>`` shows a commit.
    """
    tasks = list(dict.fromkeys(each.key.task for each, _ in found))
    for task in tasks:
        own = [(each, points) for each, points in found if each.key.task == task]
        _save(out / _page_name(task), task, _task_page(own, repository))
    body = f"<h2>Changes</h2>{_changes(found, repository)}<h2>Tasks</h2>{_grid(found, tasks)}"
    index = out / "index.html"
    _save(index, "nasarena track", body)
    return index


def _page_name(task: str) -> str:
    return f"task-{file_name(task)}.html"


def _save(path: Path, title: str, body: str) -> None:
    text = (
        f"{head(title, CSS + _STYLE)}"
        f'<h1>{escape(title)}</h1><p class="lead">Less is better. A point is a commit, a line the '
        "level between changes (PELT).</p>"
        f'<nav><a href="index.html">overview</a></nav>{body}</body></html>\n'
    )
    write_text(path, text)


def _commit(row: Row, repository: str) -> str:
    short = escape(row.commit[:10])
    if not repository.startswith(("https://", "http://")):
        return f"<code>{short}</code>"
    link = escape(f"{repository.rstrip('/')}/commit/{quote(row.commit)}")
    return f'<a href="{link}"><code>{short}</code></a>'


def _changes(found: Found, repository: str) -> str:
    """All changes, the latest first; among those of one commit the worst first."""
    every = [(each, change) for each, points in found for change in points]
    every.sort(key=lambda pair: pair[1].share, reverse=True)
    every.sort(key=lambda pair: pair[1].row.time, reverse=True)
    if not every:
        return "<p>None.</p>"
    rows = "".join(
        f"<tr><td>{_commit(c.row, repository)}</td><td>{escape(c.row.time[:10])}</td>"
        f'<td><a href="{_page_name(s.key.task)}#{_anchor(s)}">{escape(s.key.task)}</a></td>'
        f"<td>{escape(s.key.strategy)}</td><td>{escape(s.key.metric)}</td>"
        f'<td class="{_kind(c)}">{number(c.before)} → {number(c.after)}</td></tr>'
        for s, c in every
    )
    head = "".join(f"<th>{h}</th>" for h in ("commit", "date", "task", "strategy", "metric", ""))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>{rows}</table></div>'


def _kind(change: Change) -> str:
    return "worse" if change.worse else "better"


def _grid(found: Found, tasks: Sequence[str]) -> str:
    parts = []
    for task in tasks:
        own = [each for each, _ in found if each.key.task == task]
        commits = max(len(each.rows) for each in own)
        link = f'<a href="{_page_name(task)}">{escape(task)}</a>'
        parts.append(f"<li>{link}: {len(own)} series, up to {commits} commits</li>")
    return f"<ul>{''.join(parts)}</ul>"


def _anchor(series: Series) -> str:
    return file_name("-".join(series.key[1:]))


def _task_page(found: Found, repository: str) -> str:
    parts = []
    for each, points in found:
        unit = each.rows[-1].unit
        told = "; ".join(
            f'<span class="{_kind(c)}">{_commit(c.row, repository)} {number(c.before)} → '
            f"{number(c.after)}</span>"
            for c in points
        )
        last = f"{number(each.rows[-1].value)} {escape(unit)}".strip()
        parts.append(
            f'<h3 id="{_anchor(each)}">{escape(each.key.strategy)}, {escape(each.key.metric)}: '
            f"{last}</h3>{_chart(each)}<p>{told}</p>"
        )
    return "".join(parts)


def _chart(series: Series) -> str:
    """One chart; every point says on hovering which commit it is."""
    values = [row.value for row in series.rows]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(i: float) -> float:
        return round(_PAD + (_WIDTH - 2 * _PAD) * i / max(len(values) - 1, 1), 1)

    def y(value: float) -> float:
        share = (value - low) / span if high > low else 0.5
        return round(_HEIGHT - _PAD - (_HEIGHT - 2 * _PAD) * share, 1)

    line = " ".join(f"{x(i)},{y(v)}" for i, v in enumerate(values))
    marks = "".join(
        f'<circle cx="{x(i)}" cy="{y(row.value)}" r="3"><title>'
        f"{escape(row.commit[:10])} {escape(row.time[:10])}: {number(row.value)}</title></circle>"
        for i, row in enumerate(series.rows)
    )
    flat = "".join(
        f'<line class="level" x1="{x(start)}" x2="{x(end - 1)}" y1="{y(mean)}" y2="{y(mean)}"/>'
        for start, end, mean in levels(values)
    )
    name = escape(
        f"{series.key.strategy}, {series.key.metric}, from {number(low)} to {number(high)}"
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{name}">'
        f'<polyline points="{line}"/>{flat}{marks}</svg>'
    )
