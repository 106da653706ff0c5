"""The history of results: JSON lines in a file or a folder that many jobs may add to at once.

One line is one number: a task, strategy, metric and commit. In a folder each adding is a file of
its own, named by its content: two jobs never touch the same file, git merges them without a
conflict, and adding twice changes nothing. A single file is appended to under a lock; give it
``merge=union`` in ``.gitattributes``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ...bench._base import decoding
from ...bench._base.errors import StoreError
from ...bench.store.manifest import Manifest
from ...bench.store.store import write_text
from ..gate.gate import METRICS, Options, metric_values, units
from ..gate.gate_record import Record, Runs
from ..gate.speed import METRIC as SPEED_METRIC
from ..gate.speed import TASK as SPEED_TASK
from ..gate.speed import UNIT as SPEED_UNIT
from ..gate.speed import Speed

SCHEMA = 1
_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


@dataclass(frozen=True)
class Row:
    """One number of one commit; less is better.

    ``protocol`` is a hash of what must be the same for two numbers to be one series: budget,
    noise, seeds, data. ``fingerprint`` is one of the runs' bits.
    """

    commit: str
    time: str
    task: str
    strategy: str
    metric: str
    value: float
    deviation: float | None
    count: int
    unit: str
    protocol: str
    fingerprint: str = ""


class Key(NamedTuple):
    """What makes a series."""

    task: str
    strategy: str
    metric: str
    protocol: str


class Series(NamedTuple):
    """All rows of one task, strategy, metric and protocol, the oldest first."""

    key: Key
    rows: list[Row]


# From a record to rows.


def rows_of(record: Record, commit: str | None, time: str | None, options: Options) -> list[Row]:
    """What a results folder adds: each metric's mean over seeds, for every task and strategy.

    Time to target is there only where ``options`` name a target: one that is taken from the
    results would move with them.

    Raises:
        StoreError: if neither ``commit`` nor the manifest names one, or ``time`` is no time.
    """
    manifest = record.manifest
    commit = commit or (manifest.git.commit if manifest.git else None)
    if not commit:
        raise StoreError(
            f"{record.name} was not made in a git checkout: say which commit it stands for "
            "with --commit"
        )
    when = moment(time or manifest.created)
    return [
        row
        for (task, strategy), runs in record.runs.items()
        for row in _rows(manifest, runs, (commit, when, task, strategy), options)
    ]


def _rows(
    manifest: Manifest, runs: Runs, where: tuple[str, str, str, str], options: Options
) -> Iterator[Row]:
    task = where[2]
    facts, budget = manifest.tasks[task], manifest.experiment.budget
    seeds = sorted(runs.columns)
    found = metric_values(runs, runs, seeds, budget, options)
    named = {*options.target} & {task, "*"}
    for metric, (values, _) in found.items():
        value = float(values.mean())
        if isfinite(value) and (metric != "time" or named):
            yield Row(
                *where,
                metric=METRICS[metric],
                value=value,
                deviation=float(values.std(ddof=1)) if len(values) > 1 else None,
                count=len(values),
                unit=units(facts, budget)[metric],
                protocol=_protocol(manifest, task, seeds, metric, options),
                fingerprint=_hash(runs.fingerprints),
            )


def _protocol(
    manifest: Manifest, task: str, seeds: list[int], metric: str, options: Options
) -> str:
    told = decoding.plain(manifest.experiment.rules)
    del told["lanes"]  # vectorized runs come out the same
    told |= {"seeds": seeds, "data": manifest.tasks[task].hash, "column": options.column}
    if metric == "time":
        told["target"] = options.target.get(task, options.target.get("*"))
    return _hash(told)


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def rows_of_speed(speed: Speed, commit: str | None, time: str | None) -> list[Row]:
    """Return the rows that a file of benchmarks adds to a history, each one's median.

    Raises:
        StoreError: if neither ``commit`` nor the file names a commit, or there is no time.
    """
    commit = commit or speed.facts["commit"]
    when = time or speed.facts["time"]
    if not commit or not when:
        raise StoreError(f"{speed.name} names no commit or time: say them with --commit and --time")
    return [
        Row(
            commit,
            moment(when),
            SPEED_TASK,
            name,
            SPEED_METRIC,
            float(np.median(ratios)),
            float(ratios.std(ddof=1)) if len(ratios) > 1 else None,
            len(ratios),
            SPEED_UNIT,
            f"calibration {speed.calibration}",
        )
        for name, ratios in speed.ratios.items()
    ]


def moment(text: str) -> str:
    """A time in ISO 8601 as UTC, to the second.

    Raises:
        StoreError: if it is none.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f"time: expected ISO 8601 (2026-01-31T12:00:00Z), got {text!r}") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when.astimezone(UTC).isoformat(timespec="seconds")


