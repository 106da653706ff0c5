"""A second accounting, by which the runner's is checked.

It says what the queries of a record cost under other rules: duplicates charged or free, trainings
resumed or begun anew, any number of workers. Where proposals do not depend on what a strategy is
told, a run under those rules has to record the same. It works on whole columns and shares nothing
with the runner, which goes from query to query.

Arrays are (runs, steps), padded with NaN behind a run's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nasarena.bench.core.task_facts import TaskFacts

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Record:
    """What accounting needs of a record, in its order of completion.

    ``network`` numbers canonical spellings and ``row`` the rows of the table that answered,
    ``replica`` the training seeds. ``charged`` and ``start`` are in the task's unit of cost.
    ``duplicates`` is the policy under which the record was made.
    """

    network: Floats
    row: Floats
    epochs: Floats
    replica: Floats
    charged: Floats
    start: Floats
    duplicates: str = "charge"


@dataclass(frozen=True)
class Account:
    """The same queries under other rules, in their order of completion there.

    ``cost`` and ``epochs`` are what each query adds, 0 for a free duplicate, and ``start`` and
    ``finish`` its times on the simulated clock. ``answer`` is the step of the record, counted from
    0, whose answer it gets (-1 behind a run's end): another than its own for a free duplicate.
    """

    cost: Floats
    epochs: Floats
    start: Floats
    finish: Floats
    answer: Ints

    @property
    def spent(self) -> dict[str, Floats]:
        """What was spent up to each step: charged ``queries``, ``epochs`` and ``seconds``."""
        counted = np.where(np.isnan(self.epochs), np.nan, self.epochs > 0)
        return {
            "queries": np.cumsum(counted, axis=1),
            "epochs": np.cumsum(self.epochs, axis=1),
            "seconds": self.finish,
        }

    def of(self, column: Floats) -> Floats:
        """``column`` (runs, steps) of the record, as these queries were answered."""
        taken = np.take_along_axis(column, np.maximum(self.answer, 0), axis=1)
        return np.where(self.answer < 0, np.nan, taken)


def record_of(frame: pd.DataFrame, facts: TaskFacts, duplicates: str) -> Record:
    """The record of one task and strategy, from its rows sorted by seed and step.

    ``frame`` has the columns seed, arch, network, epochs, replica, charged and start. ``facts`` is
    the task's entry in the manifest: it says whether each spelling has a row of its own.
    """
    seeds = frame["seed"].to_numpy()
    lengths = np.diff(np.flatnonzero(np.r_[True, seeds[1:] != seeds[:-1], True]))
    inside = np.arange(lengths.max()) < lengths[:, None]

    def padded(values: NDArray[Any]) -> Floats:
        found = np.full(inside.shape, np.nan)
        found[inside] = values
        return found

    row = frame["network"].to_numpy()
    if facts.rows == facts.architectures:
        spelled = np.stack(frame["arch"].to_list())
        row = np.unique(spelled, axis=0, return_inverse=True)[1].reshape(-1)
    names = ("network", "epochs", "replica", "charged", "start")
    columns = {name: padded(frame[name].to_numpy()) for name in names}
    return Record(row=padded(row), duplicates=duplicates, **columns)


def rescore(
    record: Record, *, duplicates: str = "charge", resume: bool = True, workers: int = 1
) -> Account:
    """Account for the queries of ``record`` anew.

    ``duplicates``: ``"charge"`` (and ``"resample"``, which costs the same) charges every query;
    ``"free"`` charges nothing for a network at no more epochs than the run has trained it to, and
    answers with the first that was seen of it at those epochs, if there is one.
    ``resume``: whether more epochs cost only the increment; if not, all from epoch 0.
    ``workers``: so many work at once. Each takes the next query, in the order of the record's
    asking, as soon as it is free.

    Where free duplicates make another spelling resume a training that the record does not hold, the
    increment is taken in proportion to its epochs. The record does not hold in which order several
    workers were given work at one moment: such queries are taken in their order of completion.

    Raises:
        ValueError: where the record does not hold the cost: a duplicate that was free, at epochs
            for which nothing was ever paid.
    """
    run, step = np.nonzero(~np.isnan(record.network))
    begun = record.start[run, step]
    late = (begun == 0) & (record.charged[run, step] == 0)  # after what they are duplicates of
    order = np.lexsort((step, late, begun, run))
    run, step = run[order], step[order]
    flat = {
        name: getattr(record, name)[run, step]
        for name in ("network", "row", "epochs", "replica", "charged")
    }
    was_free = record.duplicates == "free"
    training = _groups(run, flat["network" if was_free else "row"], flat["replica"])
    seconds = _from_epoch_zero(training, flat["epochs"], flat["charged"], was_free)
    if duplicates == "free":
        network = training if was_free else _groups(run, flat["network"])
        cost, epochs, answer = _free(network, training, flat["epochs"], seconds, resume)
    else:
        cost, epochs = _charged(training, flat["epochs"], seconds, resume)
        answer = np.arange(len(run))
    unknown = np.flatnonzero(np.isnan(cost))
    if len(unknown):
        at = unknown[0]
        raise ValueError(
            f"run {run[at]}, step {step[at] + 1}: the record does not say what it costs to train "
            f"to {flat['epochs'][at]:g} epochs, a duplicate that was free; charge it nothing "
            '(duplicates="free")'
        )
    asked = np.full(record.network.shape, np.nan)
    place = np.arange(len(run)) - np.searchsorted(run, run)
    asked[run, place] = cost
    start, finish = _schedule(asked, workers)
    done = np.argsort(finish, axis=1, kind="stable")  # NaN last

    def completed(values: Floats) -> Floats:
        found = np.full(asked.shape, np.nan)
        found[run, place] = values
        return np.take_along_axis(found, done, axis=1)

    return Account(
        cost=completed(cost),
        epochs=completed(epochs),
        start=np.take_along_axis(start, done, axis=1),
        finish=np.take_along_axis(finish, done, axis=1),
        answer=np.nan_to_num(completed(step[answer].astype(float)), nan=-1.0).astype(np.intp),
    )


def _groups(*keys: NDArray[Any]) -> Ints:
    """(n,) a number for each different combination of keys."""
    order = np.lexsort(keys)
    changes = np.zeros(len(order), dtype=np.intp)
    for key in keys:
        changes[1:] |= key[order][1:] != key[order][:-1]
    found = np.empty(len(order), dtype=np.intp)
    found[order] = np.cumsum(changes)
    return found


def _previous(group: Ints) -> Ints:
    """(n,) the place of the one before in the same group, -1 for the first."""
    order = np.argsort(group, kind="stable")
    same = group[order][1:] == group[order][:-1]
    found = np.full(len(group), -1, dtype=np.intp)
    found[order[1:][same]] = order[:-1][same]
    return found


def _reached(group: Ints, epochs: Floats) -> tuple[NDArray[np.bool_], Ints]:
    """Which ask for no more epochs than their group has had; and who last had more, or -1."""
    order = np.argsort(group, kind="stable")
    # Groups are lifted above one another, so that one running maximum serves all.
    lifted = epochs[order] + group[order] * (epochs.max(initial=0) + 1)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(lifted)[:-1]])
    again = np.empty(len(group), dtype=bool)
    again[order] = lifted <= before
    last = np.full(len(group), -1, dtype=np.intp)
    fresh = np.flatnonzero(~again)
    previous = _previous(group[fresh])
    last[fresh] = np.where(previous < 0, -1, fresh[previous])
    return again, last


def _from_epoch_zero(training: Ints, epochs: Floats, charged: Floats, free: bool) -> Floats:
    """(n,) seconds from epoch 0 to each query's epochs; NaN where nothing was paid for them."""
    seconds = charged.copy()
    if free:
        again, before = _reached(training, epochs)
    else:
        again = np.zeros(len(epochs), dtype=bool)
        before = _previous(training)
        before[epochs <= epochs[before]] = -1
    waiting = np.flatnonzero((before >= 0) & ~again)
    while len(waiting):
        # Those whose own beginning is known; a chain is as long as there are numbers of epochs.
        ready = ~np.isin(before[waiting], waiting)
        now = waiting[ready]
        seconds[now] += seconds[before[now]]
        waiting = waiting[~ready]
    if free:
        first = _first(training, epochs)
        seconds[again] = np.where(again[first], np.nan, seconds[first])[again]
    return seconds


def _first(group: Ints, epochs: Floats) -> Ints:
    """(n,) the first place in the same group at the same epochs."""
    _, first, inverse = np.unique(_groups(group, epochs), return_index=True, return_inverse=True)
    found: Ints = first[inverse]
    return found


def _charged(
    training: Ints, epochs: Floats, seconds: Floats, resume: bool
) -> tuple[Floats, Floats]:
    before = _previous(training)
    resumed = (before >= 0) & (epochs > epochs[before]) & resume
    return (
        seconds - np.where(resumed, seconds[before], 0.0),
        epochs - np.where(resumed, epochs[before], 0.0),
    )


def _free(
    network: Ints, training: Ints, epochs: Floats, seconds: Floats, resume: bool
) -> tuple[Floats, Floats, Ints]:
    again, before = _reached(network, epochs)
    resumed = (before >= 0) & resume
    same = training == training[before]
    part = np.where(same, seconds[before], seconds * epochs[before] / epochs)
    cost = np.where(again, 0.0, seconds - np.where(resumed, part, 0.0))
    added = np.where(again, 0.0, epochs - np.where(resumed, epochs[before], 0.0))
    answer = np.where(again, _first(network, epochs), np.arange(len(epochs)))
    return cost, added, answer


def _schedule(cost: Floats, workers: int) -> tuple[Floats, Floats]:
    """(runs, steps) start and finish of queries that go in order to the first free worker."""
    if workers == 1:
        finish = np.cumsum(cost, axis=1)
        start = np.concatenate([np.zeros((len(cost), 1)), finish[:, :-1]], axis=1)
        return np.where(np.isnan(cost), np.nan, start), finish
    free = np.zeros((len(cost), workers))
    runs = np.arange(len(cost))
    start, finish = np.full((2, *cost.shape), np.nan)
    for step in range(cost.shape[1]):
        worker = np.argmin(free, axis=1)
        start[:, step] = free[runs, worker]
        finish[:, step] = start[:, step] + cost[:, step]
        free[runs, worker] = finish[:, step]
    return np.where(np.isnan(cost), np.nan, start), finish
