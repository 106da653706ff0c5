"""From the steps of a unit's runs to columns, and the fingerprint of what must be bit-identical."""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._base.errors import RunFailed
from .contracts import Task, table_of
from .runner import Run
from .task import TableTask
from .types import Answer, Observation

if TYPE_CHECKING:
    import pyarrow as pa

Number = TypeVar("Number", np.int64, np.float64)

MEASURED = ("thinking",)
"""The columns that are measured, not computed: two equal runs may differ in them."""


def to_table(task: Task, runs: dict[int, Run], about: dict[str, Any]) -> pa.Table:
    """The columns of a unit from its runs (seed -> run), sorted by seed and step.

    ``about`` goes into the file's metadata, with the fingerprint.
    """
    answers = list(chain.from_iterable([run.answers for run in runs.values()]))
    seeds = np.repeat(np.array(list(runs), dtype=np.int32), [len(run) for run in runs.values()])
    thinking = chain.from_iterable([run.thinking for run in runs.values()])
    charged = _column(answers, "cost", np.float64)
    start, finish = _times(list(runs.values()), charged)
    times = {
        "start": start,
        "finish": finish,
        "thinking": np.fromiter(thinking, np.float64, len(answers)),
    }
    table = table_of(task)
    if table is None:
        asked = _observed(task, [answer.observation for answer in answers])
        return _columns(task, asked, seeds=seeds, charged=charged, about=about, **times)
    return assemble(
        table,
        seeds=seeds,
        keys=_column(answers, "key", np.int64),
        charged=charged,
        answered=answered(table, _column(answers, "place", np.int64)),
        **times,
        about=about,
    )


def _column(answers: list[Answer], field: str, kind: type[Number]) -> NDArray[Number]:
    """Return one field of each answer, (n,)."""
    get = itemgetter(Answer._fields.index(field))  # faster than by name
    return np.fromiter(map(get, answers), kind, len(answers))


