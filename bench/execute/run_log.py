"""What a run did, beside its results: ``RESULTS/log/<time>-<host>-<process>.jsonl``.

One JSON object a line, appended in one write: two runs have two files, and a killed one leaves at
most half a last line, which readers skip. A file that grows beyond `LIMIT` is moved to
``….1.jsonl`` and begun anew, with the totals so far; of runs the last `KEEP` are kept. Nothing
depends on a log: where it cannot be written, the run goes on without.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from ..store.store import Unit
from . import heartbeat
from .units import Done

FOLDER = "log"
LIMIT = 8 << 20
"""Bytes of one file; a run has two at most."""
KEEP = 20
"""Runs whose logs are kept."""
ERROR = 500
"""Characters of an error at most; the whole traceback is under ``errors/``."""


class RunLog:
    """Writes one run's log."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.path = self._root / FOLDER / f"{stamp}-{heartbeat.this_process()}.jsonl"
        self._file: int | None = None
        self._size = 0
        self._head: dict[str, Any] = {}
        self._totals = {
            "finished": 0,
            "failed": 0,
            "queries": 0,
            "seconds": 0.0,
            "cpu_seconds": 0.0,
        }

    def following(self, outcomes: Iterable[Done]) -> Generator[Done, None, None]:
        """Hand on each of ``outcomes``, noted, and in the end how the run ended."""
        try:
            for done in outcomes:
                self.finished(done)
                yield done
        except GeneratorExit:  # something else ended the run, Ctrl-C say
            self._end("stopped")
            raise
        except BaseException as error:
            self._end(type(error).__name__, str(error))
            raise
        self._end("done")

    def _end(self, outcome: str, error: str = "") -> None:
        facts = {"outcome": outcome} | ({"error": error[:ERROR]} if error else {})
        self._tell("run-ended", **facts, **self._totals)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def started(self, units: Iterable[Unit], width: int | None) -> None:
        """A run of these units begins, so many at a time (None: not known)."""
        planned: dict[str, dict[str, list[list[int]]]] = {}
        for unit in units:
            blocks = planned.setdefault(unit.task, {}).setdefault(unit.label, [])
            blocks.append([unit.first, unit.last])
        if not planned:
            return
        self._head = {
            "began": time.time(),
            "host": heartbeat.host(),
            "process": os.getpid(),
            "born": heartbeat.born(os.getpid()),
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:ERROR],
            "version": metadata.version("nasarena"),
            "width": width,
            "planned": planned,
        }
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._file = _open(self.path)
        except OSError:
            return
        _keep_few(self.path.parent)
        heartbeat.sweep(self._root)
        self._tell("run-started", **self._head)

    def finished(self, done: Done) -> None:
        """A unit ended, as ``done`` says."""
        failed = done.error is not None
        facts: dict[str, Any] = {
            "unit": list(done.unit),
            "started": done.started,
            "seconds": round(done.seconds, 6),
            "cpu_seconds": round(done.cpu_seconds, 6),
            "queries": done.queries,
            "queries_a_second": round(done.queries / done.seconds, 3) if done.seconds else None,
            "peak_memory": done.peak_memory,
            "worker": done.worker,
        }
        if failed:
            facts |= {"error": str(done.error)[:ERROR], "seed": done.seed}
        self._tell("unit-failed" if failed else "unit-finished", **facts)
        self._totals["failed" if failed else "finished"] += 1
        self._totals["queries"] += done.queries
        self._totals["seconds"] += done.seconds
        self._totals["cpu_seconds"] += done.cpu_seconds

    def _tell(self, event: str, **facts: Any) -> None:
        if self._file is None:
            return
        line = json.dumps({"time": time.time(), "event": event, **facts}, ensure_ascii=False)
        data = line.encode("utf-8", "replace") + b"\n"
        try:
            if self._size and self._size + len(data) > LIMIT:
                self._begin_anew()
            self._size += os.write(self._file, data)
        except OSError:  # a full disk, say: the run matters more
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None

    def _begin_anew(self) -> None:
        assert self._file is not None
        os.close(self._file)
        self.path.replace(self.path.with_suffix(".1.jsonl"))
        self._file, self._size = _open(self.path), 0
        self._tell("run-continued", **self._head, **self._totals)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def _keep_few(folder: Path) -> None:
    stems = sorted({path.name.split(".jsonl")[0].removesuffix(".1") for path in _files(folder)})
    for stem in stems[:-KEEP]:
        for name in (f"{stem}.jsonl", f"{stem}.1.jsonl"):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("*.jsonl"))


# Reading.


def runs(root: Path) -> list[Path]:
    """The logs of a results folder's runs, the oldest first."""
    return sorted(p for p in _files(root / FOLDER) if not p.name.endswith(".1.jsonl"))


def events(path: Path) -> Iterator[dict[str, Any]]:
    """What a run's log says, in order, with what was moved aside; bad lines are skipped."""
    for part in (path.with_suffix(".1.jsonl"), path):
        yield from Tail(part).new()


class Tail:
    """Reads a log that grows: each time what is new in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._place = -1, 0

    def new(self) -> Iterator[dict[str, Any]]:
        """What was written since the last time. Half a last line waits for its end."""
        try:
            with self._path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self._inode:
                    yield from self._rest()
                    self._inode, self._place = inode, 0
                yield from self._read(file)
        except OSError:
            return

    def _rest(self) -> Iterator[dict[str, Any]]:
        """What was still written to a file that was moved aside since."""
        try:
            with self._path.with_suffix(".1.jsonl").open("rb") as file:
                if os.fstat(file.fileno()).st_ino == self._inode:
                    yield from self._read(file)
        except OSError:
            return

    def _read(self, file: BinaryIO) -> Iterator[dict[str, Any]]:
        file.seek(self._place)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.splitlines():
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict) and "event" in said:
                yield said
