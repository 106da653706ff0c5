"""How long a run will still take, from what its units have taken so far. Pure arithmetic.

A strategy's runs take much the same time on one task, strategies differ by factors of a thousand,
and tasks by a few. So a run that was not seen yet is expected to take what its strategy takes
elsewhere, times what the task takes more than others; a strategy that was not seen yet the mean of
all.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, median
from typing import NamedTuple

from ..store.store import Unit

_ROUNDS = 4
"""Strategies are judged by tasks and tasks by strategies, in turns; more turns change little."""


class _Seen(NamedTuple):
    seeds: int = 0
    seconds: float = 0.0
    queries: int = 0


class _Known(NamedTuple):
    """Seconds a seed: of pairs that were seen, of strategies over all tasks, of tasks relative to
    others, and over all strategies."""

    pairs: dict[tuple[str, str], float]
    labels: dict[str, float]
    factors: dict[str, float]
    overall: float | None


def _grouped(entries: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for name, value in entries:
        groups.setdefault(name, []).append(value)
    return groups


def seeds_of(unit: Unit) -> int:
    """How many runs it consists of."""
    return unit.last - unit.first + 1


class Costs:
    """Seconds that one seed takes, by task and strategy label, as far as seen."""

    def __init__(self) -> None:
        self._under_way: dict[Unit, _Seen] = {}
        self._finished: dict[tuple[str, str], _Seen] = {}
        self._overheads: list[float] = []
        self._failures: dict[str, list[float]] = {}
        self._known: _Known | None = None

    def saw(self, unit: Unit, seeds: int, seconds: float) -> None:
        """So many seeds of a unit under way are finished and took so long together."""
        if self._under_way.get(unit) != (part := _Seen(seeds, seconds)):
            self._under_way[unit] = part
            self._known = None

    def ended(self, unit: Unit, seconds: float, queries: int = 0) -> None:
        """Record that ``unit`` was finished, in ``seconds`` and with ``queries`` in all."""
        seen = self._under_way.pop(unit, None) or _Seen()
        if not seen.seeds:  # nothing was said of its seeds
            seen = _Seen(seeds_of(unit), seconds)
        elif seen.seeds == seeds_of(unit):
            self._overheads.append(max(0.0, seconds - seen.seconds))
        before = self._finished.get(unit[:2], _Seen())
        self._finished[unit[:2]] = _Seen(
            before.seeds + seen.seeds, before.seconds + seen.seconds, before.queries + queries
        )
        self._known = None

    def failed(self, unit: Unit, seconds: float) -> None:
        """A unit was not finished. What it took tells something only of units that all fail."""
        self._under_way.pop(unit, None)
        self._failures.setdefault(unit.label, []).append(seconds)
        self._known = None

    def fails(self, label: str) -> bool:
        """Whether all that was seen of a strategy is that it fails."""
        return label in self._failures and not self.knows(label)

    def seen(self, unit: Unit) -> int:
        """How many of the seeds of a unit under way are finished."""
        return self._under_way.get(unit, _Seen()).seeds

    def of(self, task: str, label: str) -> float | None:
        """The seconds that a seed is expected to take; None while nothing at all was seen."""
        pairs, labels, factors, overall = self._judgement()
        if (task, label) in pairs:
            return pairs[task, label]
        if label in labels:
            return labels[label] * factors.get(task, 1.0)
        return overall

    def knows(self, label: str) -> bool:
        """Whether anything was seen of a strategy."""
        return label in self._judgement().labels

    def measured(self, unit: Unit) -> tuple[float, float] | None:
        """Return the seconds and queries of a unit; None if none of its kind was finished.

        Its kind is its task and strategy: nothing is concluded from others.
        """
        seen = self._finished.get(unit[:2], _Seen())
        if not seen.seeds:
            return None
        share = seeds_of(unit) / seen.seeds
        return seen.seconds * share, seen.queries * share

    def _judgement(self) -> _Known:
        if self._known is None:
            self._known = self._judge()
        return self._known

    def _judge(self) -> _Known:
        totals = dict(self._finished)
        for unit, part in self._under_way.items():
            before = totals.get(unit[:2], _Seen())
            totals[unit[:2]] = _Seen(before.seeds + part.seeds, before.seconds + part.seconds)
        pairs = {pair: seen.seconds / seen.seeds for pair, seen in totals.items() if seen.seeds}
        labels: dict[str, float] = {}
        factors: dict[str, float] = {}
        for _ in range(_ROUNDS):
            parts = _grouped(
                (label, s / factors.get(task, 1.0)) for (task, label), s in pairs.items()
            )
            labels = {label: fmean(each) for label, each in parts.items()}
            parts = _grouped(
                (task, s / labels[label]) for (task, label), s in pairs.items() if labels[label]
            )
            # As if each task had been seen once more, taking no more than others.
            factors = {task: fmean([1.0, *each]) for task, each in parts.items()}
        return _Known(pairs, labels, factors, fmean(labels.values()) if labels else None)

    def of_unit(self, unit: Unit) -> float | None:
        """The seconds that the rest of a unit is expected to take."""
        if self.fails(unit.label):
            return fmean(self._failures[unit.label])
        seed = self.of(unit.task, unit.label)
        if seed is None:
            return None
        overhead = median(self._overheads) if self._overheads else 0.0
        return seed * (seeds_of(unit) - self.seen(unit)) + overhead


class TimeLeft:
    """Follows a run of ``units``, of which ``workers`` are under way at a time."""

    def __init__(self, units: Iterable[Unit], workers: int = 1) -> None:
        self._left = dict.fromkeys(units)
        self.workers = workers
        self._costs = Costs()

    def saw(self, unit: Unit, seeds: int, seconds: float) -> None:
        """So many seeds of a unit under way are finished and took so long together.

        Without this, the estimate moves only when a whole unit has ended.
        """
        self._costs.saw(unit, seeds, seconds)

    def ended(self, unit: Unit, seconds: float, *, failed: bool = False) -> None:
        """A unit ended after so long."""
        self._left.pop(unit, None)
        if failed:
            self._costs.failed(unit, seconds)
        else:
            self._costs.ended(unit, seconds)

    def seconds(self) -> float | None:
        """Real seconds until all units have ended; None while there is nothing to judge by."""
        if not self._left:
            return 0.0
        units = [self._costs.of_unit(unit) for unit in self._left]
        known = [seconds for seconds in units if seconds is not None]
        if not known:
            return None
        return max(sum(known) / self.workers, max(known))
