"""One or several results folders as one record, refused where they do not belong together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bench import store
from ..bench.errors import StoreError
from ..bench.store import Unit
from .curves import COLUMNS, Block, blocks

if TYPE_CHECKING:
    import pandas as pd

FIXED = ("budget", "workers", "noise", "duplicates", "seed")
"""What must be the same in all folders of one report, or their regrets could not be compared."""


@dataclass(frozen=True)
class Results:
    """What a report is about.

    ``folders`` in the order they were given; ``manifest`` is theirs joined; ``units`` maps each
    finished unit to its folder and fingerprint, each unit once.
    """

    folders: tuple[Path, ...]
    manifest: dict[str, Any]
    units: dict[Unit, tuple[Path, str]]

    @property
    def tasks(self) -> list[str]:
        """The tasks that have a finished unit, in the experiment's order."""
        there = {unit.task for unit in self.units}
        return [task for task in self.manifest["experiment"]["tasks"] if task in there]

    @property
    def labels(self) -> list[str]:
        """The labels of the strategies that have a finished unit, in the experiment's order."""
        there = {unit.label for unit in self.units}
        specs = self.manifest["experiment"]["strategies"]
        return [spec["label"] for spec in specs if spec["label"] in there]

    def blocks(self) -> Iterator[Block]:
        """Every block, read a task at a time so that the rows are never all in memory."""
        for task in self.tasks:
            yield from blocks(self._rows(task), self.manifest)

    def _rows(self, task: str) -> pd.DataFrame:
        """The rows of a task, sorted by strategy and seed, no unit twice."""
        import pandas as pd

        parts = []
        for folder in self.folders:
            own = {u for u, (place, _) in self.units.items() if place == folder and u.task == task}
            if own:
                frame = store.read(folder, columns=COLUMNS, tasks=[task])
                parts.append(_only(frame, own, folder))
        if len(parts) == 1:
            return parts[0]
        labels = [spec["label"] for spec in self.manifest["experiment"]["strategies"]]
        joined = pd.concat([part.astype({"task": str, "strategy": str}) for part in parts])
        joined["task"] = pd.Categorical(joined["task"], categories=[task])
        joined["strategy"] = pd.Categorical(joined["strategy"], categories=labels)
        return joined.sort_values(["strategy", "seed"], kind="stable", ignore_index=True)


def _only(frame: pd.DataFrame, units: set[Unit], folder: Path) -> pd.DataFrame:
    """``frame`` without the units that another folder gives already."""
    drop = np.zeros(len(frame), dtype=bool)
    task = next(iter(units)).task
    for label in frame["strategy"].cat.categories:
        for first, last in store.unit_files(folder, task, label):
            if Unit(task, label, first, last) not in units:
                here = (frame["strategy"] == label).to_numpy()
                drop |= here & frame["seed"].between(first, last).to_numpy()
    return frame[~drop] if drop.any() else frame


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
    manifests = {folder: store.manifest(folder) for folder in folders}
    for one, other in combinations(folders, 2):
        _check_alike(one, manifests[one], other, manifests[other])
    units: dict[Unit, tuple[Path, str]] = {}
    runs: dict[tuple[str, str], list[Unit]] = {}
    for folder in folders:
        for unit, fingerprint in store.fingerprints(folder).items():
            own = runs.setdefault((unit.task, unit.label), [])
            for there in own:
                place, said = units[there]
                _check_overlap(place, there, folder, unit, same=said == fingerprint)
            if unit not in units:
                own.append(unit)
                units[unit] = (folder, fingerprint)
    if not units:
        shown = ", ".join(map(str, folders))
        raise StoreError(f"{shown} holds no finished run to report on")
    return _referenced(Results(folders, _joined(list(manifests.values())), units))


def _referenced(results: Results) -> Results:
    """With the best value of the record as the optimum of tasks that have none: live ones.

    Their facts say so: ``reference``.
    """
    tasks = dict(results.manifest["tasks"])
    for task in results.tasks:
        facts = tasks[task]
        if facts["optimum"]["validation"] is not None or facts["validation"] is None:
            continue
        rows = results._rows(task)
        optimum = {}
        for metric in ("validation", "test"):
            known = rows[metric].to_numpy()
            known = known[np.isfinite(known)]
            optimum[metric] = float(known.min()) if facts[metric] and len(known) else None
        if optimum["validation"] is not None:
            tasks[task] = facts | {"optimum": optimum, "reference": "the best found"}
    return replace(results, manifest=results.manifest | {"tasks": tasks})


def _check_alike(one: Path, first: dict[str, Any], other: Path, second: dict[str, Any]) -> None:
    """Refuse two folders whose results cannot stand in one figure."""

    def refuse(what: str, here: Any, there: Any) -> None:
        raise StoreError(
            f"{one} and {other} cannot be reported together: {what} is {here} in the first and "
            f"{there} in the second; report on them one by one"
        )

    versions = [m["packages"].get("nasarena", "unknown") for m in (first, second)]
    if versions[0] != versions[1]:
        refuse("nasarena's version", *versions)
    for task in first["tasks"].keys() & second["tasks"].keys():
        hashes = [m["tasks"][task]["hash"] for m in (first, second)]
        if hashes[0] != hashes[1]:
            refuse(f"the hash of {task}'s table", *hashes)
    for key in FIXED:
        values = [m["experiment"][key] for m in (first, second)]
        if values[0] != values[1]:
            refuse(key, *values)
    specs = [{s["label"]: s for s in m["experiment"]["strategies"]} for m in (first, second)]
    for label in specs[0].keys() & specs[1].keys():
        if specs[0][label] != specs[1][label]:
            shown = [f"{s[label]['name']} {s[label]['settings']}" for s in specs]
            refuse(f"what {label!r} stands for", *shown)


def _check_overlap(one: Path, there: Unit, other: Path, unit: Unit, same: bool) -> None:
    """Refuse two units that share a seed, unless they are one unit with the same bits."""
    apart = there.last < unit.first or unit.last < there.first
    if not apart and not (same and there == unit):
        raise StoreError(
            f"{one} and {other} hold the same runs with different results ({there}; {unit}); "
            "leave one of the folders out"
        )


def _joined(manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first manifest with the tasks, strategies and seeds of all of them."""
    first, experiments = manifests[0], [m["experiment"] for m in manifests]
    strategies = {s["label"]: s for e in experiments for s in e["strategies"]}
    experiment = {
        **first["experiment"],
        "tasks": list(dict.fromkeys(task for e in experiments for task in e["tasks"])),
        "strategies": list(strategies.values()),
        "seeds": max(e["seeds"] for e in experiments),
    }
    return {
        **first,
        "name": " + ".join(dict.fromkeys(m["name"] for m in manifests)),
        "experiment": experiment,
        "tasks": {task: facts for m in manifests for task, facts in m["tasks"].items()},
    }
