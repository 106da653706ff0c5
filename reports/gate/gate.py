"""Did it get worse? Two records, paired by seed, and a verdict on every task and strategy.

Pure: reads nothing, prints nothing. Bits come first, because identical runs need no test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf, isnan, nan
from typing import Any

import numpy as np

from ...bench._base.errors import StoreError
from ...bench.store.manifest import Budget, TaskFacts
from ..stats import evidence
from ..stats.paired import a12, holm
from ..stats.regret import Floats, last, on_grid
from ..stats.sequential import spent, weights
from .gate_record import Difference, Parting, Record, Runs, check_comparable, differences, parting

METRICS = {"final": "final regret", "mean": "mean regret", "time": "time to target"}
_POINTS = 200
_MOST_POINTS = 1_000_000
"""Queries at which the mean is taken where all are counted."""


class Verdict(StrEnum):
    """What became of a task and strategy, the gravest first."""

    REGRESSED = "regressed"
    MISSING = "missing"
    IMPROVED = "improved"
    NO_EVIDENCE = "no evidence"
    EQUIVALENT = "equivalent"
    CHANGED = "changed"
    IDENTICAL = "identical"


@dataclass(frozen=True)
class Options:
    """How a gate judges.

    ``alpha`` bounds the chance of any wrong "regressed" or "improved" in the whole gate, and that
    of any wrong "equivalent". ``margin`` holds by metric (keys of `METRICS`) either a number in
    the metric's unit or a share of the baseline's mean as a string such as "10%"; without one
    nothing is called equivalent. ``target`` is a regret by task (``"*"``: every task); the median
    of all final regrets, if not given. ``column`` is "validation" or "test". ``looks`` are the
    numbers of seeds at which a sequential gate looks, increasing; see `reports.sequential`.
    """

    alpha: float = 0.05
    power: float = 0.8
    metrics: tuple[str, ...] = tuple(METRICS)
    margin: Mapping[str, float | str] = field(default_factory=dict)
    target: Mapping[str, float] = field(default_factory=dict)
    column: str = "validation"
    common_seeds: bool = False
    looks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("alpha", "power"):
            if not 0 < getattr(self, name) < 1:
                raise StoreError(
                    f"{name}: expected a number between 0 and 1, got {getattr(self, name)}"
                )
        unknown = [m for m in (*self.metrics, *self.margin) if m not in METRICS]
        if unknown or not self.metrics:
            raise StoreError(f"unknown metric {unknown}; expected some of {', '.join(METRICS)}")
        if self.column not in ("validation", "test"):
            raise StoreError(f"column: expected validation or test, got {self.column!r}")
        for value in self.margin.values():
            _margin(value, 1.0)


def _margin(value: float | str, mean: float) -> float:
    """A stated margin in the metric's unit."""
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = nan
    if not 0 < number < inf:
        raise StoreError(f"margin: expected a number above 0 or a share as 10%, got {value!r}")
    return number / 100 * abs(mean) if text.endswith("%") else number


def share(text: str) -> float:
    """A share such as "25%" as 0.25.

    Raises:
        StoreError: if it is none.
    """
    if not text.strip().endswith("%"):
        raise StoreError(f"expected a share such as 25%, got {text!r}")
    return _margin(text, 1.0)


@dataclass(frozen=True)
class Comparison:
    """One metric of one task and strategy: current minus baseline, so positive is worse.

    ``baseline``, ``current``: means over seeds. ``low``, ``high``: 95 % interval of the mean
    ``difference``. ``superiority``: chance that a current run is worse than a baseline run.
    ``deviation``: standard deviation of the differences. ``direction``: 1 if the ranks say worse,
    -1 better. ``p``: two-sided, ``p_adjusted`` by Holm over the whole gate; ``p_equivalent`` is
    adjusted likewise.
    ``detectable``: the least difference that these seeds find with the stated power.
    ``seeds_needed``: seeds that settle the stated ``margin`` either way; 0 where none was stated.
    """

    metric: str
    verdict: Verdict
    unit: str = ""
    baseline: float = nan
    current: float = nan
    difference: float = nan
    low: float = nan
    high: float = nan
    superiority: float = nan
    deviation: float = nan
    direction: int = 0
    p: float = nan
    p_adjusted: float = nan
    p_equivalent: float = nan
    margin: float = nan
    detectable: float = nan
    seeds_needed: int = 0
    note: str = ""


