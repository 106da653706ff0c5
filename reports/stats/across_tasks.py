"""Strategies compared over many tasks: average ranks and critical differences.

``losses`` are (tasks, strategies), one figure each (a mean over seeds, say); less is better. Tasks
on which a strategy has no figure (NaN) are left out, and counted.

Source: Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006;
Benavoli, Corani & Mangili, "Should We Really Use Post-Hoc Tests Based on Mean-Ranks?", JMLR 17,
2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .paired import holm, p_value
from .regret import Floats

MIN_TASKS = 6
"""The fewest on which a two-sided signed-rank test can reach 0.05: 2 / 2**6 = 0.031."""

POST_HOC = ("nemenyi", "wilcoxon-holm")


class Refused(ValueError):
    """The data do not allow the test; the message says why, for the reader of a report."""


class Friedman(NamedTuple):
    """Average ``ranks`` (strategies,), 1 is best; the tie-corrected statistic and its p-value.

    ``f`` and ``p_f`` are Iman & Davenport's less conservative form, F-distributed.
    """

    ranks: Floats
    chi2: float
    p: float
    f: float
    p_f: float
    tasks: int


@dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows.

    ``order`` names the strategies from best to worst average rank, and ``ranks`` goes with it.
    ``p`` (strategies, strategies) holds the pairwise p-values in that order, corrected for their
    number. A clique joins strategies next to each other, (first, last) in that order, among which
    no pair differs at ``alpha``; only the largest are named. ``difference`` is Nemenyi's critical
    difference of average ranks, NaN for Wilcoxon–Holm.
    """

    order: tuple[str, ...]
    ranks: Floats
    p: Floats
    cliques: tuple[tuple[int, int], ...]
    difference: float
    test: str
    alpha: float
    tasks: int
    left_out: int
    friedman: Friedman | None

    def statement(self) -> str:
        """What the test allows to be said, in words."""
        words = f"{self.order[0]} has the best average rank over {self.tasks} tasks"
        words += f" ({self.ranks[0]:.2f})"
        worse = [
            name for name, p in zip(self.order[1:], self.p[0, 1:], strict=True) if p < self.alpha
        ]
        if self.friedman is not None:
            words += f"; Friedman test p = {self.friedman.p:.3g}"
        if worse:
            words += f"; it differs from {', '.join(worse)} ({self.test}, α = {self.alpha:g})"
        rest = [name for name in self.order[1:] if name not in worse]
        if rest:
            words += f"; there is no evidence of a difference between it and {', '.join(rest)}"
        return words + "."


def complete(losses: Floats) -> tuple[Floats, int]:
    """The tasks on which every strategy has a figure, and how many are left out.

    Raises:
        Refused: if there are fewer than `MIN_TASKS` of them, or fewer than two strategies.
    """
    if losses.ndim != 2 or losses.shape[1] < 2:
        raise Refused(
            f"a comparison needs losses (tasks, strategies) of two strategies at least, "
            f"got shape {losses.shape}"
        )
    kept = losses[~np.isnan(losses).any(axis=1)]
    if len(kept) < MIN_TASKS:
        raise Refused(
            f"{len(kept)} task{'s' * (len(kept) != 1)} on which every strategy has a result; a "
            f"test across tasks needs {MIN_TASKS}: with fewer, no outcome at all of a two-sided "
            "signed-rank test is significant at 0.05. Compare the strategies task by task"
        )
    return kept, len(losses) - len(kept)


