"""Two records side by side: whether they can be compared, and where their bits part."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...bench._base.errors import StoreError
from ...bench.store import manifest as manifests
from ...bench.store import store
from ...bench.store.manifest import Manifest
from ..record.curves import Block, blocks

MEASURED = ("thinking",)
"""Measured, not computed: equal runs differ in it."""
_DERIVED = ("start",)
"""A packed file leaves it out: it follows from ``finish`` and ``charged``."""
_PROTOCOL = ("budget", "workers", "noise", "duplicates", "seed")


class Parting(NamedTuple):
    """Where two records part first: ``seeds`` of them differ, ``column`` differs at ``step``."""

    seeds: int
    seed: int
    step: int
    column: str


@dataclass(frozen=True)
class Runs:
    """All runs of one strategy on one task: curves, and every column by seed."""

    block: Block
    columns: dict[int, dict[str, NDArray[Any]]]

    @property
    def fingerprints(self) -> dict[int, str]:
        """A hash of each run's bits, by seed."""
        return {seed: _digest(columns) for seed, columns in self.columns.items()}


@dataclass(frozen=True)
class Record:
    """What a results folder (or packed file) holds; ``runs`` by (task, strategy's label)."""

    name: str
    manifest: Manifest
    runs: dict[tuple[str, str], Runs]


def read(where: str | os.PathLike[str]) -> Record:
    """Read a results folder or packed file.

    Raises:
        StoreError: if it is neither, is damaged, or holds no finished run.
    """
    manifest = manifests.read(where)
    frame = store.read(where)
    if frame.empty:
        raise StoreError(f"{where} holds no finished run to compare")
    found = {}
    for block in blocks(frame, manifest):
        key = block.task, block.strategy
        part = frame[(frame["task"] == key[0]) & (frame["strategy"] == key[1])]
        found[key] = Runs(block, dict(_by_seed(part)))
    return Record(str(where), manifest, found)


def _by_seed(part: pd.DataFrame) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    names = [n for n in part.columns if n not in ("task", "strategy", "seed", *MEASURED, *_DERIVED)]
    columns = {name: part[name].to_numpy() for name in names}
    seeds = part["seed"].to_numpy()
    edges = [0, *(np.flatnonzero(seeds[1:] != seeds[:-1]) + 1).tolist(), len(seeds)]
    for start, end in pairwise(edges):
        run = {name: values[start:end] for name, values in columns.items()}
        if "arch" in run:
            run["arch"] = np.stack(run["arch"].tolist())
        yield int(seeds[start]), run


def _digest(columns: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(columns):
        values = np.ascontiguousarray(columns[name])
        digest.update(f"{name}:{values.dtype}:{values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def parting(baseline: Runs, current: Runs, seeds: list[int]) -> Parting | None:
    """The first seed and step at which the bits differ; None if they are the same."""
    mine, theirs = baseline.fingerprints, current.fingerprints
    other = [seed for seed in seeds if mine[seed] != theirs[seed]]
    if not other:
        return None
    step, column = _first_step(baseline.columns[other[0]], current.columns[other[0]])
    return Parting(len(other), other[0], step, column)


def _first_step(old: dict[str, NDArray[Any]], new: dict[str, NDArray[Any]]) -> tuple[int, str]:
    earliest: tuple[int, str] | None = None
    for name in [n for n in old if n in new]:
        length = min(len(old[name]), len(new[name]))
        differs = _bits(old[name][:length]) != _bits(new[name][:length])
        differs = differs.reshape(length, -1).any(axis=1)
        if differs.any() and (earliest is None or np.argmax(differs) + 1 < earliest[0]):
            earliest = int(np.argmax(differs)) + 1, name
    if earliest is not None:
        return earliest
    odd = sorted(set(old) ^ set(new))
    if odd:
        return 1, odd[0]
    return 1 + min(len(old["step"]), len(new["step"])), "step"


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """Floats as integers, so that NaN equals NaN and 0.0 is not -0.0."""
    return values.view(np.int64) if values.dtype == np.float64 else values


def check_comparable(baseline: Record, current: Record, *, common_seeds: bool = False) -> None:
    """Raise unless both were run alike: same protocol, same tables, same seeds.

    Raises:
        StoreError: naming the first thing that differs, what it is on either side, what to do.
    """
    old, new = baseline.manifest.experiment, current.manifest.experiment
    for key in _PROTOCOL:
        was, now = getattr(old, key), getattr(new, key)
        if was != now:
            raise StoreError(
                f"the two cannot be compared: {key} is {was} in {baseline.name} and "
                f"{now} in {current.name}; run both with the same"
            )
    tasks = [task for task in old.tasks if task in new.tasks]
    if not tasks:
        raise StoreError(
            f"no task is in both: {baseline.name} has {', '.join(old.tasks)}; "
            f"{current.name} has {', '.join(new.tasks)}"
        )
    for task in tasks:
        was, now = (r.manifest.tasks[task].hash for r in (baseline, current))
        if was != now:
            raise StoreError(
                f"the table of {task} has hash {was} in {baseline.name} and {now} in "
                f"{current.name}: regrets on different data cannot be compared; run both on one"
            )
    if not set(baseline.runs) & set(current.runs):
        raise StoreError(
            f"no strategy has finished runs in both {baseline.name} and {current.name}"
        )
    if old.seeds != new.seeds and not common_seeds:
        raise StoreError(
            f"{baseline.name} has {old.seeds} seeds and {current.name} {new.seeds}; run the "
            "missing ones, or compare those that both have with --common-seeds"
        )


class Difference(NamedTuple):
    """One thing that the two manifests say differently."""

    what: str
    baseline: str
    current: str


def differences(old: Manifest, new: Manifest) -> list[Difference]:
    """What may explain a change: packages, Python, git commit, machine, strategies' settings."""
    found = []

    def compare(what: str, was: Any, now: Any) -> None:
        if was != now:
            found.append(Difference(what, _text(was), _text(now)))

    for name in dict.fromkeys([*old.packages, *new.packages]):
        compare(name, old.packages.get(name), new.packages.get(name))
    compare("Python", old.python, new.python)
    compare("git commit", old.git, new.git)
    for key in ("system", "processor"):
        compare(f"machine's {key}", getattr(old.machine, key), getattr(new.machine, key))
    for label, spec in old.specs.items():
        if other := new.specs.get(label):
            compare(f"name of {label}", spec.name, other.name)
            compare(f"settings of {label}", spec.settings, other.settings)
    return found


def _text(value: Any) -> str:
    if value is None:
        return "not there"
    return json.dumps(value) if isinstance(value, dict) else str(value)
