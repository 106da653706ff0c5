"""What is drawn of the ends of runs: distributions, profiles, chances, critical differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..record.curves import Block
from ..stats.aggregate import performance_profile, probability_of_improvement
from ..stats.regret import Floats, last
from .charts import Chart, Charts, Curve

if TYPE_CHECKING:
    from ..stats.across_tasks import CriticalDifference

THRESHOLDS = np.linspace(0, 2, 201)
"""Normalized regrets at which a performance profile is drawn."""
RESAMPLES = 500
"""Bootstrap resamples for each pair of strategies in the heat map."""


@dataclass(frozen=True)
class Finals:
    """Regrets (runs,) at the ends of each strategy's runs on one task, and runs without one."""

    title: str
    x_label: str
    labels: tuple[str, ...]
    values: tuple[Floats, ...]
    without: tuple[int, ...]
    optimum: str
    floor: float | None


@dataclass(frozen=True)
class Chances:
    """``values`` (strategies, strategies): how likely the row's run is better than the column's.

    ``sure`` marks the pairs whose 95 % interval leaves out one half.
    """

    title: str
    labels: tuple[str, ...]
    values: Floats
    sure: Any


def distributions(charts: Charts, metric: str = "validation") -> tuple[Finals, ...]:
    """The final regrets of every task that has ``metric``."""
    return tuple(
        _finals(charts, task, metric) for task in charts.tasks if metric in charts.metrics(task)
    )


def _finals(charts: Charts, task: str, metric: str) -> Finals:
    facts = charts.facts(task)
    ends = {b.strategy: last(getattr(b, metric)) for b in charts.of_task[task]}
    labels = tuple(label for label in charts.labels if label in ends)
    return Finals(
        title=task,
        x_label=f"final {metric} regret{facts.column(metric).in_brackets}",
        labels=labels,
        values=tuple(ends[label][~np.isnan(ends[label])] for label in labels),
        without=tuple(int(np.isnan(ends[label]).sum()) for label in labels),
        optimum=facts.best(metric),
        floor=facts.noise.of(metric),
    )


def mean_finals(blocks: Sequence[Block], labels: Sequence[str]) -> tuple[list[str], Floats]:
    """The tasks, and (tasks, strategies) the mean final validation regret; NaN if there is none."""
    tasks = list(dict.fromkeys(block.task for block in blocks))
    found = np.full((len(tasks), len(labels)), np.nan)
    for block in blocks:
        ends = last(block.validation)
        if not np.isnan(ends).all():
            found[tasks.index(block.task), labels.index(block.strategy)] = np.nanmean(ends)
    return tasks, found


def normalizers(charts: Charts) -> tuple[dict[str, float], str]:
    """What a task's final regrets are divided by, and the words for it.

    Random search's exact expectation where it is known for every task, else the mean of all runs.
    """
    exact = {
        task: float(charts.references[task, "validation"][1][-1])
        for task in charts.tasks
        if (task, "validation") in charts.references
    }
    if len(exact) == len(charts.tasks):
        return exact, "1 is random search's expectation at this budget"
    ends = {
        task: np.concatenate([last(b.validation) for b in own])
        for task, own in charts.of_task.items()
    }
    means = {
        task: float(np.nanmean(values)) for task, values in ends.items() if _any_number(values)
    }
    return means, "1 is the mean of all runs on the task"


def _any_number(values: Floats) -> bool:
    return not np.isnan(values).all()


def normalized_finals(charts: Charts, by: Mapping[str, float], label: str) -> Floats | None:
    """(runs, tasks) final regret over ``by``, padded with NaN; None unless on every task of it."""
    own = {b.task: last(b.validation) for b in charts.blocks if b.strategy == label}
    tasks = [task for task, value in by.items() if value > 0]
    if not tasks or not set(tasks) <= set(own):
        return None
    found = np.full((max(len(own[task]) for task in tasks), len(tasks)), np.nan)
    for column, task in enumerate(tasks):
        found[: len(own[task]), column] = own[task] / by[task]
    return None if np.isnan(found).all(axis=0).any() else found


def profile(charts: Charts) -> Chart | None:
    """The share of runs at or below each normalized regret, mean over tasks."""
    by, words = normalizers(charts)
    curves = []
    for label in charts.labels:
        values = normalized_finals(charts, by, label)
        if values is not None:
            found = performance_profile(values, THRESHOLDS)
            shown = (np.asarray(part, dtype=float) for part in found)
            curves.append(Curve(label, THRESHOLDS, *shown))
    if not curves:
        return None
    return Chart(
        title=f"{len(by)} tasks: {words}",
        x_label="normalized final regret τ",
        y_label="share of runs at τ or below",
        kind="share",
        curves=tuple(curves),
    )


def chances(charts: Charts) -> Chances | None:
    """The probability of improvement of every strategy over every other."""
    tasks, means = mean_finals(charts.blocks, list(charts.labels))
    whole = dict.fromkeys((t for t, row in zip(tasks, means, strict=True)), 1.0)
    found = {label: normalized_finals(charts, whole, label) for label in charts.labels}
    known = {label: values for label, values in found.items() if values is not None}
    if len(known) < 2:
        return None
    labels = tuple(known)
    values, sure = np.full((2, len(labels), len(labels)), np.nan)
    for i, one in enumerate(labels):
        for j in range(i):
            chance = probability_of_improvement(known[one], known[labels[j]], resamples=RESAMPLES)
            values[i, j], values[j, i] = chance.value, 1 - chance.value
            sure[i, j] = sure[j, i] = float(chance.low > 0.5 or chance.high < 0.5)
    return Chances(f"{len(whole)} tasks", labels, values, sure == 1)


def critical(charts: Charts) -> CriticalDifference | str:
    """The data of a critical-difference diagram, or why there is none."""
    from ..stats.across_tasks import Refused, critical_difference

    try:
        return critical_difference(
            mean_finals(charts.blocks, list(charts.labels))[1], charts.labels
        )
    except Refused as refusal:
        return str(refusal)
