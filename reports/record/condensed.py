"""Blocks of big records: read some rows at a time, kept only where something changes.

An incumbent changes a few times in a run, however long the run is. A block that keeps those steps
alone draws the same step functions, in a hundredth of the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..stats.regret import Floats
from .curves import Block, block_of

if TYPE_CHECKING:
    from ...bench.store.manifest import Budget, PerMetric

ROWS = 1 << 19
"""Rows that are looked at at a time, at least; a unit is never divided."""
_STEPS = ("validation", "test", "queries", "epochs", "finish")

Columns = dict[str, NDArray[Any]]


def condensed(
    task: str,
    strategy: str,
    units: Iterable[Columns],
    optimum: PerMetric,
    budget: Budget,
) -> Block:
    """The block of one task and strategy from its units' columns, in the order of their seeds.

    Of each run those steps are kept at which its incumbent changes, its first and its last one,
    and those at which it had charged the most and the fewest epochs a query: every step function,
    every end and every extreme is the same as by `curves.blocks`. Units are whole runs; how runs
    are divided into units changes no bit of the answer.
    """
    parts, thinking = [], []
    for columns in _together(units):
        parts.append(_condense(block_of(task, strategy, columns, optimum, budget)))
        thinking.append(_by_run(columns["thinking"], parts[-1].lengths))
    return _joined(parts, np.concatenate(thinking))


def _together(units: Iterable[Columns]) -> Iterator[Columns]:
    """Small units joined to `ROWS` rows, since each round has a price of its own."""
    waiting: list[Columns] = []
    rows = 0
    for unit in units:
        waiting.append(unit)
        rows += len(unit["seed"])
        if rows >= ROWS:
            yield _one_after_the_other(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _one_after_the_other(waiting)


def _one_after_the_other(units: list[Columns]) -> Columns:
    return {name: np.concatenate([unit[name] for unit in units]) for name in units[0]}


def _by_run(values: NDArray[Any], lengths: NDArray[np.int64]) -> Floats:
    """(runs,) the sum of each run's values."""
    starts = np.cumsum(lengths) - lengths
    return np.array([values[s : s + n].sum() for s, n in zip(starts, lengths, strict=True)])


def _condense(block: Block) -> Block:
    inside = np.arange(block.finish.shape[1]) < block.lengths[:, None]
    keep = _changes(block.validation) | _changes(block.test)
    runs = np.arange(len(block.lengths))
    keep[:, 0] = True
    keep[runs, block.lengths - 1] = True
    with np.errstate(invalid="ignore", divide="ignore"):
        pace = block.epochs / block.queries
    known = inside & ~np.isnan(pace)
    keep[runs, np.where(known, pace, -np.inf).argmax(axis=1)] = True
    keep[runs, np.where(known, pace, np.inf).argmin(axis=1)] = True
    keep &= inside
    counts = keep.sum(axis=1)
    places = np.arange(counts.max()) < counts[:, None]
    kept: dict[str, Any] = {}
    for name in _STEPS:
        kept[name] = np.full(places.shape, np.nan)
        kept[name][places] = getattr(block, name)[keep]
    return replace(block, **kept)


def _changes(values: Floats) -> NDArray[np.bool_]:
    """Where a value is not what it was a step before; NaN is as good as NaN."""
    found = np.zeros(values.shape, dtype=bool)
    before, now = values[:, :-1], values[:, 1:]
    found[:, 1:] = (now != before) & ~(np.isnan(now) & np.isnan(before))
    return found


def _joined(parts: list[Block], thinking: Floats) -> Block:
    lengths = np.concatenate([part.lengths for part in parts])
    distinct = sum(round(part.unique * int(part.lengths.sum())) for part in parts)
    width = max(part.finish.shape[1] for part in parts)
    steps: dict[str, Any] = {}
    for name in _STEPS:
        steps[name] = np.full((len(lengths), width), np.nan)
        row = 0
        for part in parts:
            values = getattr(part, name)
            steps[name][row : row + len(values), : values.shape[1]] = values
            row += len(values)
    return replace(
        parts[0],
        seeds=np.concatenate([part.seeds for part in parts]),
        lengths=lengths,
        ends=np.concatenate([part.ends for part in parts]),
        failed=sum(part.failed for part in parts),
        unique=distinct / int(lengths.sum()),
        thinking=float(thinking.sum() / lengths.sum()),
        **steps,
    )
