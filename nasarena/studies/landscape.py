"""Gathers what an analysis of a task's space looks at."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..bench.core.task import TableTask

MANY = 100_000
"""With more networks than this, descents start from a sample of them."""
SAMPLE = 1000
_FIDELITIES = 12


def terrain(task: TableTask) -> dict[str, Any]:
    """Arrays over the networks of a task, each network by its canonical spelling.

    ``losses`` and ``test`` (networks,) are seed-averaged at full epochs, ``trainings`` (networks,
    replicas) apart; ``epochs`` has such losses by epoch; ``archs`` (networks, decisions);
    ``neighbours`` gives the numbers of a network's neighbours that the table knows.
    """
    table, space = task.table, task.space
    keys, rows, sizes, spread = _networks(task)
    sign = -1 if task.columns["validation"].maximize else 1
    validation = table.columns["validation"]
    losses = task.truth("validation")[rows]
    trainings = sign * np.asarray(validation[rows, -1, :])

    @cache
    def neighbours(network: int) -> NDArray[np.int64]:
        near = [space.index(arch) for arch in space.neighbours(space.arch(int(keys[network])))]
        if not near:
            return np.zeros(0, np.int64)
        found = np.unique(np.asarray(table.canonical[np.array(near)]).astype(np.int64))
        place = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
        place = place[keys[place] == found]
        return np.asarray(place[place != network], np.int64)

    rng = np.random.default_rng(0)
    count = len(keys)
    starts = np.arange(count) if count <= MANY else rng.choice(count, SAMPLE, replace=False)
    column = task.columns["validation"]
    return {
        "task": task.id,
        "label": column.label or column.name,
        "unit": column.unit,
        "maximize": column.maximize,
        "losses": losses,
        "test": task.truth("test")[rows],
        "trainings": trainings,
        "other trainings": _mean(trainings[:, 1:]),
        "epochs": {
            table.epochs[place]: _mean(sign * np.asarray(validation[rows, place, :]))
            for place in _some(len(table.epochs))
        },
        "archs": space.archs(keys).astype(np.int64),
        "architectures": table.architectures,
        "classes": sizes,
        "class spread": spread,
        "neighbours": neighbours,
        "starts": np.sort(starts),
    }


_Networks: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], float]


def _networks(task: TableTask) -> _Networks:
    """The canonical spellings that have an answer, their rows, how many spellings each has, and the
    deviation between the losses of spellings of one network that have rows of their own."""
    table = task.table
    if not isinstance(table.canonical, np.ndarray):
        # The space finds rows by itself: every row is a network, spelled nobody knows how often.
        order = np.argsort(table.spelling)
        spelled = table.spelling[order].astype(np.int64)
        return spelled, order, np.ones(len(order), np.int64), float("nan")
    answered = np.flatnonzero(table.row_of >= 0)
    keys, member, sizes = np.unique(
        table.canonical[answered], return_inverse=True, return_counts=True
    )
    losses = task.truth("validation")[table.row_of[answered]]
    known = ~np.isnan(losses)
    total = np.bincount(member[known], losses[known], minlength=len(keys))
    number = np.bincount(member[known], minlength=len(keys))
    deviation = losses[known] - (total / np.maximum(number, 1))[member[known]]
    free = int(np.maximum(number - 1, 0).sum())
    alone = table.unique == table.rows
    spread = float("nan") if alone or not free else float(np.sqrt((deviation**2).sum() / free))
    rows = table.row_of[keys].astype(np.int64)
    return keys.astype(np.int64), rows, sizes.astype(np.int64), spread


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, replicas) to (n,): the mean of what is there, NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide(np.where(known, values, 0.0).sum(axis=1), count, out=mean, where=count > 0)
    return mean


def _some(epochs: int) -> list[int]:
    """At most a dozen of the places of all epochs, evenly on a logarithmic scale."""
    if epochs <= _FIDELITIES:
        return list(range(epochs))
    chosen = np.unique(np.round(np.geomspace(1, epochs, _FIDELITIES)).astype(int) - 1)
    return [int(place) for place in chosen]
