"""One or several results folders as one record, refused where they do not belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from ...bench._base.errors import StoreError
from ...bench.store import manifest as manifests
from ...bench.store import scan
from ...bench.store.manifest import Manifest, PerMetric
from ...bench.store.scan import Part
from ...bench.store.store import Unit
from .condensed import condensed
from .curves import COLUMNS, Block

if TYPE_CHECKING:
    import pyarrow as pa

FIXED = ("budget", "workers", "noise", "duplicates", "seed")
"""What must be the same in all folders of one report, or their regrets could not be compared."""


@dataclass(frozen=True)
class Results:
    """What a report is about.

    ``folders`` in the order they were given; ``manifest`` is theirs joined; ``units`` maps each
    finished unit, as it was written, to where it lies, each unit once.
    """

    folders: tuple[Path, ...]
    manifest: Manifest
    units: dict[Unit, Part]

    @property
    def tasks(self) -> list[str]:
        """The tasks that have a finished unit, in the experiment's order."""
        there = {unit.task for unit in self.units}
        return [task for task in self.manifest.experiment.tasks if task in there]

    @property
    def labels(self) -> list[str]:
        """The labels of the strategies that have a finished unit, in the experiment's order."""
        there = {unit.label for unit in self.units}
        return [label for label in self.manifest.specs if label in there]

    def blocks(self) -> Iterator[Block]:
        """Every block, condensed (see `condensed`), read unit by unit: rows are never all there."""
        for task in self.tasks:
            for label in self.labels:
                parts = self.parts(task, label)
                if parts:
                    yield condensed(
                        task,
                        label,
                        (_columns(table, COLUMNS) for table in scan.read_parts(parts, COLUMNS)),
                        self.manifest.tasks[task].optimum,
                        self.manifest.experiment.budget,
                    )

    def parts(self, task: str, label: str) -> list[Part]:
        """The units of a task and strategy by first seed, each once, and where they lie."""
        return self._of_pair.get((task, label), [])

    @cached_property
    def _of_pair(self) -> dict[tuple[str, str], list[Part]]:
        found: dict[tuple[str, str], list[Part]] = {}
        for unit in sorted(self.units):
            found.setdefault((unit.task, unit.label), []).append(self.units[unit])
        return found


def _columns(table: pa.Table, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    return {name: table[name].to_numpy() for name in names}


def open_record(results: Sequence[str | os.PathLike[str]]) -> Results:
    """The record of one or several results folders.

    Folders may add tasks, strategies and seeds to one another. A unit that two of them hold with
    the same bits counts once.

    Raises:
        StoreError: if a folder is none or is damaged, if there is no finished run, or if two
            folders differ in version, in a table, in budget, workers, noise, duplicates or seed,
            in what a label stands for, or in what a run gave; the message says which.
    """
    folders = tuple(dict.fromkeys(Path(folder) for folder in results))
    if not folders:
        raise StoreError("expected a results folder, got none")
    found = {folder: manifests.read(folder) for folder in folders}
    for one, other in combinations(folders, 2):
        _check_alike(one, found[one], other, found[other])
    units: dict[Unit, Part] = {}
    for folder in folders:
        for part in scan.units(folder):
            there = units.setdefault(part.unit, part)
            if there.fingerprint != part.fingerprint:
                _refuse_overlap(there, part)
    _check_overlap(units)
    if not units:
        shown = ", ".join(map(str, folders))
        raise StoreError(f"{shown} holds no finished run to report on")
    return _referenced(Results(folders, _joined(list(found.values())), units))


def _referenced(results: Results) -> Results:
    """With the best value of the record as the optimum of tasks that have none: live ones.

    Their facts say so: ``reference``.
    """
    tasks = dict(results.manifest.tasks)
    for task in results.tasks:
        facts = tasks[task]
        if facts.optimum.validation is not None:
            continue
        least = _least(results, task)
        optimum = PerMetric(**{metric: least[metric] for metric in facts.metrics})
        if optimum.validation is not None:
            tasks[task] = structs.replace(facts, optimum=optimum, reference="the best found")
    return replace(results, manifest=structs.replace(results.manifest, tasks=tasks))


def _least(results: Results, task: str) -> dict[str, float | None]:
    """The least finite value of any run on a task; None where there is none."""
    found: dict[str, float | None] = {"validation": None, "test": None}
    for label in results.labels:
        for table in scan.read_parts(results.parts(task, label), list(found)):
            for metric, least in found.items():
                known = table[metric].to_numpy()
                known = known[np.isfinite(known)]
                if len(known):
                    found[metric] = min(float(known.min()), np.inf if least is None else least)
    return found


def _check_alike(one: Path, first: Manifest, other: Path, second: Manifest) -> None:
    """Refuse two folders whose results cannot stand in one figure."""

    def refuse(what: str, here: Any, there: Any) -> None:
        raise StoreError(
            f"{one} and {other} cannot be reported together: {what} is {here} in the first and "
            f"{there} in the second; report on them one by one"
        )

    versions = [m.packages.get("nasarena", "unknown") for m in (first, second)]
    if versions[0] != versions[1]:
        refuse("nasarena's version", *versions)
    for task in first.tasks.keys() & second.tasks.keys():
        hashes = [m.tasks[task].hash for m in (first, second)]
        if hashes[0] != hashes[1]:
            refuse(f"the hash of {task}'s table", *hashes)
    for key in FIXED:
        values = [getattr(m.experiment, key) for m in (first, second)]
        if values[0] != values[1]:
            refuse(key, *values)
    specs = [m.specs for m in (first, second)]
    for label in specs[0].keys() & specs[1].keys():
        if specs[0][label] != specs[1][label]:
            shown = [f"{s[label].name} {s[label].settings}" for s in specs]
            refuse(f"what {label!r} stands for", *shown)


def _check_overlap(units: dict[Unit, Part]) -> None:
    """Refuse two units that share a seed."""
    for unit, following in pairwise(sorted(units)):
        if unit[:2] == following[:2] and following.first <= unit.last:
            _refuse_overlap(units[unit], units[following])


def _refuse_overlap(one: Part, other: Part) -> None:
    raise StoreError(
        f"{one.path} and {other.path} hold the same runs with different results ({one.unit}; "
        f"{other.unit}); leave one of the folders out"
    )


def _joined(parts: Sequence[Manifest]) -> Manifest:
    """The first manifest with the tasks, strategies and seeds of all of them."""
    strategies = {label: spec for part in parts for label, spec in part.specs.items()}
    experiment = structs.replace(
        parts[0].experiment,
        tasks=tuple(dict.fromkeys(task for part in parts for task in part.experiment.tasks)),
        strategies=tuple(strategies.values()),
        seeds=max(part.experiment.seeds for part in parts),
    )
    return structs.replace(
        parts[0],
        name=" + ".join(dict.fromkeys(part.name for part in parts)),
        experiment=experiment,
        tasks={task: facts for part in parts for task, facts in part.tasks.items()},
    )
