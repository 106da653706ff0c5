"""From the steps of a unit's runs to columns, and the fingerprint of what must be bit-identical."""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner import Run
from .task import Task

if TYPE_CHECKING:
    import pyarrow as pa

MEASURED = ("thinking",)
"""The columns that are measured, not computed: two equal runs may differ in them."""


def to_table(task: Task, runs: dict[int, Run], about: dict[str, Any]) -> pa.Table:
    """The columns of a unit from its runs (seed -> run), sorted by seed and step.

    Times are seconds on the simulated clock. ``validation`` and ``test`` are the seed-averaged
    truth as losses, revealed here and nowhere earlier. ``about`` goes into the file's metadata,
    with the fingerprint.
    """
    import pyarrow as pa

    answers = list(chain.from_iterable(run.answers for run in runs.values()))
    places = np.array([answer.place for answer in answers], dtype=np.int64)
    _, epochs, replicas = task.places(places)
    keys = np.array([answer.key for answer in answers], dtype=np.int64)
    width = len(task.space.sizes)
    lengths = [len(run) for run in runs.values()]
    columns: dict[str, Any] = {
        "seed": np.repeat(np.array(list(runs), dtype=np.int32), lengths),
        "step": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
        "arch": pa.ListArray.from_arrays(
            np.arange(len(answers) + 1, dtype=np.int32) * width, task.space.archs(keys).reshape(-1)
        ),
        # The number of the canonical spelling: all spellings of one network share it.
        "network": task.networks(keys),
        "epochs": np.array(task.problem.epochs, dtype=np.int32)[epochs],
        "replica": replicas.astype(np.int16),
    }
    for number, name in enumerate(task.objectives):
        columns["loss" if number == 0 else f"loss_{name}"] = task.values(name, places)
    columns |= task.reveal(places)
    columns["charged"] = np.array([answer.cost for answer in answers], dtype=np.float64)
    for name in ("start", "finish", "thinking"):
        values = [getattr(run, name) for run in runs.values()]
        columns[name] = np.array(list(chain.from_iterable(values)), dtype=np.float64)
    table = pa.table(columns)
    about = about | {"fingerprint": fingerprint(table)}
    return table.replace_schema_metadata({"nasarena": json.dumps(about, sort_keys=True)})


def about(table: pa.Table) -> dict[str, Any]:
    """What a unit's file says of itself: task, strategy, settings, data hash, fingerprint."""
    found: dict[str, Any] = json.loads((table.schema.metadata or {}).get(b"nasarena", b"{}"))
    return found


def fingerprint(table: pa.Table) -> str:
    """A hash over every column but the measured ones: equal for bit-identical runs."""
    digest = hashlib.sha256()
    for name in sorted(set(table.column_names) - set(MEASURED)):
        column = table[name].combine_chunks()
        values = (column.flatten() if name == "arch" else column).to_numpy(zero_copy_only=False)
        digest.update(f"{name}:{values.dtype}:{len(values)}/{len(column)}\n".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]
