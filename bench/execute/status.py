"""Where a results folder stands: what is done, failed, running, missing, how fast, how long yet.

Everything is read, nothing written: a folder may be asked about while a run fills it. Files say
what is done; the run's log and its workers' status files say the rest, where there are any.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..experiment.experiment import Experiment
from ..store import manifest as manifests
from ..store import store
from ..store.store import Unit
from . import heartbeat, run_log
from .heartbeat import Under
from .run_log import Tail
from .time_left import Costs
from .units import block_size

ERRORS = 5
"""The last errors that are told."""


@dataclass
class Pair:
    """A task and strategy: its units, and of ``seeds`` runs those that are ``seeds_done``."""

    task: str
    strategy: str
    done: int = 0
    failed: int = 0
    running: int = 0
    missing: int = 0
    seeds_done: int = 0
    seeds: int = 0


@dataclass
class Run:
    """What the log says of the last run.

    ``outcome`` is "running", "done", "killed", "unknown" (its process is on another machine and
    has said nothing of its end), or what ended it. Times are seconds since 1970; ``seconds`` and
    ``cpu_seconds`` are those of its units, ``elapsed`` from its beginning until now or its end.
    ``left`` is in seconds: None where there is nothing to judge by yet, or nothing to wait for.
    """

    outcome: str
    host: str
    process: int
    command: str
    began: float
    elapsed: float
    units: int
    ended: int
    failed: int
    queries: int
    seconds: float
    cpu_seconds: float
    units_a_minute: float
    queries_a_second: float
    peak_memory: int
    left: float | None = None


@dataclass
class Status:
    """A results folder at one moment. ``run`` is None where there is no log."""

    results: str
    name: str
    pairs: list[Pair]
    run: Run | None = None
    under_way: list[Under] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def total(self, what: str) -> int:
        """The sum of a field over all pairs."""
        return sum(getattr(pair, what) for pair in self.pairs)

    def to_json(self) -> dict[str, Any]:
        """Plain values, totals first."""
        names = ("done", "failed", "running", "missing", "seeds_done", "seeds")
        under = [{**one._asdict(), "unit": one.unit._asdict()} for one in self.under_way]
        return {
            "time": time.time(),
            "results": self.results,
            "name": self.name,
            "units": {name: self.total(name) for name in names},
            "run": asdict(self.run) if self.run else None,
            "running": under,
            "errors": self.errors,
            "pairs": [asdict(pair) for pair in self.pairs],
        }


class Watcher:
    """Asks again and again; of a log only what is new is read."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)
        self._path: Path | None = None

    def look(self) -> Status:
        """How things are now.

        Raises:
            StoreError: if it is no results folder.
        """
        manifest = manifests.read(self._root)
        log = self._log()
        under = heartbeat.under_way(self._root)
        run = log.run(under) if log is not None else None
        if run is None or run.outcome not in ("running", "unknown"):
            # Of another machine's process nobody can say that it is dead: the run's end says so.
            under = [u for u in under if heartbeat.alive(u.host, u.process) is not None]
        pairs = _pairs(self._root, manifest.experiment, under)
        errors = list(log.errors) if log is not None else []
        return Status(str(self._root), manifest.name, pairs, run, under, errors)

    def _log(self) -> _Log | None:
        paths = run_log.runs(self._root)
        if not paths:
            return None
        if paths[-1] != self._path:
            self._path = paths[-1]
            self._read = _Log(self._path)
        self._read.update()
        return self._read


