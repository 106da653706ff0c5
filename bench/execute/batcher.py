"""How many units go into one task of a cluster's scheduler."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import ceil

from .units import Done, Job

RATE = 200.0
"""Tasks a second that a scheduler is given: a fraction of what it can; see docs/scale.md."""
LEAST = 0.5
"""Seconds that a task should take at least, so that handing it over does not count."""
MOST = 100
"""Units in a task at most: what is lost with a worker stays small."""
ROWS = 500_000
"""Queries in a task at most: some 20 MB of results, which travel as one."""


class Portions:
    """Jobs that wait, handed out in portions of about the same duration.

    How long a unit takes is learned from those that ended, by task and strategy; as long as nothing
    is known, a unit goes alone. Towards the end portions become smaller, so that no worker has
    much left when the others have nothing.
    """

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self._waiting = deque(jobs)
        self._known: dict[tuple[str, str], tuple[float, int, int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that were handed out and did not end: they are next."""
        self._waiting.extendleft(jobs)

    def learn(self, done: Done) -> None:
        """Remember how long a unit took, and how many queries it had."""
        if done.error is None:
            key = done.unit.task, done.unit.label
            seconds, queries, count = self._known.get(key, (0.0, 0, 0))
            self._known[key] = seconds + done.seconds, queries + done.queries, count + 1

    def _expected(self, job: Job) -> tuple[float, float] | None:
        """Seconds and queries of a unit; None if none of its kind has ended."""
        seconds, queries, count = self._known.get((job.unit.task, job.unit.label), (0.0, 0, 0))
        return (seconds / count, queries / count) if count else None

    def take(self, threads: int) -> list[Job]:
        """The next portion for a cluster that runs so many units at once; empty at the end."""
        wanted = max(LEAST, threads / RATE)
        most = min(MOST, max(1, ceil(len(self._waiting) / (2 * max(threads, 1)))))
        taken: list[Job] = []
        seconds = rows = 0.0
        while self._waiting and len(taken) < most:
            known = self._expected(self._waiting[0])
            if known is None:
                if not taken:
                    taken.append(self._waiting.popleft())
                break
            if taken and (seconds + known[0] / 2 > wanted or rows + known[1] > ROWS):
                break
            taken.append(self._waiting.popleft())
            seconds, rows = seconds + known[0], rows + known[1]
        return taken