# Writing.


def is_file(where: Path) -> bool:
    """Whether a history is one file: by its name where it does not exist yet."""
    return where.is_file() or (not where.is_dir() and where.suffix == ".jsonl")


def add(where: Path, rows: Sequence[Row]) -> Path:
    """Append ``rows``; returns the file they went to. What is there already is never changed.

    Raises:
        StoreError: if the history is damaged, has conflicts, is newer or cannot be written.
    """
    text = "".join(json.dumps({"schema": SCHEMA} | asdict(row)) + "\n" for row in rows)
    if is_file(where):
        return _append(where, text)
    load(where)
    name = f"{rows[0].commit[:12] if rows else 'none'}-{hashlib.sha256(text.encode()).hexdigest()}"
    path = where / f"{name[:40]}.jsonl"
    if not path.exists():
        write_text(path, text)
    return path


def _append(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            _lock(file)
            file.seek(0)
            there = file.read()
            list(_parse(path, there))
            if there and not there.endswith("\n"):
                raise StoreError(f"{path} is cut off in its last line; repair or remove that line")
            known = set(there.splitlines())
            file.writelines(f"{line}\n" for line in text.splitlines() if line not in known)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot add to {path}: {error}") from error
    return path


def _lock(file: IO[str]) -> None:
    """Wait until no other process adds; the lock ends with the file."""
    try:
        import fcntl
    except ImportError:
        raise StoreError("this system has no file locks: use a folder as history") from None
    fcntl.flock(file, fcntl.LOCK_EX)


# Reading.


def load(where: Path) -> list[Row]:
    """All rows, the oldest first, each once; none if there is no history yet.

    Raises:
        StoreError: naming file and line, if a line is no row, is left from a merge conflict, or
            was written by a newer version.
    """
    rows: dict[Row, None] = {}
    for path in [where] if is_file(where) else sorted(where.glob("*.jsonl")):
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        rows.update(dict.fromkeys(_parse(path, text)))
    return sorted(rows, key=lambda row: (row.time, row.commit))


def _parse(path: Path, text: str) -> Iterator[Row]:
    names = [field.name for field in fields(Row)]
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if line.startswith(_MARKERS):
            raise StoreError(
                f"{path}:{number}: a merge conflict that was not resolved; the lines of both "
                "sides belong in a history: delete the lines with markers only"
            )
        try:
            data = json.loads(line)
            schema = data["schema"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise StoreError(
                f"{path}:{number}: expected a row of a history, got {line[:60]!r}"
            ) from None
        if schema != SCHEMA:
            raise StoreError(
                f"{path}:{number}: has schema {schema}, this version reads {SCHEMA}; it was "
                "written by a newer nasarena: upgrade"
            )
        if missing := [name for name in names if name not in data]:
            raise StoreError(f"{path}:{number}: a row without {', '.join(missing)}")
        yield Row(**{name: data[name] for name in names})


def series(
    rows: Iterable[Row],
    tasks: Sequence[str] = ("*",),
    strategies: Sequence[str] = ("*",),
    metrics: Sequence[str] = ("*",),
) -> list[Series]:
    """The rows as series, those that fit the patterns only.

    A commit that was measured again under the same protocol has one row: the latest.
    """
    found: dict[Key, dict[str, Row]] = defaultdict(dict)
    wanted = (tasks, strategies, metrics)
    for row in rows:
        key = Key(row.task, row.strategy, row.metric, row.protocol)
        if all(any(fnmatchcase(n, p) for p in ps) for n, ps in zip(key, wanted, strict=False)):
            found[key].pop(row.commit, None)
            found[key][row.commit] = row
    return [Series(key, list(found[key].values())) for key in sorted(found)]