@dataclass(frozen=True)
class Pair:
    """One task and strategy: the gravest verdict of its metrics, and where its bits part.

    ``place`` is the strategy's own file, where it has one.
    """

    task: str
    strategy: str
    verdict: Verdict
    seeds: int = 0
    comparisons: tuple[Comparison, ...] = ()
    parting: Parting | None = None
    note: str = ""
    place: str = ""


@dataclass(frozen=True)
class Gate:
    """The outcome: every pair, what the manifests say differently, and what a reader must know."""

    baseline: str
    current: str
    pairs: tuple[Pair, ...]
    why: tuple[Difference, ...]
    notes: tuple[str, ...]
    options: Options

    def count(self, verdict: Verdict) -> int:
        return sum(pair.verdict is verdict for pair in self.pairs)

    def fails(self, on: Sequence[Verdict] = (Verdict.REGRESSED, Verdict.MISSING)) -> bool:
        """Whether any pair has one of the verdicts ``on``."""
        return any(pair.verdict in on for pair in self.pairs)


def parse_options(
    margins: Sequence[str] = (), targets: Sequence[str] = (), **others: Any
) -> Options:
    """`Options` from the command line's words.

    A margin is ``10%`` (of the baseline's mean, every metric) or ``final=0.1``; a target is
    ``0.5`` (every task) or ``nasbench201/cifar10=0.5``.

    Raises:
        StoreError: if a word cannot be understood.
    """
    margin: dict[str, float | str] = {}
    for word in margins:
        name, equals, value = word.rpartition("=")
        if not equals and not value.endswith("%"):
            raise StoreError(
                f"margin {word!r}: metrics have different units; write a share (10%) or one a "
                f"metric (final={word}); metrics: {', '.join(METRICS)}"
            )
        margin |= dict.fromkeys([name] if equals else others.get("metrics", METRICS), value)
    target = {}
    for word in targets:
        name, equals, value = word.rpartition("=")
        try:
            target[name if equals else "*"] = float(value)
        except ValueError:
            raise StoreError(f"target: expected a regret or TASK=REGRET, got {word!r}") from None
    return Options(margin=margin, target=target, **others)


# From runs to one number a seed.


def metric_values(
    baseline: Runs, current: Runs, seeds: list[int], budget: Budget, options: Options
) -> dict[str, tuple[Floats, Floats]]:
    """(seeds,) of each metric for both. A run keeps its last incumbent to the budget's end.

    Before a run has an incumbent, it counts with the worst regret that either record has seen.
    """
    blocks = baseline.block, current.block
    column = options.column
    if all(np.isnan(getattr(block, column)).all() for block in blocks):
        column = "validation"
    axis, grid = _grid(blocks, budget)
    values = [getattr(block, column) for block in blocks]
    worst = max((float(np.nanmax(v)) for v in values if not np.isnan(v).all()), default=nan)
    curves, finals, times = [], [], []
    for block, value in zip(blocks, values, strict=True):
        chosen = np.searchsorted(block.seeds, seeds)
        clock = getattr(block, axis)[chosen]
        forever = np.full(len(seeds), inf)
        curve = on_grid(clock, value[chosen], forever, grid)
        curves.append(np.where(np.isnan(curve), worst, curve))
        final = last(value[chosen])
        finals.append(np.where(np.isnan(final), worst, final))
        times.append((clock, value[chosen]))
    goal = options.target.get(baseline.block.task, options.target.get("*"))
    target = float(np.median(np.concatenate(finals))) if goal is None else goal
    made = {
        "final": (finals[0], finals[1]),
        "mean": (curves[0].mean(axis=1), curves[1].mean(axis=1)),
        "time": tuple(_reached(clock, value, target, grid[-1]) for clock, value in times),
    }
    return {name: (pair[0], pair[1]) for name, pair in made.items() if name in options.metrics}


def _grid(blocks: Sequence[Any], budget: Budget) -> tuple[str, Floats]:
    """The axis of the budget, and the points at which the mean regret is taken."""
    if budget.queries is not None and budget.seconds is None:
        return "queries", np.linspace(1, budget.queries, min(budget.queries, _MOST_POINTS))
    end = budget.seconds or max(float(np.nanmax(block.finish)) for block in blocks)
    return "finish", np.linspace(end / _POINTS, end, _POINTS)