class _Log:
    """What one run's log has said so far."""

    def __init__(self, path: Path) -> None:
        self._aside = path.with_suffix(".1.jsonl")
        self._tail = Tail(path)
        self._started = False
        self._head: dict[str, Any] = {}
        self._planned: list[Unit] = []
        self._ended: dict[str, Any] | None = None
        self._totals: Counter[str] = Counter()
        self._spent = {"seconds": 0.0, "cpu_seconds": 0.0}
        self._last = 0.0
        self._peak = 0
        self._left_over: dict[Unit, None] = {}
        self._costs = Costs()
        self.errors: list[dict[str, Any]] = []

    def update(self) -> None:
        if not self._started:
            for event in Tail(self._aside).new():
                self._hear(event)
            self._started = True
        for event in self._tail.new():
            self._hear(event)

    def _hear(self, event: dict[str, Any]) -> None:
        try:
            self._last = max(self._last, float(event["time"]))
            kind = event["event"]
            if kind in ("run-started", "run-continued"):
                self._begin(event)
            elif kind in ("unit-finished", "unit-failed"):
                self._unit(event, failed=kind == "unit-failed")
            elif kind == "run-ended":
                self._ended = event
        except (KeyError, TypeError, ValueError):
            return  # written by another version

    def _begin(self, event: dict[str, Any]) -> None:
        if event["event"] == "run-continued":
            for name in ("finished", "failed", "queries"):
                self._totals[name] = int(event[name])
            self._spent = {name: float(event[name]) for name in self._spent}
        if self._head:
            return
        self._head = event
        planned = event["planned"]
        self._planned = [
            Unit(task, label, first, last)
            for task, labels in planned.items()
            for label, blocks in labels.items()
            for first, last in blocks
        ]
        self._left_over = dict.fromkeys(self._planned)

    def _unit(self, event: dict[str, Any], *, failed: bool) -> None:
        unit = Unit(*event["unit"])
        self._totals["failed" if failed else "finished"] += 1
        self._totals["queries"] += event["queries"]
        self._spent["seconds"] += event["seconds"]
        self._spent["cpu_seconds"] += event["cpu_seconds"]
        self._peak = max(self._peak, event["peak_memory"])
        self._left_over.pop(unit, None)
        if failed:
            self._costs.failed(unit, event["seconds"])
        else:
            self._costs.ended(unit, event["seconds"])
        if failed:
            said = {"unit": unit._asdict(), "time": event["time"], "error": event["error"]}
            self.errors = [*self.errors, said][-ERRORS:]

    def run(self, under: Iterable[Under]) -> Run | None:
        if not self._head:
            return None
        outcome = self._outcome()
        until = time.time() if outcome in ("running", "unknown") else self._last
        elapsed = max(until - float(self._head["began"]), 1e-9)
        ended = self._totals["finished"] + self._totals["failed"]
        return Run(
            outcome=outcome,
            host=str(self._head["host"]),
            process=int(self._head["process"]),
            command=str(self._head.get("command", "")),
            began=float(self._head["began"]),
            elapsed=elapsed,
            units=len(self._planned),
            ended=ended,
            failed=self._totals["failed"],
            queries=self._totals["queries"],
            seconds=self._spent["seconds"],
            cpu_seconds=self._spent["cpu_seconds"],
            units_a_minute=60 * ended / elapsed,
            queries_a_second=self._totals["queries"] / elapsed,
            peak_memory=self._peak,
            left=self._left(under) if outcome == "running" else None,
        )

    def _left(self, under: Iterable[Under]) -> float | None:
        """Seconds until all units have ended, as `time_left.TimeLeft` judges, but for one thing:
        what the run under way of a unit has taken already is not waited for again."""
        begun: dict[Unit, float] = {}
        for one in under:
            seeds, seconds = one.progress.get("seeds", 0), one.progress.get("seconds", 0.0)
            if seeds:
                self._costs.saw(one.unit, seeds, seconds)
            begun[one.unit] = max(0.0, time.time() - one.since - seconds)
        if not self._left_over:
            return 0.0
        expected = []
        for unit in self._left_over:
            seed = self._costs.of(unit.task, unit.label)
            whole = self._costs.of_unit(unit)
            if seed is not None and whole is not None:
                expected.append(whole - min(begun.get(unit, 0.0), seed))
        if not expected:
            return None
        return max(sum(expected) / (self._head.get("width") or 1), *expected)

    def _outcome(self) -> str:
        if self._ended is not None:
            return str(self._ended.get("outcome", "done"))
        head = self._head
        lives = heartbeat.alive(str(head["host"]), int(head["process"]), head.get("born"))
        return {True: "running", False: "killed", None: "unknown"}[lives]


def _pairs(root: Path, experiment: Experiment, under: Iterable[Under]) -> list[Pair]:
    """What is there of each task and strategy, by the files."""
    busy = Counter(one.unit[:2] for one in under)
    found = []
    for task in experiment.tasks:
        for spec in experiment.strategies:
            pair = _pair(root, task, spec.label, experiment.seeds, experiment.lanes)
            pair.running = busy[task, spec.label]
            pair.missing = max(0, pair.missing - pair.failed - pair.running)
            found.append(pair)
    return found


def _pair(root: Path, task: str, label: str, seeds: int, lanes: bool) -> Pair:
    """One pair; ``missing`` counts all units that have no file."""
    blocks, failed = store.unit_files(root, task, label), store.error_files(root, task, label)
    last = max([seeds - 1, *(last for _, last in [*blocks, *failed])])
    lacking = list(store.gaps(blocks, last + 1))
    size = block_size(seeds, lanes)
    # Units by number; a gap takes part in all that it touches, and two may touch one.
    units = [
        (first // size, min(end, seeds - 1) // size) for first, end in lacking if first < seeds
    ]
    touched = sum(end - begin + 1 for begin, end in units)
    touched -= sum(one[1] == other[0] for one, other in pairwise(units))
    return Pair(
        task,
        label,
        done=len(blocks),
        failed=sum(
            any(first <= end and begin <= last for begin, end in lacking) for first, last in failed
        ),
        missing=touched,
        seeds_done=last + 1 - sum(end - begin + 1 for begin, end in lacking),
        seeds=seeds,
    )
