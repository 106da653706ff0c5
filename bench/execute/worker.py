"""The process that runs units for `processes`: started by `processes.Worker`, told by a socket.

It has a session of its own, so that Ctrl-C does not reach it and so that it can be killed with all
that its units started. It ends when the process that started it does, however that ended.
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import json
import mmap
import os
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, NoReturn

from .._base.errors import StoreError
from .._base.usage import memory
from .containment import memory_limit
from .units import Job, Watch, run_unit

HOARD = 1024.0
"""A worker whose own memory grew by more MiB than this, or than half of what a unit may take, is
replaced: its units leak."""

_SUBREAPER = 36
_SET_SIGNAL = 10
_BOARD = struct.Struct("=qqddd")
BOARD_SIZE = _BOARD.size


class Standing(NamedTuple):
    """Where a worker is in its unit: the seed under way (-1: none or many), how many of the
    unit's seeds are finished and what they took together in seconds, since when (s, monotonic) and
    how long at most (s) the present run goes; outside runs ``limit`` is 0.

    A strategy's first run in a process, which may wait for imports, does not count as a seed.
    """

    seed: int = -1
    seeds: int = 0
    seconds: float = 0.0
    since: float = 0.0
    limit: float = 0.0


class Board:
    """A few numbers in memory that a worker and its parent share: read at any time, without a word
    from a worker that may hang, and written without the cost of a message."""

    def __init__(self, file: int) -> None:
        self._memory = mmap.mmap(file, BOARD_SIZE)

    def write(self, standing: Standing) -> None:
        _BOARD.pack_into(self._memory, 0, *standing)

    def read(self) -> Standing:
        return Standing(*_BOARD.unpack_from(self._memory, 0))

    def close(self) -> None:
        self._memory.close()


class _BoardWatch(Watch):
    """Writes on the board where a unit is."""

    def __init__(self, board: Board, known: bool) -> None:
        super().__init__(self._count)
        self._board = board
        self._seeds, self._seconds = 0, 0.0
        self._process = os.getpid()
        self._known = known
        self._write(0.0)

    def _count(self, seconds: float) -> None:
        self._seeds += self._known
        self._seconds += seconds * self._known
        self._known = True

    def _write(self, limit: float) -> None:
        seed = -1 if self.seed is None else self.seed
        self._board.write(Standing(seed, self._seeds, self._seconds, monotonic(), limit))

    @contextmanager
    def run(self, seeds: range, timeout: float) -> Iterator[None]:
        self.seed = seeds.start if len(seeds) == 1 else None
        self._write(timeout)
        try:
            with super().run(seeds, timeout):
                yield
        finally:
            if os.getpid() != self._process:
                os._exit(1)  # a unit forked, and this is the copy
        self._write(0.0)


def main(socket: int, lifeline: int, board: int, name: str) -> None:
    """Run units until the socket is closed."""
    for file in (socket, lifeline, board):
        os.set_inheritable(file, False)
    _end_with(lifeline)
    _no_core_files()
    # Also what a unit printed before its process died is to be seen.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    if sys.platform == "linux":
        # Whatever a unit starts and orphans becomes a child of this process, so it is seen.
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    parent = Connection(socket)
    os.register_at_fork(after_in_child=parent.close)
    _import_early()
    parent.send_bytes(b'"ready"')
    own = memory("RssAnon")
    shared = Board(board)
    while True:
        try:
            job = parent.recv()
        except EOFError:
            _leave()
        answer = _answer(job, shared, name)
        answer["retire"] = _spent(own, job.experiment.memory / 2 or HOARD)
        _flush()
        parent.send_bytes(json.dumps(answer).encode())


def _leave() -> NoReturn:
    """End, without taking the interpreter down piece by piece: the caller waits for it."""
    atexit._run_exitfuncs()
    _flush()
    os._exit(0)


def _answer(job: Job, board: Board, name: str) -> dict[str, Any]:
    watch = _BoardWatch(board, known=job.spec.name in _known)
    _known.add(job.spec.name)
    try:
        with memory_limit(job.experiment.memory):
            return {"done": run_unit(job, watch, name)[1:]}
    except StoreError as error:
        return {"store": str(error)}


def _import_early() -> None:
    """What every unit needs is imported before the first one is at hand."""
    import pyarrow.parquet  # noqa: F401

    from ..core import oracle  # noqa: F401


def _end_with(lifeline: int) -> None:
    """End this process and its children when the other end of a pipe is closed, which the parent
    holds and never writes to."""

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    # It also takes the signals that a unit blocks: without it, such a unit would hang untraced.
    threading.Thread(target=wait, daemon=True).start()
    if sys.platform == "linux":
        import fcntl

        # By the kernel, also where the thread has to wait for C code that keeps the lock.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, _SET_SIGNAL, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)


def _no_core_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_known: set[str] = set()
_THREADS = 2
"""The main thread and the one that waits for the parent's end."""


def _spent(own: int, most: float) -> str:
    """Why this process should run no further unit; empty if it may."""
    if _end_children():
        return "its unit left processes behind"
    if threading.active_count() > _THREADS:
        return "its unit left threads behind"
    if memory("RssAnon") > own + most * 2**20:
        return "its units kept memory"
    return ""


def _end_children() -> bool:
    """Whether units left processes behind; they are ended."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    for process in descendants(os.getpid()):
        end(process)
    return True


def descendants(ancestor: int) -> list[int]:
    """The processes that descend from ``ancestor``, as far as /proc tells: nearest first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name in parentheses may hold anything; the parent comes two words after it.
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(words[1]), []).append(int(folder.name))
    found = list(children.get(ancestor, ()))
    for process in found:
        found += children.get(process, ())
    return found


def end(process: int) -> None:
    """Kill a process, if it is there and ours."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def _flush() -> None:
    """What was printed is out before the unit's end is told."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):  # it is closed, or nobody reads it
            stream.flush()
    ctypes.CDLL(None).fflush(None)