def _reached(clock: Floats, value: Floats, target: float, end: float) -> Floats:
    """When each run first had at most ``target`` regret; ``end`` where it never had."""
    with np.errstate(invalid="ignore"):
        there = value <= target
    first = np.take_along_axis(clock, np.argmax(there, axis=1)[:, None], axis=1)[:, 0]
    return np.where(there.any(axis=1), np.minimum(first, end), end)


# Verdicts.


def judge(
    baseline: Record, current: Record, options: Options | None = None, also: Sequence[Pair] = ()
) -> Gate:
    """Compare every task and strategy of ``baseline`` with ``current``, paired by seed.

    ``also`` are pairs from elsewhere with p-values of their own (speed): they join the correction
    for multiple tests.

    Raises:
        StoreError: if the two were not run alike, or there is one seed only and bits differ.
    """
    options = options or Options()
    check_comparable(baseline, current, common_seeds=options.common_seeds or bool(options.looks))
    pairs = [_look(baseline, current, key, options) for key in baseline.runs]
    for pair in pairs:
        if pair.seeds == 1 and pair.comparisons:
            raise StoreError(
                f"{pair.strategy} on {pair.task} has other bits than the baseline, and one seed "
                "cannot show whether it is worse; run both with more seeds (10 or more)"
            )
    pairs = [replace(pair, place=_place(baseline, pair.strategy)) for pair in pairs]
    pairs = settle([*pairs, *also], options)
    why = differences(baseline.manifest, current.manifest)
    notes = tuple(_notes(pairs, baseline, current, options))
    return Gate(baseline.name, current.name, tuple(pairs), tuple(why), notes, options)


def settle(pairs: Sequence[Pair], options: Options) -> list[Pair]:
    """Correct all p-values of ``pairs`` together (Holm), then give the verdicts."""
    open_ = [c for pair in pairs for c in pair.comparisons if not isnan(c.p)]
    stated = [c for c in open_ if not isnan(c.p_equivalent)]
    adjusted = dict(zip(map(id, open_), holm([c.p for c in open_]).tolist(), strict=True))
    equal = dict(zip(map(id, stated), holm([c.p_equivalent for c in stated]).tolist(), strict=True))
    found = []
    for pair in pairs:
        comparisons = []
        for c in pair.comparisons:
            if id(c) in adjusted:
                c = replace(
                    c, p_adjusted=adjusted[id(c)], p_equivalent=equal.get(id(c), c.p_equivalent)
                )
                c = _plan(_decide(c, options), pair.seeds, options, len(open_), len(stated))
            comparisons.append(c)
        gravest = min([pair.verdict, *(c.verdict for c in comparisons)], key=list(Verdict).index)
        verdict = gravest if comparisons else pair.verdict
        found.append(replace(pair, verdict=verdict, comparisons=tuple(comparisons)))
    return found


def _look(baseline: Record, current: Record, key: tuple[str, str], options: Options) -> Pair:
    """A pair before the correction for multiple tests."""
    task, strategy = key
    if key not in current.runs:
        return Pair(task, strategy, Verdict.MISSING, note="no finished run in the current results")
    old, new = baseline.runs[key], current.runs[key]
    seeds = sorted(set(old.columns) & set(new.columns))
    lost = sorted(set(old.columns) - set(new.columns))
    if not seeds or (lost and not options.common_seeds and not options.looks):
        note = f"seeds {', '.join(map(str, lost[:5]))}{' …' if lost[5:] else ''} have no run"
        return Pair(task, strategy, Verdict.MISSING, len(seeds), note=note)
    part = parting(old, new, seeds)
    if part is None:
        return Pair(task, strategy, Verdict.IDENTICAL, len(seeds))
    facts = baseline.manifest.tasks[task]
    budget = baseline.manifest.experiment.budget
    values = metric_values(old, new, seeds, budget, options)
    named = units(facts, budget)
    compared = [compare_metric(m, named[m], *pair, options) for m, pair in values.items()]
    return Pair(task, strategy, Verdict.CHANGED, len(seeds), tuple(compared), part)


