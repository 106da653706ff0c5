"""What is drawn: curves over time for each task, from blocks. No drawing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..record.curves import Block
from ..stats.anytime import average_ranks, ecdf, time_to_target
from ..stats.bands import band
from ..stats.regret import Floats

if TYPE_CHECKING:
    from ...bench.store.manifest import Manifest, TaskFacts

POINTS = 200
"""Points at which a curve over seconds is drawn; one over queries has one a query, up to this."""
TARGETS = 51
"""Targets a task has in the distribution of times to a target, as in COCO."""


@dataclass(frozen=True)
class Curve:
    """A strategy's line and band, all (points,); no band where ``low`` is NaN."""

    label: str
    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    ``kind`` is "regret" (0 is the optimum, drawn as a line), "rank" (1 is best) or "share" (0 to
    1). ``optimum`` is its value in the table's own unit, ``floor`` the noise floor in units of the
    regret, ``reference`` random search's expectation.
    """

    title: str
    x_label: str
    y_label: str
    kind: str
    curves: tuple[Curve, ...]
    optimum: str = ""
    floor: float | None = None
    reference: Curve | None = None


@dataclass
class Charts:
    """The charts of a report; a curve that several figures show is made once.

    ``references`` maps a task and metric to random search's exact expectation: the numbers of
    queries and the regret after each.
    """

    blocks: Sequence[Block]
    manifest: Manifest
    labels: Sequence[str]
    references: Mapping[tuple[str, str], tuple[Floats, Floats]] = field(default_factory=dict)
    _made: dict[tuple[str, str, str], Chart] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.of_task: dict[str, list[Block]] = {}
        for block in self.blocks:
            self.of_task.setdefault(block.task, []).append(block)

    @property
    def tasks(self) -> list[str]:
        """In the order of the blocks."""
        return list(self.of_task)

    def facts(self, task: str) -> TaskFacts:
        """What the manifest says of a task."""
        return self.manifest.tasks[task]

    def metrics(self, task: str) -> tuple[str, ...]:
        """ "validation", and "test" where the table has it."""
        return self.facts(task).metrics

    def regret(self, task: str, axis: str, metric: str) -> Chart:
        """Mean regret of each strategy over ``axis``, with bootstrap bands."""
        if (task, axis, metric) not in self._made:
            self._made[task, axis, metric] = self._regret(task, axis, metric)
        return self._made[task, axis, metric]

    def _regret(self, task: str, axis: str, metric: str) -> Chart:
        facts = self.facts(task)
        grid = _grid(self.of_task[task], axis)
        curves = []
        for block in self.of_task[task]:
            found = band(block.against(axis, metric, grid))
            known = ~np.isnan(found.center)
            if known.any():
                shown = (grid, found.center, found.low, found.high)
                curves.append(Curve(block.strategy, *(each[known] for each in shown)))
        return Chart(
            title=task,
            x_label=axis_label(axis, facts),
            y_label=f"{metric} regret{facts.column(metric).in_brackets}",
            kind="regret",
            curves=tuple(curves),
            optimum=facts.best(metric),
            floor=facts.noise.of(metric),
            reference=self._reference(task, metric, grid) if axis == "queries" else None,
        )

    def _reference(self, task: str, metric: str, grid: Floats) -> Curve | None:
        if (task, metric) not in self.references:
            return None
        queries, values = self.references[task, metric]
        inside = (queries >= grid[0]) & (queries <= grid[-1])
        none = np.full(int(inside.sum()), np.nan)
        return Curve("random search, expected", queries[inside], values[inside], none, none)

    def normalized(self) -> Chart | None:
        """Regret over random search's at the same number of queries, averaged over tasks."""
        tasks = [task for task in self.tasks if (task, "validation") in self.references]
        curves = []
        for label in self.labels:
            own = [b for task in tasks for b in self.of_task[task] if b.strategy == label]
            if len(own) == len(tasks) > 0 and len({len(b.seeds) for b in own}) == 1:
                curves.append(self._normalized(label, own))
        if not curves:
            return None
        return Chart(
            title=_tasks(len(tasks)),
            x_label="queries",
            y_label="normalized validation regret",
            kind="normalized",
            curves=tuple(curves),
            reference=_level(curves[0].x, 1.0),
        )

    def _normalized(self, label: str, own: Sequence[Block]) -> Curve:
        grids = [self.references[block.task, "validation"][0] for block in own]
        grid = grids[int(np.argmin([len(g) for g in grids]))]
        total = np.zeros((len(own[0].seeds), len(grid)))
        for block in own:
            queries, random = self.references[block.task, "validation"]
            total += block.against("queries", "validation", grid) / np.interp(grid, queries, random)
        found = band(total / len(own))
        known = ~np.isnan(found.center)
        shown = (grid, found.center, found.low, found.high)
        return Curve(label, *(each[known] for each in shown))

    def ranks(self) -> Chart | None:
        """Average rank over queries, over tasks and paired seeds."""
        grid = _grid(self.blocks, "queries")
        whole = [task for task in self.tasks if self._seeds_of_all(task)]
        if len(self.labels) < 2 or not whole:
            return None
        ranks = average_ranks(self._paired(task, grid) for task in whole)
        none = np.full(len(grid), np.nan)
        curves = []
        for label, rank in zip(self.labels, ranks, strict=True):
            known = ~np.isnan(rank)
            if known.any():
                curves.append(Curve(label, grid[known], rank[known], none[known], none[known]))
        return Chart(
            title=_tasks(len(whole)),
            x_label="queries",
            y_label="average rank",
            kind="rank",
            curves=tuple(curves),
        )

    def _seeds_of_all(self, task: str) -> set[int]:
        """The seeds that every strategy has run."""
        own = {block.strategy: block for block in self.of_task[task]}
        if set(own) != set(self.labels):
            return set()
        return set.intersection(*(set(block.seeds.tolist()) for block in own.values()))

    def _paired(self, task: str, grid: Floats) -> Floats:
        """(strategies, seeds, points) regrets of the seeds that every strategy has run."""
        own = {block.strategy: block for block in self.of_task[task]}
        seeds = list(self._seeds_of_all(task))
        return np.stack(
            [
                own[label].against("queries", "validation", grid)[np.isin(own[label].seeds, seeds)]
                for label in self.labels
            ]
        )

    def ecdf(self) -> Chart | None:
        """The share of runs and targets reached, by the number of queries."""
        grid = _grid(self.blocks, "queries")
        hits: dict[str, list[Floats]] = {label: [] for label in self.labels}
        for task in self.tasks:
            targets = _targets(self.of_task[task])
            if targets is None:
                continue
            for block in self.of_task[task]:
                found = time_to_target(block.queries, block.validation, targets)
                hits[block.strategy].append(found.ravel())
        none = np.full(len(grid), np.nan)
        curves = tuple(
            Curve(label, grid, ecdf(np.concatenate(own), grid), none, none)
            for label, own in hits.items()
            if own
        )
        if not curves:
            return None
        return Chart(
            title=_tasks(len(self.tasks)),
            x_label="queries",
            y_label="share of runs and targets reached",
            kind="share",
            curves=curves,
        )


