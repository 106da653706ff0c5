"""The checks of a search space together with a table that is spelled in it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray

from .._base.errors import CheckFailed
from ..core.task import TableTask

SAMPLES = 1000
NOISE = 1.5
"""Spellings of one network may differ by so many times what the training seeds explain."""
SHARE = 0.25
"""Where there is one training seed only: by this share of the spread of all architectures."""


def architectures_have_rows(task: TableTask) -> None:
    """The table answers for every architecture that the space draws."""
    rng = Random(0)
    for _ in range(SAMPLES):
        arch = task.space.sample(rng)
        if task.table.row_of[task.space.index(arch)] < 0:
            raise CheckFailed(
                "a row for every valid spelling (a table with gaps goes with a PoolSpace)",
                f"none for {arch!r}",
            )


def table_has_the_canonical_forms(task: TableTask) -> None:
    """The forms that the table was made with are those of the space."""
    space, rng = task.space, Random(1)
    if len(task.table.canonical) != space.spellings:
        raise CheckFailed(f"{space.spellings} canonical forms", f"{len(task.table.canonical)}")
    for _ in range(SAMPLES):
        arch = space.sample(rng)
        form, kept = (
            space.index(space.canonical(arch)),
            int(task.table.canonical[space.index(arch)]),
        )
        if form != kept:
            raise CheckFailed(
                f"number {form}, that of the space's canonical form of {arch!r}",
                f"{kept} in the table: count up the benchmark's version when forms change",
            )


def canonical_preserves_values(task: TableTask) -> str:
    """Spellings of one network differ in validation by no more than the training seeds do."""
    table = task.table
    network = np.unique(table.canonical[table.spelling], return_inverse=True)[1]
    there = np.isfinite(table.mean("validation"))
    network, values = network[there], table.mean("validation")[there]
    count = np.bincount(network)
    several = count[network] > 1
    if not several.any():
        return "every network has one row"
    mean = np.bincount(network, values) / np.maximum(count, 1)
    # Unbiased: each network's own mean takes one degree of freedom.
    squares = ((values - mean[network])[several] ** 2).sum()
    within = float(np.sqrt(squares / (several.sum() - (count > 1).sum())))
    noise = _noise(task, there)
    bound, said = (
        (NOISE * noise, f"{NOISE:g} times the {noise:.3g} that training seeds explain")
        if noise is not None
        else (SHARE * float(values.std()), f"{SHARE:g} of the spread of all")
    )
    if within > bound:
        raise CheckFailed(
            f"spellings of one network to differ by at most {bound:.3g} ({said})", f"{within:.3g}"
        )
    return f"they differ by {within:.3g}, at most {bound:.3g}"


def _noise(task: TableTask, there: NDArray[np.bool_]) -> float | None:
    """The standard error of a row's seed-averaged validation; None with one seed a row."""
    values = task.table.columns["validation"][there, -1]
    known = np.isfinite(values).sum(axis=1)
    if not (known > 1).any():
        return None
    repeated = values[known > 1]
    variance = np.nanvar(repeated, axis=1, ddof=1).mean()
    return float(np.sqrt(variance * (1 / known).mean()))


TABLE_RULES: tuple[Callable[[TableTask], str | None], ...] = (
    architectures_have_rows,
    table_has_the_canonical_forms,
    canonical_preserves_values,
)
