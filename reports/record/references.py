"""Random search's expected regret at every number of queries, from the tables themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stats.regret import Floats
from .sources import Results

Answers = Mapping[str, NDArray[np.float64]]
"""What `random_reference.RandomSearch` takes: ``truth`` (rows,), ``observed`` (rows, trainings) and
``spellings`` (rows,)."""
Tables = Callable[[str, str, str], Answers | None]
"""From a task's id, its table's hash and a metric to its answers; None where they differ."""

POINTS = 24
"""Numbers of queries at which the expectation is computed, evenly on a log scale."""


def expectation(
    answers: Answers, optimum: float, queries: int, noise: str
) -> tuple[Floats, Floats]:
    """Numbers of queries up to ``queries``, and the regret random search expects after each.

    A spelling drawn twice is taken to be answered by a training drawn anew, as
    ``RandomSearch(redraw=True)`` does. For a search that is given the same answer again this is off
    by what repeats add to the spread: 2e-5 of the value at 200 queries on NAS-Bench-201, nothing
    without noise. It takes one sort of the answers.
    """
    truth = np.asarray(answers["truth"]) - optimum
    seen = answers["observed"] if noise == "sampled" else np.asarray(answers["truth"])[:, None]
    if noise != "sampled":
        seen = np.where(np.isnan(seen), np.inf, seen)
    trainings = np.maximum((~np.isnan(seen)).sum(axis=1), 1)
    row, column = np.nonzero(np.isfinite(seen))
    share = (np.asarray(answers["spellings"]) / trainings)[row]
    order = np.argsort(seen[row, column], kind="stable")
    value, share, regret = seen[row, column][order], share[order], truth[row][order]
    # Equal answers share the chance to be the incumbent's.
    first = np.flatnonzero(np.concatenate([[True], value[1:] != value[:-1]]))
    weight = np.add.reduceat(share, first)
    mean = np.add.reduceat(share * regret, first) / weight
    total = float(np.asarray(answers["spellings"]).sum())
    left = 1 - np.concatenate([[0.0], np.cumsum(weight)]) / total
    grid = np.unique(np.round(np.geomspace(1, max(queries, 1), POINTS)))
    met = -np.diff(np.maximum(left, 0.0) ** grid[:, None], axis=1)
    return grid, met @ mean / met.sum(axis=1)


def jobs(results: Results, tables: Tables | None) -> dict[tuple[str, str], tuple[Any, ...]]:
    """The arguments of `expectation` for each task and metric of which the table is at hand.

    None with a budget that names no queries, several objectives, or answers at fewer epochs than
    all: what random search would do there is not one number a query.
    """
    experiment = results.manifest.experiment
    queries = experiment.budget.queries
    if tables is None or not queries or experiment.workers > 1:
        return {}
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for task in results.tasks:
        facts = results.manifest.tasks[task]
        for metric in ("validation", "test"):
            optimum = facts.optimum.of(metric)
            if optimum is None or len(facts.objectives) > 1:
                continue
            answers = tables(task, facts.hash, metric)
            if answers is not None:
                found[task, metric] = (answers, optimum, queries, experiment.noise)
    return found
