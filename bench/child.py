"""A process beside this one that runs units, one after the other, and may be lost.

For a process that must outlive whatever a strategy does, such as a worker of a cluster: it starts
``python -m nasarena.bench.child``, hands it jobs and waits. What the strategy prints goes to the
standard error; a unit that ends its process, or hangs, takes no one with it.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any, BinaryIO

from .errors import StoreError
from .store import Unit
from .units import Done, Job, run_unit

GRACE = 10.0
"""Seconds that a unit has beyond its time-out to say for itself that it took too long."""


def _send(pipe: BinaryIO, data: bytes) -> None:
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytes | None:
    """What the other side sent; None if it is gone."""
    head = pipe.read(8)
    if len(head) < 8:
        return None
    data = pipe.read(int.from_bytes(head, "big"))
    return data if len(data) == int.from_bytes(head, "big") else None


class Child:
    """A process that runs units; started when the first one comes, and again after it was lost.

    Args:
        environment: variables that it has besides those of this process.
    """

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self, job: Job) -> Done:
        """What became of a job; that its process died, or had to be killed, is its ``error``.

        Raises:
            StoreError: if the results folder cannot be written.
        """
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        seeds = job.unit.last - job.unit.first + 1
        limit = job.experiment.timeout * seeds + GRACE
        late = threading.Event()
        timer = threading.Timer(limit, lambda: (late.set(), _kill(process)))
        timer.daemon = True
        timer.start()
        try:
            _send(process.stdin, pickle.dumps(job))
            answer = _receive(process.stdout)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self.kill()
            return Done(job.unit, error=f"{job.unit}: {self._epitaph(process, late, limit)}")
        return self._done(answer)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "nasarena.bench.child"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ | self._environment,
                    # Ctrl-C is for whoever started us; and so its own children die with it.
                    start_new_session=True,
                )
            return self._process

    def _epitaph(
        self, process: subprocess.Popen[bytes], late: threading.Event, limit: float
    ) -> str:
        if late.is_set():
            return f"its process was killed, it gave no answer within {limit:g} s (real time)"
        code = process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"its process died without a word: it {how}"

    def _done(self, answer: bytes) -> Done:
        said: dict[str, Any] = json.loads(answer)
        if "store" in said:
            raise StoreError(said["store"])
        done = Done(**said | {"unit": Unit(*said["unit"])})
        if done.error is not None:
            self.kill()  # whatever else it may have left behind in its process
        return done

    def kill(self) -> None:
        """End the process and all that it started; the next job gets a new one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _kill(process)
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()


# In the child.


def _listen(pipe: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    while (data := _receive(pipe)) is not None:
        jobs.put(data)
    os._exit(0)  # whoever gave us work is gone


def main() -> None:
    """Run the jobs that come in, until nobody is there to send any."""
    given = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given, jobs), daemon=True).start()
    while True:
        # Ours: sent by the process that started this one.
        job: Job = pickle.loads(jobs.get())
        try:
            answer: dict[str, Any] = run_unit(job)._asdict()
        except StoreError as error:
            answer = {"store": str(error)}
        _send(answers, json.dumps(answer).encode())


if __name__ == "__main__":
    main()
