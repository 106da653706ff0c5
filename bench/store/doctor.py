"""Says what is wrong with a results folder and mends what can be; nothing finished is deleted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from .._base import atomic, decoding, locks
from .._base.decoding import DecodeError
from .._base.errors import NasarenaError, StoreError
from ..core import record
from ..core.runner import Rules
from ..experiment.experiment import Experiment, StrategySpec
from . import compaction, store, unit_file, upkeep
from . import manifest as manifests
from .manifest import Manifest
from .store import Unit, gaps


class Finding(NamedTuple):
    """Something that is wrong: where, what, what mends it, and the mending where it is ours."""

    path: Path
    problem: str
    remedy: str
    mend: Callable[[], object] | None


def examine(root: Path) -> Iterator[Finding]:
    """Everything that is wrong with ``root``. Reads every byte of every unit.

    A finding may be mended as soon as it is out: what comes after counts on it.

    Raises:
        StoreError: if ``root`` is no results folder, or cannot be read.
    """
    if not root.is_dir() or not any((root / name).exists() for name in ("manifest.json", "runs")):
        raise StoreError(f"{root} is not a results folder: it has no manifest.json and no runs")
    yield from _leftovers(root)
    yield from _manifest(root)
    try:
        manifest = manifests.read(root)
    except StoreError:
        return  # without a manifest there is no telling what belongs where
    yield from _strangers(root, manifest)
    manifest = manifests.read(root)
    for task in manifest.experiment.tasks:
        for label in manifest.specs:
            yield from _units(root, manifest, task, label)


# What killed processes left.


def _leftovers(root: Path) -> Iterator[Finding]:
    for part in sorted(atomic.parts(root)):
        if atomic.remove_abandoned(part, remove=False):
            mend = partial(atomic.remove_abandoned, part)
            yield Finding(part, "left over by a process that was killed", "remove it", mend)
    holder = root / locks.HOLDER
    if holder.exists() and not locks.in_use(root):
        problem = f"it names {locks.holder(root)}, and nobody holds the folder"
        yield Finding(holder, problem, "remove it", partial(holder.unlink, missing_ok=True))


# The manifest.


def _manifest(root: Path) -> Iterator[Finding]:
    path = root / "manifest.json"
    try:
        manifests.read(root)
    except StoreError as error:
        if _is_of_another_version(path):
            yield Finding(path, str(error), "read it with the version that wrote it", None)
        else:
            problem = "there is no manifest" if not path.exists() else str(error)
            yield Finding(path, problem, "make it anew from the units", partial(_rebuild, root))


def _is_of_another_version(path: Path) -> bool:
    try:
        plain = decoding.loads(path.read_bytes())
    except (OSError, DecodeError):
        return False
    schema = plain.get("schema") if isinstance(plain, dict) else None
    return isinstance(schema, int) and schema != manifests.SCHEMA


def _rebuild(root: Path) -> None:
    """Write a manifest from what the units say of themselves.

    Raises:
        StoreError: if they do not say enough.
    """
    path = root / "manifest.json"
    made = rebuilt(root)
    if path.exists():
        store.set_aside(path)
    manifests.write(root, made)


def rebuilt(root: Path) -> Manifest:
    """The manifest of ``root`` as its units tell it; where they differ, as most of them do.

    Lost are the experiment's name, the order of tasks and strategies, and with which packages on
    which machine the units were run: those of now stand in their place, and ``recovered`` says so.

    Raises:
        StoreError: if no unit says what it is, or a task or strategy is not known here.
    """
    said = [about for _, about in _sound(root) if "experiment" in about]
    if not said:
        raise StoreError(
            f"{root}: no sound unit says what it was run with; the manifest is lost for good"
        )
    shared = {
        key: _most(about["experiment"].get(key) for about in said)
        for key in Rules.__struct_fields__
    }
    labels, tasks = ({about[key] for about in said} for key in ("label", "task"))
    specs = [
        {"label": label}
        | _most(
            {"name": a["strategy"], "settings": a["settings"]} for a in said if a["label"] == label
        )
        for label in sorted(labels)
    ]
    plain = {"name": root.resolve().name, "tasks": sorted(tasks), "strategies": specs, **shared}
    plain["seeds"] = max(about["seeds"][1] for about in said) + 1
    try:
        experiment = decoding.convert(plain, Experiment)
        experiment.check()
        made = manifests.new(experiment)
    except (NasarenaError, DecodeError) as error:
        raise StoreError(f"{root}: the manifest cannot be made anew: {error}") from error
    for task in sorted(tasks):
        was = _most(about["data"] for about in said if about["task"] == task)
        if was != made.tasks[task].hash:
            raise StoreError(
                f"{root}: the manifest cannot be made anew: the units on {task} were run on a "
                f"table with hash {was}, here it has {made.tasks[task].hash}"
            )
    return replace(made, recovered=f"{manifests.now()}, from {len(said)} units")


def _most(values: Any) -> Any:
    """The most frequent of values that JSON can hold."""
    counted = Counter(json.dumps(value, sort_keys=True) for value in values)
    return json.loads(counted.most_common(1)[0][0])


def _sound(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The undamaged files under ``runs`` and what they say of themselves."""
    for path in sorted((root / "runs").rglob("*.parquet")):
        if store.damage(path) is None:
            yield path, unit_file.about(path)


