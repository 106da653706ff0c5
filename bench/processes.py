"""Local processes as an executor."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from .errors import RunFailed
from .units import Done, Job, run_unit


class LocalProcesses:
    """Spawned, not forked: a fork copies the locks of whatever threads the caller runs."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._context = multiprocessing.get_context("spawn")

    def run(self, jobs: list[Job], /) -> Iterator[Done]:
        broken: list[Job] = []
        with ProcessPoolExecutor(self._processes, mp_context=self._context) as pool:
            running = {pool.submit(run_unit, job): job for job in jobs}
            try:
                for ended in as_completed(running):
                    try:
                        yield ended.result()
                    except BrokenProcessPool:
                        broken.append(running[ended])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        yield from self._one_by_one(broken)

    def _one_by_one(self, jobs: list[Job]) -> Iterator[Done]:
        """After a process died: each unit left in a process of its own, which shows the guilty."""
        for job in jobs:
            with ProcessPoolExecutor(1, mp_context=self._context) as pool:
                try:
                    yield pool.submit(run_unit, job).result()
                except BrokenProcessPool:
                    error = str(RunFailed(f"{job.unit}: its process died without a word"))
                    yield Done(job.unit, error=error)
