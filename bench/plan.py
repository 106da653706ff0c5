"""The order in which units are run: an even sample first, then the longest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .store import Unit
from .time_left import Costs, seeds_of
from .units import Done, Job


class Plan:
    """Jobs that wait. The order changes no result, only when the run ends and how soon it is known.

    First comes one unit of each strategy, so that there is something to judge the others by. Then
    come those that are expected to take longest: what is short fills the gaps at the end.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._waiting: dict[tuple[str, str], deque[Job]] = {}
        for job in jobs:
            self._waiting.setdefault(job.unit[:2], deque()).append(job)
        self._tried: set[str] = set()
        self._costs = Costs()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def next(self) -> Job:
        """Take the job that should be run now."""
        pair = max(self._waiting, key=lambda pair: self._urgency(self._waiting[pair][0].unit))
        job = self._waiting[pair].popleft()
        if not self._waiting[pair]:
            del self._waiting[pair]
        self._tried.add(job.unit.label)
        return job

    def _urgency(self, unit: Unit) -> tuple[bool, float]:
        expected = self._costs.of_unit(unit)
        seconds = seeds_of(unit) if expected is None else expected
        return unit.label not in self._tried, seconds

    def saw(self, unit: Unit, seeds: int, seconds: float) -> None:
        """So many seeds of a unit under way are finished and took so long together."""
        self._costs.saw(unit, seeds, seconds)

    def ended(self, done: Done) -> None:
        """A unit ended."""
        if done.error is None:
            self._costs.ended(done.unit, done.seconds)
        else:
            self._costs.failed(done.unit)
