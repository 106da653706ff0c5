"""Is a strategy better than the baselines? One figure a run, tests paired by seed, in words.

The figure is the final validation regret. Over all tasks it is each run's regret divided by what
random search expects there at that budget, averaged over the tasks: that verdict is about these
tasks, with other seeds, and says nothing of other tasks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bench._base.errors import StoreError

if TYPE_CHECKING:
    from .record.curves import Block
    from .stats.paired import Comparison
    from .text.tables import Table

Floats = NDArray[np.float64]
Runs = Mapping[tuple[str, str], Mapping[int, float]]
ALL = "all tasks"
ALPHA = 0.05


@dataclass(frozen=True)
class RandomCurve:
    """Random search's expected regret on a task after ``queries``, increasing; (n,) each."""

    queries: Floats
    expected: Floats

    def at(self, queries: float) -> float:
        """The expected regret after so many queries, read off along their logarithm."""
        return float(np.interp(np.log(queries), np.log(self.queries), self.expected))

    def worth(self, regret: float) -> float:
        """How many random queries have this expected regret; NaN for NaN.

        0 for a regret above that of one query, ``inf`` for one that the curve does not reach.
        """
        best = np.minimum.accumulate(self.expected)
        if np.isnan(regret) or regret > best[0]:
            return 0.0 if regret > best[0] else float("nan")
        if regret < best[-1]:
            return float("inf")
        # A curve that is level has its value from the first point on.
        keep = np.concatenate([[True], best[1:] < best[:-1]])
        return float(np.exp(np.interp(-regret, -best[keep], np.log(self.queries[keep]))))


@dataclass(frozen=True)
class Line:
    """A strategy on a task: mean final regret, over how many runs, its rank, and its worth.

    ``worth`` is how many queries random search needs for the same expected regret, NaN where that
    is not known.
    """

    task: str
    strategy: str
    regret: float
    runs: int
    rank: float
    of: int
    worth: float


