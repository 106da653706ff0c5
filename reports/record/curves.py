"""From the record's rows to one block of (runs, steps) arrays for each task and strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..stats.regret import Floats, incumbent_values, incumbents, last, on_grid, regret

if TYPE_CHECKING:
    import pandas as pd

    from ...bench.store.manifest import Budget, Manifest, PerMetric

COLUMNS = (
    "seed",
    "network",
    "epochs",
    "loss",
    "validation",
    "test",
    "finish",
    "charged",
    "thinking",
)
"""The columns of the record that a report needs."""


@dataclass(frozen=True)
class Block:
    """All runs of one strategy on one task; arrays are (runs, steps), NaN after a run's end.

    ``validation`` and ``test`` are the regrets of the incumbent (chosen by the loss it was seen
    with, scored by the truth); ``queries`` counts the charged queries up to each step; ``finish``
    is the clock in the task's unit of cost and ``ends`` (runs,) what it showed when a run ended.
    """

    task: str
    strategy: str
    seeds: NDArray[np.int64]
    lengths: NDArray[np.int64]
    validation: Floats
    test: Floats
    queries: Floats
    epochs: Floats
    finish: Floats
    ends: Floats
    failed: int
    unique: float
    thinking: float

    def times(self, axis: str) -> Floats:
        """(runs, steps) what each step shows on ``axis``: "queries", "epochs" or "finish"."""
        found: Floats = getattr(self, axis)
        return found

    def ends_on(self, axis: str) -> Floats:
        """(runs,) where each run ended on ``axis``."""
        return self.ends if axis == "finish" else last(self.times(axis))

    def against(self, axis: str, metric: str, grid: Floats) -> Floats:
        """(runs, len(grid)) the regret ``metric`` as a step function over ``axis``."""
        return on_grid(self.times(axis), getattr(self, metric), self.ends_on(axis), grid)


def blocks(frame: pd.DataFrame, manifest: Manifest) -> list[Block]:
    """The blocks of a record, which is sorted by task, strategy, seed and step."""
    tasks = frame["task"].cat.codes.to_numpy()
    labels = frame["strategy"].cat.codes.to_numpy()
    columns = {name: frame[name].to_numpy() for name in COLUMNS}
    names = frame["task"].cat.categories, frame["strategy"].cat.categories
    found = []
    for start, end in _stretches(tasks, labels):
        part = {name: values[start:end] for name, values in columns.items()}
        task, label = names[0][tasks[start]], names[1][labels[start]]
        optimum = manifest.tasks[task].optimum
        found.append(block_of(task, label, part, optimum, manifest.experiment.budget))
    return found


def _stretches(*keys: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """The half-open ranges of rows in which every key stays the same."""
    if len(keys[0]) == 0:
        return
    changes = np.zeros(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(keys[0])]
    yield from pairwise(edges)


def block_of(
    task: str,
    label: str,
    part: dict[str, NDArray[Any]],
    optimum: PerMetric,
    budget: Budget,
) -> Block:
    edges = np.array([0, *(end for _, end in _stretches(part["seed"]))])
    lengths = np.diff(edges)

    def runs(values: NDArray[Any]) -> Floats:
        if (lengths == lengths[0]).all():
            return values.reshape(len(lengths), -1).astype(np.float64, copy=False)
        padded = np.full((len(lengths), lengths.max()), np.nan)
        padded[np.arange(lengths.max()) < lengths[:, None]] = values
        return padded

    loss = runs(part["loss"])
    incumbent = incumbents(loss, runs(part["epochs"]))
    padding = np.arange(loss.shape[1]) >= lengths[:, None]
    regrets = {}
    for metric in ("validation", "test"):
        best = optimum.of(metric)
        values = incumbent_values(runs(part[metric]), incumbent)
        regrets[metric] = regret(
            np.where(padding, np.nan, values), np.nan if best is None else best
        )
    queries, epochs = _counts(part, lengths, padding, runs)
    finish = runs(part["finish"])
    return Block(
        task=task,
        strategy=label,
        seeds=part["seed"][edges[:-1]].astype(np.int64),
        lengths=lengths,
        validation=regrets["validation"],
        test=regrets["test"],
        queries=queries,
        epochs=epochs,
        finish=finish,
        ends=_ends(last(finish), last(queries), budget),
        failed=int(np.isnan(part["loss"]).sum()),
        unique=_distinct(part["network"], lengths) / len(part["network"]),
        thinking=float(part["thinking"].mean()),
    )


def _counts(
    part: dict[str, NDArray[Any]],
    lengths: NDArray[np.int64],
    padding: NDArray[np.bool_],
    runs: Callable[[NDArray[Any]], Floats],
) -> tuple[Floats, Floats]:
    """(runs, steps) the queries and the epochs charged up to each step."""
    if not padding.any() and _constant(part["epochs"]) and (part["charged"] > 0).all():
        # All runs count alike: one row serves them all.
        steps = np.arange(1.0, padding.shape[1] + 1)
        trained = steps * float(part["epochs"][0])
        return np.broadcast_to(steps, padding.shape), np.broadcast_to(trained, padding.shape)
    charged = np.nan_to_num(runs(part["charged"])) > 0
    trained = np.cumsum(np.nan_to_num(runs(_trained(part, lengths))), axis=1)
    queries = np.cumsum(charged, axis=1)
    return np.where(padding, np.nan, queries), np.where(padding, np.nan, trained)


def _trained(part: dict[str, NDArray[Any]], lengths: NDArray[np.int64]) -> Floats:
    """(rows,) the epochs that each query was charged for: those its network had not seen yet.

    Asked again at no more epochs it is trained anew, from the start, unless that was free.
    """
    epochs = part["epochs"].astype(np.float64)
    if not _constant(epochs):
        run = np.repeat(np.arange(len(lengths)), lengths)
        order = np.lexsort((part["network"], run))  # stable: steps stay in order
        keys = np.stack([run[order], part["network"][order]])
        first = np.concatenate([[True], (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
        # Each network's stretch lies above the one before it: one running maximum serves all.
        lift = np.cumsum(first) * (epochs.max() + 1)
        reached = np.maximum.accumulate(epochs[order] + lift)
        before = np.where(first, 0.0, np.concatenate([[0.0], reached[:-1]]) - lift)
        asked = epochs[order]
        epochs[order] = np.where(asked > before, asked - before, asked)
    return np.where(np.nan_to_num(part["charged"]) > 0, epochs, 0.0)


def _constant(values: NDArray[Any]) -> bool:
    return len(values) == 0 or bool((values == values[0]).all())


def _distinct(network: NDArray[Any], lengths: NDArray[np.int64]) -> int:
    """How many networks there are, each counted once a run."""
    run = np.repeat(np.arange(len(lengths)), lengths)
    # A run's number times a large one keeps its networks apart. Sorting beats np.unique's hashing.
    keys = np.sort(network + run * (int(network.max()) + 1))
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))


def _ends(finish: Floats, queries: Floats, budget: Budget) -> Floats:
    """(runs,) when each run ended: a run that still had queries left went on to the deadline.

    The record does not say whether the epochs ran out first. Where they are limited too, a run
    counts as ended with its last answer, so that no curve goes on after it.
    """
    if budget.seconds is None or budget.epochs is not None:
        return finish
    return np.where(queries < (budget.queries or np.inf), budget.seconds, finish)