def friedman(losses: Floats) -> Friedman:
    """The Friedman test that all strategies rank alike over tasks.

    Raises:
        Refused: with fewer than three strategies (use the signed-rank test) or too few tasks.
    """
    from scipy.stats import f, friedmanchisquare, rankdata

    kept, _ = complete(losses)
    tasks, count = kept.shape
    if count < 3:
        raise Refused("the Friedman test needs three strategies; use the signed-rank test for two")
    ranks: Floats = rankdata(kept, axis=1)
    if (ranks == ranks[0, 0]).all():  # every task is one tie: nothing speaks against it
        return Friedman(ranks.mean(axis=0), 0.0, 1.0, 0.0, 1.0, tasks)
    chi2, p = (float(x) for x in friedmanchisquare(*kept.T))
    rest = tasks * (count - 1) - chi2
    ratio = (tasks - 1) * chi2 / rest if rest > 1e-12 else np.inf
    p_f = float(f.sf(ratio, count - 1, (count - 1) * (tasks - 1)))
    return Friedman(ranks.mean(axis=0), chi2, p, ratio, p_f, tasks)


def nemenyi_difference(strategies: int, tasks: int, alpha: float = 0.05) -> float:
    """The least difference of average ranks that the Nemenyi test finds at ``alpha``."""
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - alpha, strategies, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(strategies * (strategies + 1) / (6 * tasks)))


def nemenyi(losses: Floats) -> Floats:
    """(strategies, strategies) p-values of the Nemenyi test; 1 on the diagonal.

    Raises:
        Refused: as `friedman` does.
    """
    from scipy.stats import studentized_range

    found = friedman(losses)
    count = len(found.ranks)
    apart = np.abs(found.ranks[:, None] - found.ranks)
    q = apart / np.sqrt(count * (count + 1) / (6 * found.tasks)) * np.sqrt(2)
    upper = np.triu_indices(count, 1)
    p = np.ones((count, count))
    p[upper] = np.clip(studentized_range.sf(q[upper], count, np.inf), 0, 1)
    p.T[upper] = p[upper]
    return p


def wilcoxon_holm(losses: Floats) -> Floats:
    """(strategies, strategies) p-values of signed-rank tests over tasks, Holm-corrected.

    Unlike Nemenyi's they do not depend on which other strategies take part, but for the correction
    (Benavoli et al. 2016).

    Raises:
        Refused: with fewer than two strategies or too few tasks.
    """
    kept, _ = complete(losses)
    count = kept.shape[1]
    pairs = list(combinations(range(count), 2))
    corrected = holm([p_value(kept[:, i] - kept[:, j]) for i, j in pairs])
    p = np.ones((count, count))
    for (i, j), value in zip(pairs, corrected, strict=True):
        p[i, j] = p[j, i] = value
    return p


def critical_difference(
    losses: Floats, labels: Sequence[str], *, test: str = "nemenyi", alpha: float = 0.05
) -> CriticalDifference:
    """The data of a critical-difference diagram, by Nemenyi's test or pairwise signed ranks.

    Two strategies are always compared by the signed-rank test.

    Raises:
        Refused: where there are too few tasks or strategies; the message explains it.
        ValueError: if ``test`` is none of `POST_HOC`.
    """
    from scipy.stats import rankdata

    if test not in POST_HOC:
        raise ValueError(f"test: expected one of {', '.join(POST_HOC)}, got {test!r}")
    kept, left_out = complete(losses)
    tasks, count = kept.shape
    test = "wilcoxon-holm" if count == 2 else test
    p = nemenyi(kept) if test == "nemenyi" else wilcoxon_holm(kept)
    ranks = rankdata(kept, axis=1).mean(axis=0)
    order = np.argsort(ranks, kind="stable")
    ordered = p[np.ix_(order, order)]
    return CriticalDifference(
        order=tuple(labels[i] for i in order),
        ranks=ranks[order],
        p=ordered,
        cliques=cliques(ordered >= alpha),
        difference=nemenyi_difference(count, tasks, alpha) if test == "nemenyi" else np.nan,
        test=test,
        alpha=alpha,
        tasks=tasks,
        left_out=left_out,
        friedman=friedman(kept) if count > 2 else None,
    )


def cliques(alike: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """The largest stretches (first, last) of two and more in which every pair is ``alike``."""
    found: list[tuple[int, int]] = []
    for first in range(len(alike)):
        last = first
        while last + 1 < len(alike) and alike[first : last + 1, last + 1].all():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)
