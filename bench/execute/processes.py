"""Local processes as an executor: each unit is contained, the guilty are found, the lost replaced.

Why not a pool of the standard library: there, a process that dies breaks the pool, and one that
hangs cannot be ended alone.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection, wait
from time import monotonic, time
from typing import Any

from .._base.errors import StoreError, WorkerError
from ..store.store import Unit
from . import worker as child
from .containment import TAIL, in_words
from .plan import Plan
from .units import Done, Job

START = 120.0
"""Seconds that a process may take to start, and a unit to open its table and write its file."""

GRACE = 1.0
"""Seconds after a time-out until a process that did not notice it is ended; see `Worker.deadline`.
"""

_BEAT = 0.25
"""How often, in seconds, workers are looked at that say nothing."""

_numbers = itertools.count(1)


class Worker:
    """A process that runs one unit at a time. Its output is kept, bounded, for error messages.

    Attributes:
        ready: whether it has started.
        job: what it runs now.
        lost: why it ended, if it did so by itself.
        retired: whether it should run no further unit.
    """

    def __init__(self) -> None:
        self.name = f"local-{next(_numbers)}"
        self.ready, self.retired = False, False
        self.job: Job | None = None
        self.lost: str | None = None
        self._last = child.Standing()
        self._begin = monotonic()
        self._printed = bytearray()
        ours, theirs = socket.socketpair()
        held, self._lifeline = os.pipe()
        try:
            with theirs, tempfile.TemporaryFile() as board:
                board.truncate(child.BOARD_SIZE)
                self._board = child.Board(board.fileno())
                self._process = self._start(theirs.fileno(), held, board.fileno())
        except BaseException:
            ours.close()
            os.close(self._lifeline)
            raise
        finally:
            os.close(held)
        self._socket = Connection(ours.detach())
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)

    def _start(self, *files: int) -> subprocess.Popen[bytes]:
        """Spawned, not forked: a fork copies the locks of whatever threads the caller runs.

        Not by multiprocessing, which runs the caller's main module once more in each process.
        """
        call = f"import sys; sys.path[:] = {sys.path!r}; from {child.__name__} import main; "
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        return subprocess.Popen(
            [sys.executable, *flags, "-c", f"{call}main(*{files!r}, {self.name!r})"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=files,
            start_new_session=True,
        )

    @property
    def files(self) -> tuple[Any, int]:
        """What there may be something to read from."""
        return self._socket, self._output

    @property
    def ended(self) -> bool:
        """Whether its process is gone and everything that belonged to it is closed."""
        return self._process.returncode is not None

    @property
    def printed(self) -> str:
        """The end of what it printed during its unit."""
        return in_words(self._printed)

    @property
    def standing(self) -> child.Standing:
        """Where its unit is, or was when the process ended."""
        if not self.ended:
            self._last = self._board.read()
        return self._last

    def give(self, job: Job) -> None:
        """Let it run a unit."""
        self.job, self._begin = job, monotonic()
        self._printed.clear()
        self._board.write(child.Standing())
        try:
            self._socket.send(job)
        except OSError:
            self.lost = self._how_it_ended()

    def hear(self) -> Done | None:
        """What became of its unit, if it says so. Sets ``ready``, or ``lost`` to why it ended.

        Raises:
            StoreError: if it could not write the unit's file.
        """
        self._listen()
        try:
            if self._socket.poll():
                return self._take(json.loads(self._socket.recv_bytes()))
        except (EOFError, OSError, ValueError):
            self.lost = self._how_it_ended()
        if self.lost is None and self._ended():
            self.lost = self._how_it_ended()
        return None

    def _take(self, said: Any) -> Done | None:
        if said == "ready":
            self.ready = True
            return None
        if "store" in said:
            raise StoreError(said["store"])
        assert self.job is not None
        self._listen()
        done = Done(self.job.unit, *said["done"])._replace(output=in_words(self._printed))
        self.job, self.retired = None, bool(said["retire"])
        return done

    def _listen(self) -> None:
        """Read what it printed: it is never held up by a full pipe."""
        while True:
            try:
                data = os.read(self._output, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                return
            self._printed += data
            if len(self._printed) > 2 * TAIL:
                del self._printed[:-TAIL]

    def _ended(self) -> bool:
        """Whether it has ended; it is not reaped yet, so that its number stays taken."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self._process.pid, options) is not None
        except ChildProcessError:  # the caller's program ignores SIGCHLD
            return True

    def _how_it_ended(self) -> str:
        self.end()
        code = self._process.returncode
        if code >= 0:
            return f"its process died with exit code {code}"
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"its process died by signal {-code}, {signal.strsignal(-code)}{hint}"

    def deadline(self) -> float:
        """When (monotonic) it has to have said something or it hangs.

        A run's own time-out, which interrupts Python code, comes first.
        """
        since, limit = self._begin, START
        if self.ready and (now := self.standing).since > self._begin:
            since = now.since
            limit = now.limit + GRACE + min(now.limit / 10, 10) if now.limit else START
        return since + limit

    def stop_hanging(self) -> None:
        """End it; its fault handler is asked first to print where it hangs."""
        os.kill(self._process.pid, signal.SIGABRT)
        until = monotonic() + 0.5
        while not self._ended() and (left := until - monotonic()) > 0:
            wait([self._output], left)
            self._listen()
        self.end()

    def failed(self, why: str) -> Done:
        """Its unit as failed, with what is known of it from outside."""
        assert self.job is not None
        seed = self.standing.seed
        job, unit = self.job, self.job.unit
        where = f"seed {seed}" if seed >= 0 else f"seeds {unit.first}-{unit.last}"
        printed = self.printed
        took = monotonic() - self._begin
        return Done(
            unit,
            error=f"strategy {job.spec.label!r} on {unit.task}, {where}: {why}",
            traceback=f"{why}\n{printed}",
            seconds=took,
            started=time() - took,
            worker=self.name,
            seed=seed if seed >= 0 else None,
            output=printed,
        )

    def dismiss(self) -> None:
        """Let it end by itself, in order; `end` follows."""
        self._socket.close()

    def end(self, within: float = 0.0) -> None:
        """End it and all that it started, after it had time to end by itself; may be repeated."""
        if self.ended:
            return
        until = monotonic() + within
        while within and not self._ended() and (left := until - monotonic()) > 0:
            wait([self._output], min(left, 0.01))
            self._listen()
        _ = self.standing
        for process in child.descendants(self._process.pid):
            child.end(process)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listen()
        self._socket.close()
        os.close(self._lifeline)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._output = -1
        self._board.close()


