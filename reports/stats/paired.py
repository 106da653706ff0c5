"""Two strategies on one task, paired by seed: whether they differ, by how much, or not to speak of.

Values are losses, one a seed and strategy; less is better. A run that failed (NaN) counts as worse
than any that finished, and is counted; a seed that only one of the two ran is left out, and
counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .regret import Floats
from .signed_rank import signed_rank

TESTS = ("wilcoxon", "permutation")


def holm(p: ArrayLike) -> Floats:
    """p-values corrected for their number by Holm's step-down method (Holm 1979), same shape.

    NaN stands for a test that was not made, and is not counted.
    """
    values = np.asarray(p, dtype=float)
    found = np.full(values.shape, np.nan)
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    steps = np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(values[known][order] * steps), 1.0)
    found[known] = corrected
    return found


def a12(values: ArrayLike, others: ArrayLike) -> float:
    """The chance that one of ``values`` is less than one of ``others``; equal counts half.

    Vargha & Delaney 2000, for losses: above 0.5 the first is better; 0.56, 0.64 and 0.71 are called
    a small, medium and large difference. Failed runs (NaN) are worse than any other.
    """
    a, b = _worst_last(np.asarray(values, dtype=float), np.asarray(others, dtype=float))
    return float(((a[:, None] < b).mean() + (a[:, None] <= b).mean()) / 2)


def _worst_last(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Failed runs as a finite value that is further away than all others."""
    both = np.concatenate([a, b])
    known = both[np.isfinite(both)]
    worst = 1.0 if len(known) == 0 else known.max() + 2 * (np.ptp(known) or abs(known[0]) or 1.0)
    return np.where(np.isfinite(a), a, worst), np.where(np.isfinite(b), b, worst)


@dataclass(frozen=True)
class Comparison:
    """What is known of ``first`` against ``second`` on ``task``.

    ``difference`` is the median over seeds of first less second, in units of the loss, and ``sign``
    the sign of the sum of their signed ranks: negative where the first is better. ``p`` is the
    two-sided p-value of ``test`` and ``corrected`` the same after Holm's correction over the family
    of comparisons made together; ``equivalence`` the p-value of the equivalence test with
    ``margin``, NaN if there was none. ``refused`` says why there is no test.
    """

    task: str
    first: str
    second: str
    seeds: int
    unpaired: int
    failed: int
    difference: float
    sign: float
    effect: float
    p: float
    corrected: float
    test: str
    margin: float | None = None
    equivalence: float = np.nan
    refused: str = ""

    def statement(self, alpha: float = 0.05) -> str:
        """One sentence that claims no more than the tests do."""
        where = f"on {self.task} " if self.task else ""
        if self.refused:
            return f"{self.first} and {self.second} {where}were not compared: {self.refused}."
        facts = f"median difference {self.difference:.3g}, A12 {self.effect:.2f}"
        facts += f", {self.seeds} paired seeds, {self.test} test"
        facts += f", Holm-corrected p = {self.corrected:.3g}"
        if self.failed:
            facts += f", {self.failed} failed runs counted as worst"
        equivalent = self.equivalence < alpha
        if self.corrected < alpha:
            better, worse = self.first, self.second
            if self.sign > 0:
                better, worse = worse, better
            words = f"{better} is better than {worse} {where}({facts})"
            if equivalent:
                words += f", but by less than the margin of {self.margin:g}"
        elif equivalent:
            words = f"{self.first} and {self.second} {where}are equivalent within ±{self.margin:g}"
            words += f" (TOST p = {self.equivalence:.3g}; {facts})"
        else:
            words = f"There is no evidence of a difference between {self.first} and {self.second}"
            words += f" {where}({facts})"
        return f"{words}."


