"""Random search's expected regret on a task's table, computed once and kept."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from ..bench._base.errors import StoreError
from ..bench.cache.run_cache import BASELINES, user_folder
from ..bench.core.task import TableTask
from ..bench.experiment.identity import data_hash
from ..bench.store import store
from ..reports.stats.random_reference import RandomSearch

FILE = "random-curves.json"
POINTS = 48

Curve = tuple[list[float], list[float]]
"""Numbers of queries, increasing, and the expected regret after each."""


def curve(task: TableTask, *, noise: str = "sampled", duplicates: str = "charge") -> Curve:
    """From one query to three times the table; from the box or the user's folder if it is known."""
    name = f"{data_hash(task)}/{noise}/{duplicates}"
    own = user_folder() / FILE
    for path in (BASELINES / FILE, own):
        if (found := read(path).get(name)) is not None:
            return found
    made = compute(task, noise, duplicates)
    keep(own, {name: made})
    return made


def keep(path: Path, curves: dict[str, Curve]) -> None:
    """Add curves to a file of them; where it cannot be written, nothing is kept."""
    text = json.dumps(read(path) | curves)
    try:
        store.write_atomically(path, lambda part: _write(part, text))
    except StoreError:
        return
    read.cache_clear()


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


@cache
def read(path: Path) -> dict[str, Curve]:
    """The curves in a file; a file that is damaged holds none, and they are computed anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): ([float(x) for x in queries], [float(x) for x in expected])
            for name, (queries, expected) in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def compute(task: TableTask, noise: str, duplicates: str) -> Curve:
    """The curve from the table alone. Takes up to some ten seconds for a large table with noise."""
    table = task.table
    values = table.columns["validation"][:, -1, :]
    losses = -values if task.columns["validation"].maximize else values.copy()
    ran = ~np.isnan(table.columns["seconds"][:, -1, :])
    losses = np.where(ran & np.isnan(losses), np.inf, losses)
    valid = table.row_of[table.canonical >= 0]
    free = duplicates == "free"
    search = RandomSearch(
        task.truth("validation"),
        None if noise == "mean" else losses,
        spellings=np.bincount(valid[valid >= 0], minlength=table.rows),
        # Free repeats do not count: as if an architecture were drawn only once.
        replace=not free,
        redraw=duplicates == "resample",
        optimum=task.optimum["validation"],
    )
    last = search.spellings * (1 if free else 3)
    grid = np.unique(np.geomspace(1, last, POINTS).round().astype(np.int64))
    return grid.astype(float).tolist(), search.expected(grid).tolist()