class LocalProcesses:
    """Units in processes of this machine, ``width`` at a time.

    ``saw`` is told of a unit under way how many of its seeds are finished, not counting a
    strategy's first in a process, and what these took together in seconds. With ``keep`` the
    processes stay for the next `run`, until this process ends.
    """

    def __init__(
        self,
        processes: int,
        *,
        saw: Callable[[Unit, int, float], None] = lambda unit, seeds, seconds: None,
        keep: bool = False,
    ) -> None:
        self.width = processes
        self._saw = saw
        self._keep = keep
        self._crew: list[Worker] = []

    @property
    def waits(self) -> bool:
        """Whether processes are there that wait for the next `run`."""
        return bool(self._crew)

    def run(self, jobs: list[Job], /) -> Generator[Done, None, None]:
        lost: list[Job] = []
        whole = False
        try:
            yield from self._work(Plan(jobs), lost, self.width)
            # By itself in a process of its own: whoever dies again is guilty.
            for job in lost:
                self._dismiss()
                yield from self._work(Plan([job]), None, 1)
            if not self._keep:
                self._dismiss()
            whole = True
        finally:
            if not whole:
                self._end()

    def _work(self, plan: Plan, lost: list[Job] | None, width: int) -> Iterator[Done]:
        """Run what ``plan`` holds. A unit whose process dies comes into ``lost``, or has failed."""
        while plan or any(worker.job for worker in self._crew):
            self._hand_out(plan, width)
            wait([file for worker in self._crew for file in worker.files], _BEAT)
            ended = [self._ask(worker, plan, lost) for worker in list(self._crew)]
            self._hand_out(plan, width)  # before whoever waits for what has ended takes his time
            yield from filter(None, ended)

    def _hand_out(self, plan: Plan, width: int) -> None:
        busy = sum(worker.job is not None for worker in self._crew)
        while plan and len(self._crew) < min(width, len(plan) + busy):
            try:
                self._crew.append(Worker())
            except OSError:  # out of file handles, processes or memory
                if not self._crew:
                    raise
                break
        for worker in self._crew:
            if plan and worker.ready and worker.job is None and worker.lost is None:
                worker.give(plan.next())

    def _ask(self, worker: Worker, plan: Plan, lost: list[Job] | None) -> Done | None:
        """What became of the worker's unit, if anything has. One that is spent is let go."""
        job = worker.job
        done = worker.hear() if worker.lost is None else None
        if job is not None:
            standing = worker.standing
            plan.saw(job.unit, standing.seeds, standing.seconds)
            self._saw(job.unit, standing.seeds, standing.seconds)
        late = worker.lost is None and (job or not worker.ready) and not done
        if late and monotonic() > worker.deadline():
            limit = worker.standing.limit or START
            worker.stop_hanging()
            why = f"no answer within the time-out of {limit:g} s (real time)"
            if job is None:
                raise WorkerError(f"a worker process did not start: {why}; {worker.printed}")
            done = worker.failed(f"{why}; its process was ended")
        elif worker.lost is not None:
            if job is None and not worker.ready:
                raise WorkerError(
                    f"a worker process did not start: {worker.lost}; {worker.printed}"
                )
            if job is not None and lost is None:
                done = worker.failed(f"{worker.lost}, twice")
            elif job is not None and lost is not None:
                lost.append(job)
        if worker.ended or worker.retired:
            self._crew.remove(worker)
            worker.end()
        if done is not None:
            plan.ended(done)
        return done

    def close(self) -> None:
        """End the processes that were kept."""
        self._dismiss()

    def _dismiss(self) -> None:
        """Let all end in order."""
        for worker in self._crew:
            worker.dismiss()
        self._end(within=1.0)

    def _end(self, within: float = 0.0) -> None:
        while self._crew:
            self._crew.pop().end(within)


_idle: list[LocalProcesses] = []
os.register_at_fork(after_in_child=_idle.clear)


def contained(job: Job) -> Done:
    """Run one unit in a process of its own, from any thread of any process, and wait for it.

    Whatever the unit does is contained as by `LocalProcesses`. The process is kept for the next
    call, unless the unit left something behind; it ends with this one.

    Raises:
        StoreError: if the unit's file cannot be written.
    """
    try:
        executor = _idle.pop()
    except IndexError:
        executor = LocalProcesses(1, keep=True)
    (done,) = executor.run([job])
    if executor.waits:
        _idle.append(executor)
    return done