def _times(
    runs: list[Run], charged: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when the queries of ``runs``, one after the other, started and finished, (n,) each.

    The same as `Run.start` and `Run.finish`, in arrays.
    """
    start, finish = np.zeros_like(charged), np.empty_like(charged)
    begin = 0
    for run in runs:
        end = begin + len(run)
        if run.times:
            start[begin:end], finish[begin:end] = run.times
        else:
            np.cumsum(charged[begin:end], out=finish[begin:end])
            start[begin + 1 : end] = finish[begin : end - 1]
        begin = end
    return start, finish


class Answered(NamedTuple):
    """What the table answered, (n,) each: ``losses`` by objective, NaN for a failed training."""

    rows: NDArray[np.int64]
    epochs: NDArray[np.int32]
    replicas: NDArray[np.int16]
    losses: dict[str, NDArray[np.float64]]


def answered(task: TableTask, places: NDArray[np.int64]) -> Answered:
    """Return what the table holds at these places (see `TableTask.place`)."""
    rows, epochs, replicas = task.places(places)
    known = np.array(task.problem.epochs, dtype=np.int32)
    losses = {name: task.values(name, places) for name in task.problem.objectives}
    return Answered(rows, known[epochs], replicas.astype(np.int16), losses)


class Asked(NamedTuple):
    """What was asked and answered, and the truth about it; (n,) each.

    ``choices`` (n, decisions) are the architectures, ``canonical`` the numbers of their canonical
    forms, ``losses`` by objective; ``truth`` the losses ``"validation"`` and ``"test"``.
    """

    choices: NDArray[np.int16]
    canonical: NDArray[np.int64]
    epochs: NDArray[np.int32]
    replicas: NDArray[np.int16]
    losses: dict[str, NDArray[np.float64]]
    truth: dict[str, NDArray[np.float64]]


def _observed(task: Task, seen: list[Observation]) -> Asked:
    """Return what the observations of any task say, with the truth that it reveals.

    Raises:
        RunFailed: if it reveals something else than one number a query.
    """
    space = task.space
    queries = [query for query, _, _ in seen]
    numbers = {arch: space.index(space.canonical(arch)) for arch in {q.arch for q in queries}}
    shape = len(queries), len(space.sizes)
    losses = np.array([one.losses for one in seen], np.float64)
    losses = losses.reshape(len(seen), len(task.problem.objectives))
    revealed = {"test": np.full(len(queries), np.nan), **task.reveal(queries)}
    if "validation" not in revealed:
        raise RunFailed(f"{task.id}: reveal: expected losses 'validation', got {[*revealed]}")
    truth = {name: np.asarray(revealed[name], np.float64) for name in ("validation", "test")}
    for name, values in truth.items():
        if values.shape != (len(queries),):
            raise RunFailed(
                f"{task.id}: reveal: expected {len(queries)} losses {name!r}, one a query, got an "
                f"array of shape {values.shape}"
            )
    return Asked(
        choices=np.array([query.arch for query in queries], np.int16).reshape(shape),
        canonical=np.array([numbers[query.arch] for query in queries], np.int64),
        epochs=np.array([query.epochs for query in queries], np.int32),
        replicas=np.array([query.replica for query in queries], np.int16),
        losses={name: losses[:, i] for i, name in enumerate(task.problem.objectives)},
        truth=truth,
    )


def assemble(
    task: TableTask,
    *,
    seeds: NDArray[np.int32],
    keys: NDArray[np.int64],
    answered: Answered,
    charged: NDArray[np.float64],
    start: NDArray[np.float64],
    finish: NDArray[np.float64],
    thinking: NDArray[np.float64],
    about: dict[str, Any],
) -> pa.Table:
    """The columns of a unit from what does not follow from the table, all (n,), sorted by seed.

    ``keys`` are the numbers of the spellings asked. Times are seconds on the simulated clock.
    """
    asked = Asked(
        choices=task.choices(keys),
        canonical=task.networks(keys),
        epochs=answered.epochs,
        replicas=answered.replicas,
        losses=answered.losses,
        truth=task.reveal_rows(answered.rows),
    )
    return _columns(
        task,
        asked,
        seeds=seeds,
        charged=charged,
        start=start,
        finish=finish,
        thinking=thinking,
        about=about,
    )


def _columns(
    task: Task,
    asked: Asked,
    *,
    seeds: NDArray[np.int32],
    charged: NDArray[np.float64],
    start: NDArray[np.float64],
    finish: NDArray[np.float64],
    thinking: NDArray[np.float64],
    about: dict[str, Any],
) -> pa.Table:
    """Return the columns of a unit, sorted by seed.

    ``validation`` and ``test`` are the seed-averaged truth as losses, revealed here and nowhere
    earlier.
    """
    import pyarrow as pa

    width = len(task.space.sizes)
    columns: dict[str, Any] = {
        "seed": seeds.astype(np.int32, copy=False),
        "step": _steps(seeds),
        "arch": pa.ListArray.from_arrays(
            np.arange(len(seeds) + 1, dtype=np.int32) * width, asked.choices.reshape(-1)
        ),
        # The number of the canonical spelling: all spellings of one network share it.
        "network": asked.canonical,
        "epochs": asked.epochs,
        "replica": asked.replicas,
    }
    for number, (name, losses) in enumerate(asked.losses.items()):
        columns["loss" if number == 0 else f"loss_{name}"] = losses
    columns |= asked.truth
    columns |= {"charged": charged, "start": start, "finish": finish, "thinking": thinking}
    return described(pa.table(columns), about)


def described(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    """``table`` with ``about`` and its fingerprint as metadata."""
    about = about | {"fingerprint": fingerprint(table)}
    return table.replace_schema_metadata({"nasarena": json.dumps(about, sort_keys=True)})


def _steps(seeds: NDArray[np.int32]) -> NDArray[np.int32]:
    """(n,) 1, 2, … within each run."""
    numbers = np.arange(len(seeds))
    first = np.concatenate([[True], seeds[1:] != seeds[:-1]])[: len(seeds)]
    begins = np.maximum.accumulate(np.where(first, numbers, 0))
    return (numbers - begins + 1).astype(np.int32)


def about(table: pa.Table) -> dict[str, Any]:
    """What a unit's file says of itself: task, strategy, settings, data hash, fingerprint."""
    found: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"nasarena", b"{}"))
    return found


def fingerprint(table: pa.Table) -> str:
    """A hash over every column but the measured ones: equal for bit-identical runs."""
    import pyarrow as pa

    digest = hashlib.sha256()
    for name in sorted(set(table.column_names) - set(MEASURED)):
        column = table[name].combine_chunks()
        flat = column.flatten() if pa.types.is_list(column.type) else column
        values = flat.to_numpy(zero_copy_only=False)
        digest.update(f"{name}:{values.dtype}:{len(values)}/{len(column)}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:16]
