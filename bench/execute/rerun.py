"""Runs a baseline's own experiment again, whole or in blocks of seeds until all is settled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from .._base.errors import StoreError
from ..store import manifest as manifests
from ..store import store
from .executor import execute
from .units import Done


def fill(current: Path, baseline: Path, processes: int | None = None) -> tuple[list[Done], int]:
    """Run what ``current`` lacks of the experiment that ``baseline`` was made with.

    Returns what failed, and how many units were there already.
    """
    experiment = manifests.experiment(baseline)
    there = [
        path
        for task in experiment.tasks
        for spec in experiment.strategies
        for path in store.unit_files(current, task, spec.label).values()
    ]
    done = execute(current, experiment, processes=processes)
    return [unit for unit in done if unit.error is not None], len(there)


def fill_in_blocks(
    current: Path,
    baseline: Path,
    looks: tuple[int, ...],
    compare: Callable[[], Any],
    processes: int | None = None,
) -> tuple[Any, list[Done]]:
    """Add seeds up to each of ``looks``, only for the pairs that ``compare()`` left unsettled.

    Returns the last outcome and what failed.
    """
    experiment = manifests.experiment(baseline)
    labels = [spec.label for spec in experiment.strategies]
    left = [(task, label) for task in experiment.tasks for label in labels]
    outcome, failed = None, []
    for seeds in looks:
        for task in experiment.tasks:
            specs = tuple(s for s in experiment.strategies if (task, s.label) in left)
            if specs:
                part = replace(experiment, tasks=(task,), strategies=specs, seeds=seeds)
                failed += [d for d in execute(current, part, processes=processes) if d.error]
        outcome = compare()
        broken = {(done.unit.task, done.unit.label) for done in failed}
        left = [key for key in outcome.unsettled if key not in broken]
        if not left:
            break
    if outcome is None:
        raise StoreError(f"{baseline} holds no seeds to look at")
    return outcome, failed
