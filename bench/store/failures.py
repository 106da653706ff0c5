"""Trainings that failed, with their reasons: ``RESULTS/failures/<task>/<label>/<seeds>.csv``.

The record holds such a training with loss inf; why it failed is told here, and in the file of
figures in the cache. Tables have no reasons.
"""

from __future__ import annotations

import csv
from pathlib import Path

from .._base.atomic import write_atomically
from ..core.contracts import SupportsFailureReasons, Task
from ..core.runner import Run
from . import store
from .store import Unit

COLUMNS = ("seed", "step", "epochs", "replica", "architecture", "reason")


def of(task: Task, runs: dict[int, Run]) -> list[tuple[object, ...]]:
    """The failed trainings of a unit's runs (seed -> run), one row of `COLUMNS` each."""
    if not isinstance(task, SupportsFailureReasons):
        return []
    rows: list[tuple[object, ...]] = []
    for seed, run in runs.items():
        for step, answer in enumerate(run.answers, 1):
            query = answer.observation.query
            if reason := task.failure_reason(query):
                words = task.space.describe(query.arch)
                rows.append((seed, step, query.epochs, query.replica, words, reason))
    return rows


def path(root: Path, unit: Unit) -> Path:
    """Where the failed trainings of ``unit`` are told."""
    beside = store.error_path(root, unit)
    return root / "failures" / beside.relative_to(root / "errors").with_suffix(".csv")


def write(root: Path, unit: Unit, rows: list[tuple[object, ...]]) -> None:
    """Tell them; no file where there are none.

    Raises:
        StoreError: if the file cannot be written.
    """

    def fill(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])

    if rows:
        write_atomically(path(root, unit), fill)


def count(root: Path) -> int:
    """How many trainings failed in a results folder."""
    found = 0
    for file in (root / "failures").rglob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            found += max(sum(1 for _ in csv.reader(lines)) - 1, 0)
    return found
