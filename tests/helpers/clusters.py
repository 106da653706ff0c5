"""Dask clusters of real processes on loopback, for tests that kill them."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(what, seconds=120.0):
    """Wait for ``what()`` to be true; what it is then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class Cluster:
    """``dask scheduler`` and ``dask worker`` processes, as a user would start them.

    Args:
        folder: where they keep what they need and write their logs.
        ttl: after so many silent seconds a worker counts as lost.
    """

    def __init__(self, folder, ttl="3s", failures=3):
        self.folder, self.port = folder, free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.started = []
        self._env = os.environ | {
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": ttl,
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(failures),
            "OMP_NUM_THREADS": "1",
        }
        self.scheduler = None

    def __enter__(self):
        self.start_scheduler()
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            for each in (*_children(process), process):
                try:
                    os.kill(each.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()

    def _start(self, *words, **env):
        with (self.folder / f"log-{len(self.started)}").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "dask", *words],
                env=self._env | env,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self.started.append(process)
        return process

    def start_scheduler(self):
        words = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        self.scheduler = self._start("scheduler", *words)
        return self.scheduler

    def start_worker(self, *words, **env):
        """A worker without a nanny: who kills it kills it."""
        place = ("--host", "127.0.0.1", "--local-directory", str(self.folder / "scratch"))
        given = ("--no-nanny", "--no-dashboard", "--nthreads", "1", *place, *words)
        return self._start("worker", self.address, *given, **env)

    def wait_for_workers(self, count):
        """Until so many have ever joined."""
        until(lambda: self.logs().count("Registered to") >= count)

    def logs(self):
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("log-*")))


def _children(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def busy(worker):
    """Whether a worker's child runs a unit."""
    return bool(_children(worker))
