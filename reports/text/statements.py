"""What a report may claim: pairs of strategies on each task, and all of them over the tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..record.curves import Block
from ..stats.across_tasks import Refused, critical_difference
from ..stats.paired import Comparison, compare, pair
from ..stats.power import more_seeds
from ..stats.regret import average_rank, last
from .tables import Table, number

MOST = 8
"""Of more strategies than these, not every pair is compared: see `pairs`."""

HOW = (
    "Strategies are paired by seed and compared by the Wilcoxon signed-rank test at a level of "
    "5 %, after Holm's correction; with fewer than six seeds it can show nothing. “No evidence” "
    "does not mean equal: it may take more seeds to tell. A failed run counts as worst."
)
"""How the claims were tested, for their reader."""

Finals = dict[tuple[str, str], dict[int, float]]
"""(task, strategy) -> seed -> final regret, NaN for a run in which every training failed."""


class Statements(NamedTuple):
    """Claims on the final regret of one ``metric``, each with its test.

    ``across`` is one sentence on all tasks together, or on why there is none; ``family`` says
    which pairs were compared, and so over how many tests each p-value is corrected; ``more``
    holds, for each comparison without a difference, how many more seeds would probably show one.
    """

    metric: str
    across: str
    family: str
    comparisons: tuple[Comparison, ...]
    more: tuple[float, ...]

    def on(self, task: str) -> list[str]:
        """The sentences on one task."""
        return [
            each.statement() + _needed(more)
            for each, more in zip(self.comparisons, self.more, strict=True)
            if each.task == task
        ]

    def table(self) -> Table:
        """One row a comparison, with the numbers behind its sentence."""
        header = ["task", "first", "second", "finding", "median difference", "A12", "seeds"]
        header += ["failed", "p", "p (Holm)", "more seeds needed"]
        rows = [
            [
                each.task,
                each.first,
                each.second,
                finding(each),
                number(each.difference),
                number(each.effect),
                str(each.seeds),
                str(each.failed),
                _p(each.p),
                _p(each.corrected),
                _count(more),
            ]
            for each, more in zip(self.comparisons, self.more, strict=True)
        ]
        caption = (
            f"Pairs by final {self.metric} regret, first less second; {self.family}. A12 is the "
            "chance that a run of the first is better; the last column is for a chance of 80 %"
        )
        return Table(f"comparisons-{self.metric}", caption, header, rows)


def statements(blocks: Sequence[Block], labels: Sequence[str]) -> list[Statements]:
    """The claims for each metric that some task has; none for fewer than two strategies."""
    return list(_statements(blocks, labels)) if len(labels) > 1 else []


def _statements(blocks: Sequence[Block], labels: Sequence[str]) -> Iterator[Statements]:
    for metric in ("validation", "test"):
        finals = final_values(blocks, metric)
        if not finals:
            continue
        chosen, family = pairs(finals, labels)
        found = [each for each in compare(finals, chosen) if each.seeds]
        family = f"Holm-corrected over {len(found)} comparisons: {family}"
        more = tuple(_more(finals, each) for each in found)
        yield Statements(metric, across(finals, labels), family, tuple(found), more)


def final_values(blocks: Sequence[Block], metric: str) -> Finals:
    """The final regret of every run, tasks without ``metric`` left out."""
    finals: Finals = {}
    for block in blocks:
        values = last(getattr(block, metric))
        finals[block.task, block.strategy] = dict(
            zip(block.seeds.tolist(), values.tolist(), strict=True)
        )
    known = {key[0] for key, values in finals.items() if not np.isnan(list(values.values())).all()}
    return {key: values for key, values in finals.items() if key[0] in known}


def pairs(finals: Finals, labels: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
    """Which strategies are compared, and that in words.

    Up to `MOST` strategies all pairs are. Of more, each is compared with random search, or with
    the first strategy where there is no random search: every further test makes all others weaker.
    """
    if len(labels) <= MOST:
        found = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
        return found, "every pair of strategies on every task"
    reference = "random" if "random" in labels else labels[0]
    found = [(label, reference) for label in labels if label != reference]
    return found, f"every strategy with {reference} on every task"


def means(
    finals: Finals, labels: Sequence[str]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(tasks, strategies) the mean over runs that have a final regret; NaN where there is none."""
    tasks = list(dict.fromkeys(task for task, _ in finals))
    found = np.full((len(tasks), len(labels)), np.nan)
    for i, task in enumerate(tasks):
        for j, label in enumerate(labels):
            values = np.array(list(finals.get((task, label), {}).values()))
            known = values[~np.isnan(values)]
            if len(known):
                found[i, j] = known.mean()
    return found


def across(finals: Finals, labels: Sequence[str]) -> str:
    """One sentence on all tasks together, or the reason why a test allows none."""
    scores = means(finals, labels)
    try:
        return critical_difference(scores, labels).statement()
    except Refused as refused:
        ranks = average_rank(scores.T)
        best = "" if np.isnan(ranks).all() else f" {labels[int(np.nanargmin(ranks))]} ranks first"
        best += f" on average ({np.nanmin(ranks):.2f}), which is no test." if best else ""
        return f"There is no statement over all tasks: {refused}.{best}"


def _more(finals: Finals, each: Comparison, alpha: float = 0.05) -> float:
    if each.refused or each.corrected < alpha:
        return np.nan
    a, b, _ = pair(finals[each.task, each.first], finals[each.task, each.second])
    differences = (a - b)[~np.isnan(a - b)]
    return more_seeds(differences) if len(differences) > 1 else np.nan


def finding(each: Comparison, alpha: float = 0.05) -> str:
    """The finding in a few words; "no evidence" where the test shows none."""
    if each.refused:
        return "not compared"
    if each.corrected < alpha:
        return f"{each.first if each.sign < 0 else each.second} is better"
    return "equivalent" if each.equivalence < alpha else "no evidence"


def _needed(more: float) -> str:
    if not np.isfinite(more) or more == 0:
        return ""
    return f" {more:,.0f} more seeds would show such a difference with a chance of 80 %."


def _count(more: float) -> str:
    return "–" if np.isnan(more) else "∞" if np.isinf(more) else f"{more:,.0f}"


def _p(value: float) -> str:
    return "–" if np.isnan(value) else "< 0.0001" if value < 1e-4 else f"{value:.4f}"