# Units.


def _strangers(root: Path, manifest: Manifest) -> Iterator[Finding]:
    """Files under ``runs`` that nothing reads."""
    tasks, labels = manifest.experiment.tasks, manifest.specs
    known = {
        path
        for task in tasks
        for label in labels
        for path in store.all_unit_files(root, task, label).values()
    }
    for path in sorted((root / "runs").rglob("*")):
        if path in known or path.is_dir() or ".damaged-" in path.name:
            continue
        if path.name.startswith(".") and path.suffix == ".part":
            continue
        about = _about(path)
        unit = _unit(about)
        if unit is None or path != store.unit_path(root, unit):
            yield Finding(path, "it is no unit of this experiment", "move it elsewhere", None)
            continue
        if problem := store.misfit(manifest, unit, about):
            yield Finding(path, problem, "set it aside", partial(store.set_aside, path))
            continue
        if unit.task in tasks and unit.label in labels:
            problem = "another file holds the same seeds"
            yield Finding(path, problem, "set it aside", partial(store.set_aside, path))
            continue
        what = "task" if unit.task not in tasks else "strategy"
        problem = f"the manifest does not name its {what}"
        yield Finding(path, problem, "add it to the manifest", partial(_join, root, about))


def _about(path: Path) -> dict[str, Any]:
    try:
        return unit_file.about(path) if path.suffix == ".parquet" else {}
    except StoreError:
        return {}


def _unit(about: dict[str, Any]) -> Unit | None:
    try:
        return Unit(about["task"], about["label"], *about["seeds"])
    except (KeyError, TypeError):
        return None


def _join(root: Path, about: dict[str, Any]) -> None:
    """Add a unit's task and strategy to the manifest, as the run that made it would have."""
    there = manifests.read(root)
    spec = StrategySpec(about["strategy"], about["label"], about["settings"])
    experiment = replace(there.experiment, tasks=(about["task"],), strategies=(spec,))
    experiment.check()
    manifests.open_folder(root, experiment)


def _units(root: Path, manifest: Manifest, task: str, label: str) -> Iterator[Finding]:
    files = store.all_unit_files(root, task, label)
    for block in compaction.superseded(files):
        problem = "left over by a compaction that was killed"
        mend = partial(compaction.finish, root, task, label)
        yield Finding(files[block], problem, "remove it", mend)
    unsound = upkeep.unsound(root, manifest, task, label)
    for path, problem in unsound:
        yield Finding(path, problem, "set it aside", partial(store.set_aside, path))
    done: set[int] = set()
    for (first, last), path in sorted(store.unit_files(root, task, label).items()):
        if path in {one.path for one in unsound}:
            continue
        done.update(range(first, last + 1))
        table = store.read_unit(path)
        fingerprint = record.about(table).get("fingerprint")
        if fingerprint is not None and record.fingerprint(table) != fingerprint:
            problem = "its columns do not match the fingerprint it was written with"
            yield Finding(path, problem, "set it aside", partial(store.set_aside, path))
        elif not unit_file.is_sealed(path):
            problem = "it has no seal, as written by an earlier version; its fingerprint fits"
            yield Finding(path, problem, "seal it", partial(unit_file.write, path, table))
    folder = store.error_path(root, Unit(task, label, 0, 0)).parent
    for path in sorted(folder.glob("*-*.txt")):
        begin, _, end = path.stem.partition("-")
        if begin.isdigit() and end.isdigit() and done.issuperset(range(int(begin), int(end) + 1)):
            problem = "the unit that failed has been finished since"
            yield Finding(path, problem, "remove it", partial(path.unlink, missing_ok=True))


def missing(root: Path) -> int:
    """How many runs of its experiment a results folder lacks.

    Raises:
        StoreError: if its manifest cannot be read.
    """
    experiment = manifests.read(root).experiment
    return sum(
        last - first + 1
        for task in experiment.tasks
        for spec in experiment.strategies
        for first, last in gaps(store.unit_files(root, task, spec.label), experiment.seeds)
    )
