"""Random search's expected regret at every number of queries, from the tables themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .random_reference import RandomSearch
from .regret import Floats
from .sources import Results

Answers = Mapping[str, NDArray[np.float64]]
"""What `RandomSearch` takes: ``truth`` (rows,), ``observed`` (rows, trainings), ``spellings``."""
Tables = Callable[[str, str, str], Answers | None]
"""From a task's id, its table's hash and a metric to its answers; None where they differ."""

POINTS = 24
"""Numbers of queries at which the expectation is computed, evenly on a log scale."""


def expectation(
    answers: Answers, optimum: float, queries: int, noise: str
) -> tuple[Floats, Floats]:
    """Numbers of queries up to ``queries``, and the regret random search expects after each.

    A spelling drawn twice is taken to be answered by a training drawn anew. For a search that is
    given the same answer again this is off by what repeats add to the spread: 2e-5 of the value
    at 200 queries on NAS-Bench-201, nothing without noise. It is a hundred times as fast.
    """
    search = RandomSearch(
        answers["truth"],
        answers["observed"] if noise == "sampled" else None,
        spellings=answers["spellings"],
        redraw=True,
        optimum=optimum,
    )
    grid = np.unique(np.round(np.geomspace(1, max(queries, 1), POINTS))).astype(np.int64)
    return grid.astype(np.float64), search.expected(grid)


def jobs(results: Results, tables: Tables | None) -> dict[tuple[str, str], tuple[Any, ...]]:
    """The arguments of `expectation` for each task and metric of which the table is at hand.

    None with a budget that names no queries, several objectives, or answers at fewer epochs than
    all: what random search would do there is not one number a query.
    """
    experiment = results.manifest["experiment"]
    queries = experiment["budget"].get("queries")
    if tables is None or not queries or experiment["workers"] > 1:
        return {}
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for task in results.tasks:
        facts = results.manifest["tasks"][task]
        for metric in ("validation", "test"):
            optimum = facts["optimum"][metric]
            if optimum is None or len(facts.get("objectives") or [None]) > 1:
                continue
            answers = tables(task, facts["hash"], metric)
            if answers is not None:
                found[task, metric] = (answers, optimum, queries, experiment["noise"])
    return found