def p_value(differences: Floats, test: str = "wilcoxon", *, seed: int = 0) -> float:
    """The two-sided p-value that paired ``differences`` (seeds,) lie around 0.

    ``"wilcoxon"`` is `signed_rank`. ``"permutation"`` flips the signs of the differences and looks
    at their mean: exact up to 13 seeds, by 10,000 draws beyond. If all differences are zero there
    is nothing against it: 1.

    Raises:
        ValueError: if ``test`` is none of `TESTS`, or there are fewer than two differences.
    """
    from scipy.stats import permutation_test

    if test not in TESTS:
        raise ValueError(f"test: expected one of {', '.join(TESTS)}, got {test!r}")
    if len(differences) < 2:
        raise ValueError(f"expected at least two paired seeds, got {len(differences)}")
    if not differences.any():
        return 1.0
    if test == "wilcoxon":
        return signed_rank(differences).p
    found = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=10_000,
        rng=np.random.default_rng(seed),
        vectorized=True,
    )
    return float(found.pvalue)


def equivalence(differences: Floats, margin: float) -> float:
    """The p-value of the two one-sided paired t-tests that the mean is within ±``margin``.

    Schuirmann 1987 (TOST). Small: the mean difference is smaller than the margin to either side.
    Where all differences are the same number there is no spread to test against: 0 or 1.

    Raises:
        ValueError: unless the margin is above 0 and there are at least two differences, all finite.
    """
    from scipy.stats import ttest_1samp

    if not margin > 0:
        raise ValueError(f"margin: expected more than 0, in units of the loss, got {margin}")
    if len(differences) < 2 or not np.isfinite(differences).all():
        raise ValueError("expected at least two paired seeds in which both runs finished")
    if np.ptp(differences) == 0:
        return 0.0 if abs(differences[0]) < margin else 1.0
    low = ttest_1samp(differences, -margin, alternative="greater").pvalue
    high = ttest_1samp(differences, margin, alternative="less").pvalue
    return float(max(low, high))


def pair(values: Mapping[int, float], others: Mapping[int, float]) -> tuple[Floats, Floats, int]:
    """The values of the seeds that both hold, and how many seeds only one of them holds."""
    both = sorted(set(values) & set(others))
    unpaired = len(set(values) ^ set(others))
    return np.array([values[s] for s in both]), np.array([others[s] for s in both]), unpaired


def compare(
    runs: Mapping[tuple[str, str], Mapping[int, float]],
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    test: str = "wilcoxon",
    margin: float | None = None,
) -> list[Comparison]:
    """Every pair of strategies on every task, Holm-corrected over all of them together.

    ``runs`` holds, for each (task, strategy), seed -> final loss or regret, NaN for a failed run.
    ``pairs`` are those to compare; None: all. ``margin`` is the difference, in units of the loss,
    that is too small to matter; None: no equivalence test. Seeds on which a run failed take part in
    the test of difference, as worst, and make an equivalence test impossible.

    A pair with fewer than two seeds in common is refused, not left out.
    """
    tasks = list(dict.fromkeys(task for task, _ in runs))
    labels = list(dict.fromkeys(label for _, label in runs))
    if pairs is None:
        pairs = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    found = [
        _one(task, a, b, runs.get((task, a), {}), runs.get((task, b), {}), test, margin)
        for task in tasks
        for a, b in pairs
    ]
    corrected = holm([each.p for each in found])
    return [
        replace(each, corrected=float(value)) for each, value in zip(found, corrected, strict=True)
    ]


def _one(
    task: str,
    first: str,
    second: str,
    values: Mapping[int, float],
    others: Mapping[int, float],
    test: str,
    margin: float | None,
) -> Comparison:
    a, b, unpaired = pair(values, others)
    failed = int(np.isnan(a).sum() + np.isnan(b).sum())
    finished = ~np.isnan(a) & ~np.isnan(b)
    difference = float(np.median((a - b)[finished])) if finished.any() else np.nan
    facts = (task, first, second, len(a), unpaired, failed, difference)
    if len(a) < 2:
        why = f"they have {len(a)} seed{'s' * (len(a) != 1)} in common, a test needs two"
        nothing = (np.nan, np.nan, np.nan, np.nan)
        return Comparison(*facts, *nothing, test, margin, np.nan, why)
    filled, others_filled = _worst_last(a, b)
    differences = filled - others_filled
    sign = float(np.sign(signed_rank(differences).statistic))
    same = np.nan
    if margin is not None:
        same = equivalence(a - b, margin) if finished.all() else 1.0
    p = p_value(differences, test)
    return Comparison(*facts, sign, a12(a, b), p, np.nan, test, margin, same)
