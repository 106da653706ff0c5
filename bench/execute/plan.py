"""The order in which units are run: an even sample first, then the longest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from ..store.store import Unit
from .time_left import Costs, seeds_of
from .units import Done, Job

_CURIOSITY = 1.5
"""A unit whose strategy was not tried on its task yet goes first, unless it is so much shorter."""


class Plan:
    """Jobs that wait. The order changes no result, only when the run ends and how soon it is known.

    First comes one unit of each strategy, so that there is something to judge the others by. Then
    come those that are expected to take longest: what is short fills the gaps at the end. Of those
    that take much the same, what was not tried yet comes first; a strategy that fails comes last.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._waiting: dict[tuple[str, str], deque[Job]] = {}
        for job in jobs:
            self._waiting.setdefault(job.unit[:2], deque()).append(job)
        self._tried: set[str] = set()
        self._begun: dict[str, int] = {}
        self._pairs: set[tuple[str, str]] = set()
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
        self._begun[job.unit.task] = self._begun.get(job.unit.task, 0) + 1
        self._pairs.add(pair)
        return job

    def _urgency(self, unit: Unit) -> tuple[bool, float, float]:
        if unit.label not in self._tried:  # each on another task, so that all are seen soon
            return True, -self._begun.get(unit.task, 0), seeds_of(unit)
        if self._costs.fails(unit.label):
            return False, -1.0, 0.0
        seconds = self._costs.of_unit(unit)
        if seconds is None or not self._costs.knows(unit.label):
            return False, inf, seeds_of(unit)  # begun and not heard of: it may be the longest
        return False, seconds if unit[:2] in self._pairs else _CURIOSITY * seconds, 0.0

    def saw(self, unit: Unit, seeds: int, seconds: float) -> None:
        """So many seeds of a unit under way are finished and took so long together."""
        self._costs.saw(unit, seeds, seconds)

    def ended(self, done: Done) -> None:
        """A unit ended."""
        if done.error is None:
            self._costs.ended(done.unit, done.seconds)
        else:
            self._costs.failed(done.unit, done.seconds)
