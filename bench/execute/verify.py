"""Runs a random sample of a results folder's units again and compares them bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from .._base.errors import NasarenaError, StoreError
from ..core import record
from ..store import manifest as manifests
from ..store import scan, store
from ..store.store import Unit
from ..store.unit_index import Part, UnitIndex
from .units import compute


class Verdict(NamedTuple):
    """``problem`` is None where the unit came out with the same bits."""

    unit: Unit
    problem: str | None


def sample(root: Path, count: int, rng: Random) -> Iterator[Verdict]:
    """Verify ``count`` units (all, if there are fewer), drawn by ``rng``.

    Raises:
        StoreError: if there is nothing to verify.
    """
    experiment = manifests.experiment(root)
    specs = {spec.label: spec for spec in experiment.strategies}
    index = UnitIndex(root)
    units: list[tuple[Unit, Part | StoreError]] = []
    for task in experiment.tasks:
        for label in specs:
            for (first, last), path in sorted(store.unit_files(root, task, label).items()):
                unit = Unit(task, label, first, last)
                try:
                    units += [(part.unit, part) for part in index.parts_of(unit, path)]
                except StoreError as error:
                    units.append((unit, error))
    if not units:
        raise StoreError(f"{root} holds no finished unit")
    for unit, part in rng.sample(units, min(count, len(units))):
        try:
            if isinstance(part, StoreError):
                raise part
            (kept,) = scan.read_parts([part])
            again = compute(experiment, specs[unit.label], unit)
        except NasarenaError as error:
            yield Verdict(unit, str(error))
            continue
        yield Verdict(unit, _compare(kept, again, part.fingerprint))


def _compare(kept: object, again: object, said: str) -> str | None:
    import pyarrow as pa

    assert isinstance(kept, pa.Table) and isinstance(again, pa.Table)
    if record.fingerprint(kept) != said:
        return "its columns do not match the fingerprint it was written with"
    if record.fingerprint(again) == said:
        return None
    for name in kept.column_names:
        if name in record.MEASURED or kept[name].equals(again[name]):
            continue
        return f"column {name} came out differently"
    return "it came out with other columns"
