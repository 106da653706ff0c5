"""How many units go into one task of a cluster's scheduler."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import ceil

from .time_left import Costs
from .units import Job

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

    ``costs`` say how long a unit takes, from those of its task and strategy that have ended; as
    long as none has, a unit goes alone. Towards the end portions become smaller, so that no worker
    has much left when the others have nothing.
    """

    def __init__(self, jobs: Iterable[Job], costs: Costs) -> None:
        self._waiting = deque(jobs)
        self._costs = costs

    def __len__(self) -> int:
        return len(self._waiting)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that were handed out and did not end: they are next."""
        self._waiting.extendleft(jobs)

    def take(self, threads: int) -> list[Job]:
        """The next portion for a cluster that runs so many units at once; empty at the end."""
        wanted = max(LEAST, threads / RATE)
        most = min(MOST, max(1, ceil(len(self._waiting) / (2 * max(threads, 1)))))
        taken: list[Job] = []
        seconds = rows = 0.0
        while self._waiting and len(taken) < most:
            known = self._costs.measured(self._waiting[0].unit)
            if known is None:
                if not taken:
                    taken.append(self._waiting.popleft())
                break
            if taken and (seconds + known[0] / 2 > wanted or rows + known[1] > ROWS):
                break
            taken.append(self._waiting.popleft())
            seconds, rows = seconds + known[0], rows + known[1]
        return taken