def _place(record: Record, label: str) -> str:
    """The file of a strategy that is named path/to/file.py:attribute."""
    file, colon, _ = record.manifest.specs[label].name.rpartition(":")
    return file if colon and file.endswith(".py") else ""


def units(facts: TaskFacts, budget: Budget) -> dict[str, str]:
    """The unit of each metric on a task."""
    unit = facts.validation.unit
    by_query = budget.queries is not None and budget.seconds is None
    return {"final": unit, "mean": unit, "time": "queries" if by_query else facts.cost.unit}


def compare_metric(
    metric: str, unit: str, old: Floats, new: Floats, options: Options
) -> Comparison:
    """The evidence on one metric from (seeds,) values; `settle` gives the verdict later."""
    d = new - old
    same = Comparison(metric, Verdict.NO_EVIDENCE, unit, float(old.mean()), float(new.mean()), 0.0)
    if np.isnan(d).any() or not d.any():
        note = "no run has an incumbent" if np.isnan(d).any() else ""
        return replace(same, verdict=Verdict.CHANGED, note=note)
    stated = options.margin.get(metric)
    margin = nan if stated is None else _margin(stated, same.baseline)
    low, high = evidence.mean_interval(d)
    direction, p, p_equivalent = spent(d, margin, options.looks)
    return replace(
        same,
        difference=float(d.mean()),
        low=low,
        high=high,
        superiority=a12(old, new),
        deviation=float(d.std(ddof=1)) if len(d) > 1 else nan,
        direction=direction,
        p=p,
        p_equivalent=p_equivalent,
        margin=margin,
    )


def _decide(c: Comparison, options: Options) -> Comparison:
    """The verdict on one metric. Ranks and mean must point the same way to be evidence."""
    if c.p_adjusted <= options.alpha:
        if c.direction * c.difference > 0:
            worse = c.direction > 0
            return replace(c, verdict=Verdict.REGRESSED if worse else Verdict.IMPROVED)
        words = ("worse", "better") if c.direction > 0 else ("better", "worse")
        return replace(c, note=f"most seeds are {words[0]}, their mean is {words[1]}")
    if c.p_equivalent <= options.alpha:
        return replace(c, verdict=Verdict.EQUIVALENT)
    return c


def _plan(c: Comparison, seeds: int, options: Options, tests: int, stated: int) -> Comparison:
    """What these seeds can find, and how many the margin needs (by the first step of Holm)."""
    if isnan(c.deviation):
        return c
    alpha, alpha_equal = options.alpha / tests, options.alpha / max(stated, 1)
    if options.looks:  # what the last look finds with its share of alpha: looks before only add
        seeds, share = options.looks[-1], weights(options.looks)[-1]
        alpha, alpha_equal = alpha * share, alpha_equal * share
    found = evidence.detectable(c.deviation, seeds, alpha, options.power)
    needed = 0
    if not isnan(c.margin):
        needed = evidence.seeds_for(c.deviation, c.margin, alpha, alpha_equal, options.power)
    return replace(c, detectable=found, seeds_needed=needed)


def _notes(
    pairs: Sequence[Pair], baseline: Record, current: Record, options: Options
) -> Iterator[str]:
    new = [key for key in current.runs if key not in baseline.runs]
    if new:
        shown = ", ".join(f"{label} on {task}" for task, label in new[:5])
        yield f"not in the baseline, so not judged: {shown}{' …' if new[5:] else ''}"
    tests = sum(not isnan(c.p) for pair in pairs for c in pair.comparisons)
    blind = [pair for pair in pairs if any(c.detectable == inf for c in pair.comparisons)]
    if blind and not options.looks:
        least = int(np.ceil(1 + np.log2(tests / options.alpha)))
        yield (
            f"{blind[0].seeds} seeds are too few for any evidence: {tests} comparisons at "
            f"alpha {options.alpha:g} need {least} or more"
        )
    if options.column == "test":
        facts = baseline.manifest.tasks
        without = sorted({p.task for p in pairs if p.task in facts and not facts[p.task].test})
        if without:
            yield f"no test column, so judged by validation: {', '.join(without)}"
    shares = [pair for pair in pairs for c in pair.comparisons if c.margin == 0]
    if shares:
        yield "a margin that is a share of a mean of 0 is 0: state it in the metric's unit"