def _level(x: Floats, y: float) -> Curve:
    none = np.full(len(x), np.nan)
    return Curve("random search, expected", x, np.full(len(x), y), none, none)


def _tasks(count: int) -> str:
    return f"{count} task{'s' * (count != 1)}"


def _targets(blocks: Sequence[Block]) -> Floats | None:
    """Regrets from what the first answers give down to the least that any run has reached."""
    first = [np.nanmean(b.validation[:, 0]) for b in blocks if not _blank(b.validation[:, 0])]
    values = np.concatenate([b.validation[b.validation > 0] for b in blocks])
    if not first or not len(values) or not 0 < values.min() < max(first):
        return None
    return np.geomspace(max(first), values.min(), TARGETS)


def _blank(values: Floats) -> bool:
    return bool(np.isnan(values).all())


def _grid(blocks: Sequence[Block], axis: str) -> Floats:
    """Points from the first answer of any run to the last end, evenly spaced on a log axis."""
    last = max(float(np.nanmax(b.ends_on(axis))) for b in blocks)
    if axis == "queries":
        steps = np.unique(np.round(np.geomspace(1, max(last, 1), POINTS)))
        return steps.astype(np.float64)
    first = min(float(np.nanmin(b.times(axis))) for b in blocks)
    if not 0 < first < last:
        return np.array([last])
    return np.geomspace(first, last, POINTS)


def axis_label(axis: str, facts: TaskFacts) -> str:
    """What stands at the axis, with its unit."""
    if axis == "finish":
        return f"simulated {facts.cost.short}{facts.cost.in_brackets}"
    return {"thinking": "thinking time, real (s)"}.get(axis, axis)


def protocol(blocks: Sequence[Block], manifest: Manifest) -> str:
    """What the reader of a figure must know: runs, budget, noise, and what line and band are."""
    return f"mean and bootstrap 95 % interval over {runs(blocks)}, {budget(manifest)}"


def runs(blocks: Sequence[Block]) -> str:
    """The number of runs of each strategy, as a range where it differs."""
    counts = sorted({len(block.seeds) for block in blocks})
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    return f"{shown} run{'s' * (counts[-1] != 1)}"


def budget(manifest: Manifest) -> str:
    """The budget, the workers and what a query is answered with."""
    experiment = manifest.experiment
    noise = {"sampled": "one training seed a query", "mean": "seed-averaged answers"}
    workers = experiment.workers
    return ", ".join(
        [
            str(experiment.budget),
            *([f"{workers} workers"] if workers > 1 else []),
            noise.get(experiment.noise, experiment.noise),
        ]
    )
