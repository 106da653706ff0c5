"""Runs a strategy's lane form: all seeds of a unit in lockstep, one gather a step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...spaces.vectorized import LaneSpace, Numbers
from .._base.errors import InvalidProposal, RunFailed
from . import record
from .runner import Budget, Rules
from .task import TableTask
from .types import MEAN
from .vectorized import Floats, LaneProblem, LaneRandom, LaneStrategy

if TYPE_CHECKING:
    import pyarrow as pa

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def compute(
    task: TableTask,
    factory: Callable[..., LaneStrategy],
    settings: dict[str, Any],
    rules: Rules,
    seeds: range,
    about: dict[str, Any],
    *,
    label: str,
) -> pa.Table:
    """Run the seeds of a unit at once and return its record.

    Args:
        task: a table with one objective, whose space has lanes.
        factory: makes the strategy's vectorized form from a problem, random numbers, ``settings``.
        settings: the strategy's.
        rules: of one worker; repeats are charged.
        seeds: of the unit, without gaps.
        about: what the record says of itself.
        label: what errors call the strategy.

    Raises:
        RunFailed: if the strategy raises or proposes what cannot be answered; the message names
            strategy, task, seeds and step.
    """
    name = f"{rules.seed}/{task.id}/strategy"
    draws = LaneRandom(name, seeds.start, len(seeds))
    space: LaneSpace = task.lane_space
    table = LaneTable(task, rules, seeds)
    at = f"strategy {label!r} on {task.id}, seeds {seeds.start}-{seeds.stop - 1}"
    try:
        problem = LaneProblem(space, len(seeds))
        strategy = factory(problem, draws, **settings)
    except Exception as error:
        raise RunFailed(f"{at}, while it was made: {error!r}") from error
    try:
        steps = _run(strategy, table, draws, rules.budget)
    except Exception as error:
        raise RunFailed(f"{at}, after step {draws.step}: {error!r}") from error
    return _record(task, table, seeds, steps, about)


class _Answers(NamedTuple):
    """All that a table answers at full epochs: (rows * most trainings,), the recorded ones first.

    ``counts`` (rows,) is how many are recorded; ``losses`` has NaN for a failed training, ``told``
    has inf.
    """

    width: int
    counts: NDArray[np.uint64]
    replicas: NDArray[np.int16]
    losses: Floats
    told: Floats
    seconds: Floats


def _answers(task: TableTask, noise: str) -> _Answers:
    table = task.table
    recorded = ~np.isnan(table.columns["seconds"][:, -1, :])
    replicas = np.arange(table.replicas, dtype=np.int64)
    if noise == "mean":
        recorded, replicas = np.ones((table.rows, 1), bool), np.array([MEAN])
    order = (~recorded).argsort(axis=1, kind="stable")
    spread = np.take_along_axis(np.broadcast_to(replicas, recorded.shape), order, axis=1)
    rows = np.arange(table.rows, dtype=np.int64)[:, None]
    places = task.place(rows, np.array([len(table.epochs) - 1]), spread).ravel()
    losses = task.values("validation", places)
    return _Answers(
        recorded.shape[1],
        recorded.sum(axis=1).astype(np.uint64),
        spread.ravel().astype(np.int16),
        losses,
        np.where(np.isnan(losses), inf, losses),
        task.values("seconds", places),
    )


class LaneTable:
    """A task's table, gathered from for all lanes at once.

    Which training answers an architecture depends on the lane's seed and the table's row (and on
    the step, where duplicates are resampled): a repeat meets the same one, without a memory.
    """

    def __init__(self, task: TableTask, rules: Rules, seeds: range) -> None:
        table = task.table
        self.row_of = table.row_of
        # Kept for all units of a process, as `TableTask.sampled` is.
        kept: dict[str, _Answers] = task.__dict__.setdefault("_lane_answers", {})
        if rules.noise not in kept:
            kept[rules.noise] = _answers(task, rules.noise)
        self.answers = kept[rules.noise]
        self._resample = rules.duplicates == "resample"
        digest = hashlib.sha256(f"{rules.seed}/{task.id}/oracle".encode()).digest()
        self._lanes = _mix(
            np.frombuffer(digest[:8], "<u8") + np.arange(seeds.start, seeds.stop, dtype=np.uint64)
        )
        self._task_id = task.id
        self.lanes, self.epochs = len(seeds), table.epochs[-1]
        # Stands in for the question of a lane that has ended.
        self.any_spelling = int(np.argmax(self.row_of >= 0))

    def look_up(self, numbers: Numbers, step: int) -> Numbers:
        """(lanes,) where `answers` holds the answer to each.

        Raises:
            InvalidProposal: if a number is no spelling of the table.
        """
        if numbers.min(initial=0) < 0 or numbers.max(initial=0) >= len(self.row_of):
            raise InvalidProposal(f"{numbers} are not all spellings of {self._task_id}")
        rows = self.row_of.take(numbers).astype(np.int64)
        if rows.min(initial=0) < 0:
            wrong = numbers[rows < 0][0]
            raise InvalidProposal(f"the table of {self._task_id} holds no row for number {wrong}")
        if self.answers.width == 1:
            return rows
        key = rows.astype(np.uint64)
        if self._resample:
            key += np.uint64(len(self.row_of)) * np.uint64(step)
        key *= _GOLDEN
        key += self._lanes
        chance = _mix(key)
        chance >>= np.uint64(32)
        chance *= self.answers.counts.take(rows)
        chance >>= np.uint64(32)
        found: Numbers = rows * self.answers.width + chance.view(np.int64)
        return found


def _mix(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer (Steele, Lea & Flood, OOPSLA 2014), in place of ``key``."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
    return key ^ (key >> np.uint64(31))


def _run(
    strategy: LaneStrategy, table: LaneTable, draws: LaneRandom, budget: Budget
) -> tuple[list[Numbers], list[Numbers], list[float], NDArray[np.int64]]:
    """What was asked and where it was answered, (lanes,) a step; thinking; (lanes,) run lengths."""
    asked: list[Numbers] = []
    found: list[Numbers] = []
    thinking: list[float] = []
    epochs = table.epochs
    steps = min(budget.queries or inf, (budget.epochs or inf) // epochs)
    deadline, clock = budget.seconds, np.zeros(table.lanes)
    lengths = np.full(table.lanes, -1)
    now = perf_counter
    while draws.step < steps:
        begin = now()
        numbers = strategy.ask()
        thought = now() - begin
        ended = numbers < 0
        if ended.any():
            lengths[ended & (lengths < 0)] = draws.step
            numbers = np.where(ended, table.any_spelling, numbers)
        places = table.look_up(numbers, draws.step)
        if deadline is not None:
            clock += table.answers.seconds.take(places)
            lengths[(clock > deadline) & (lengths < 0)] = draws.step
        if lengths.min() >= 0:
            break
        begin = now()
        strategy.tell(table.answers.told.take(places))
        thinking.append((thought + now() - begin) / table.lanes)
        asked.append(numbers)
        found.append(places)
        draws.step += 1
    lengths[lengths < 0] = draws.step
    return asked, found, thinking, lengths


def _record(
    task: TableTask,
    table: LaneTable,
    seeds: range,
    steps: tuple[list[Numbers], list[Numbers], list[float], NDArray[np.int64]],
    about: dict[str, Any],
) -> pa.Table:
    asked, found, thinking, lengths = steps
    answers = table.answers
    count = len(asked)
    numbers, places = _by_lane(asked, len(seeds)), _by_lane(found, len(seeds))
    seconds: Floats = answers.seconds.take(places)
    finish = np.cumsum(seconds, axis=1)
    start = np.zeros_like(finish)
    start[:, 1:] = finish[:, :-1]
    thought = np.broadcast_to(np.array(thinking), (len(seeds), count))
    columns: list[NDArray[Any]] = [numbers, places, seconds, start, finish, thought]
    if (lengths < count).any():
        kept = np.arange(count) < lengths[:, None]
        columns = [values[kept] for values in columns]
    numbers, places, seconds, start, finish, thought = (c.reshape(-1) for c in columns)
    return record.assemble(
        task,
        seeds=np.repeat(np.arange(seeds.start, seeds.stop, dtype=np.int32), lengths),
        keys=numbers,
        answered=record.Answered(
            rows=places // answers.width,
            epochs=np.full(len(places), table.epochs, np.int32),
            replicas=answers.replicas.take(places),
            losses={"validation": answers.losses.take(places)},
        ),
        charged=seconds,
        start=start,
        finish=finish,
        thinking=thought,
        about=about | {"form": "lanes"},
    )


def _by_lane(steps: list[Numbers], lanes: int) -> Numbers:
    """(lanes, steps) from one array a step."""
    together = np.array(steps, np.int64).reshape(len(steps), lanes)
    return np.ascontiguousarray(together.T)