@dataclass(frozen=True)
class Verdict:
    """All that is known of ``label`` against the ``baselines``."""

    label: str
    baselines: tuple[str, ...]
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]

    def word(self, task: str, baseline: str) -> str:
        """better, worse or no evidence; nothing where there is nothing to compare."""
        for found in self.comparisons:
            if (found.task, found.second) == (task, baseline):
                if found.refused:
                    return "–"
                if found.corrected < ALPHA:
                    return "better" if found.sign < 0 else "worse"
                return "no evidence"
        return "–"

    @property
    def tasks(self) -> list[str]:
        """The tasks, and the verdict over all of them last."""
        return list(dict.fromkeys(found.task for found in self.comparisons))

    def tables(self) -> list[Table]:
        """How the strategy fares by itself, and against each baseline."""
        from .text.tables import Table, number

        own = [line for line in self.lines if line.strategy == self.label]
        rows = [
            [
                line.task,
                number(line.regret),
                f"{line.rank:g} of {line.of}",
                _worth(line.worth),
                str(line.runs),
            ]
            for line in own
        ]
        header = ["task", "mean final regret", "rank", "worth in random queries", "runs"]
        caption = (
            f"{self.label}: final validation regret; over {ALL} in units of what random search "
            "expects at this budget"
        )
        tables = [Table("standing", caption, header, rows)]
        tasks = self.tasks
        rows = [[b, *(self.word(task, b) for task in tasks)] for b in self.baselines]
        caption = (
            f"{self.label} against each baseline: Wilcoxon signed-rank tests paired by seed, "
            f"Holm-corrected over this table, α = {ALPHA:g}"
        )
        tables.append(Table("verdict", caption, ["against", *tasks], rows))
        return tables

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; numbers that are not finite as text."""

        def plain(value: Any) -> Any:
            return str(value) if isinstance(value, float) and not np.isfinite(value) else value

        return {
            "strategy": self.label,
            "standing": [{k: plain(v) for k, v in line.__dict__.items()} for line in self.lines],
            "comparisons": [
                {k: plain(v) for k, v in found.__dict__.items()}
                | {"verdict": self.word(found.task, found.second)}
                for found in self.comparisons
            ],
        }


def _worth(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "more than can be told" if np.isinf(value) else f"{value:,.0f}"


def verdict(runs: Runs, label: str, curves: Mapping[str, RandomCurve], queries: float) -> Verdict:
    """Judge ``label`` against all other strategies in ``runs``.

    ``runs`` holds, for each (task, strategy), seed -> final regret, NaN for a run without an
    incumbent; ``curves`` random search's curve of each task, where it is known, and ``queries``
    how many queries a run has.

    Raises:
        ValueError: if there are no runs of ``label`` or of nobody else.
    """
    from .stats.paired import compare

    tasks = list(dict.fromkeys(task for task, _ in runs))
    baselines = tuple(dict.fromkeys(s for _, s in runs if s != label))
    if not baselines or not any(strategy == label for _, strategy in runs):
        raise ValueError(f"expected runs of {label!r} and of at least one other strategy")
    everything = dict(runs)
    if len(tasks) > 1 and all(task in curves for task in tasks):
        scale = {task: curves[task].at(queries) for task in tasks}
        for strategy in (label, *baselines):
            together = _together([runs.get((t, strategy), {}) for t in tasks], list(scale.values()))
            if together:
                everything[ALL, strategy] = together
    there = {task for task, strategy in everything if strategy == label}
    compared = compare(
        {key: values for key, values in everything.items() if key[0] in there},
        [(label, baseline) for baseline in baselines],
    )
    known = [c for c in compared if (c.task, c.second) in everything]
    return Verdict(label, baselines, tuple(_lines(everything, curves)), tuple(known))


def _together(runs: Sequence[Mapping[int, float]], scale: Sequence[float]) -> dict[int, float]:
    """Seed -> mean over tasks of the scaled regret, of the seeds that all tasks have."""
    seeds = set(runs[0]).intersection(*runs[1:])
    return {
        seed: float(np.mean([r[seed] / s for r, s in zip(runs, scale, strict=True)]))
        for seed in sorted(seeds)
        if all(s > 0 for s in scale)
    }


def _lines(runs: Runs, curves: Mapping[str, RandomCurve]) -> list[Line]:
    from scipy.stats import rankdata

    lines = []
    for task in dict.fromkeys(task for task, _ in runs):
        own = {s: np.array(list(v.values())) for (t, s), v in runs.items() if t == task and v}
        finished = {s: values[~np.isnan(values)] for s, values in own.items()}
        means = {s: float(v.mean()) if len(v) else float("nan") for s, v in finished.items()}
        ranks = rankdata([np.inf if np.isnan(m) else m for m in means.values()])
        for (strategy, mean), rank in zip(means.items(), ranks, strict=True):
            worth = curves[task].worth(mean) if task in curves else float("nan")
            count = len(own[strategy])
            lines.append(Line(task, strategy, mean, count, float(rank), len(means), worth))
    return lines


def final_regrets(found: Sequence[Block]) -> dict[tuple[str, str], dict[int, float]]:
    """(task, strategy) -> seed -> final validation regret of each run."""
    from .stats.regret import last

    return {
        (block.task, block.strategy): dict(
            zip(block.seeds.tolist(), last(block.validation).tolist(), strict=True)
        )
        for block in found
    }


def write_verdict(
    results: str | os.PathLike[str],
    label: str,
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    formats: Sequence[str] | None = None,
) -> tuple[Path | None, Verdict]:
    """Judge a results folder and write its report, the verdict first; the report's page.

    ``curves`` holds random search's queries and expected regret of each task. No ``formats``: no
    report.

    Raises:
        StoreError: if there is nothing to compare.
    """
    from .record.sources import open_record
    from .report import write_report

    record = open_record([results])
    runs = list(record.blocks())
    queries = record.manifest.experiment.budget.queries
    known = {
        task: RandomCurve(np.array(steps, float), np.array(expected, float))
        for task, (steps, expected) in curves.items()
    }
    try:
        found = verdict(final_regrets(runs), label, known, queries or 100.0)
    except ValueError as error:
        raise StoreError(f"{results}: {error}") from error
    if not formats:
        return None, found
    page = write_report(results, formats=formats, first=found.tables(), focus=label, figures=False)
    return page, found
