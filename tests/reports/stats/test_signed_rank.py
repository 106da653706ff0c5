"""The one signed-rank test, against every assignment of signs, scipy and Demšar's example."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import PLAIN, TUNED
from scipy.stats import norm, rankdata, wilcoxon

from nasarena.reports.gate.gate import Options, compare_metric
from nasarena.reports.stats.paired import compare
from nasarena.reports.stats.signed_rank import signed_rank


def by_all_signs(d):
    """The two-sided p-value by going through every assignment of signs."""
    ranks = np.where(d == 0, 0, rankdata(np.abs(d)))
    observed = abs((ranks * np.sign(d)).sum())
    sums = np.abs(np.array(list(product((-1, 1), repeat=len(d)))) @ ranks)
    return np.mean(sums >= observed - 1e-9)


@given(st.lists(st.integers(-3, 5), min_size=1, max_size=10))
def test_it_is_exact_with_ties_and_zeros(differences):
    d = np.array(differences, dtype=float)
    found = signed_rank(d)
    assert found.p == pytest.approx(by_all_signs(d))
    assert found.statistic == rankdata(np.abs(d)) @ np.sign(d)
    assert signed_rank(-d) == (-found.statistic, found.p)


def test_it_agrees_with_scipy_where_there_are_neither_ties_nor_zeros():
    d = np.random.default_rng(0).normal(0.3, 1, size=30)
    assert signed_rank(d).p == pytest.approx(wilcoxon(d, method="exact").pvalue, rel=1e-12)
    assert signed_rank(d).statistic > 0


def test_beyond_its_limit_it_is_nearly_the_same():
    many = np.random.default_rng(1).normal(0.1, 1, size=400)
    assert signed_rank(many).p == pytest.approx(wilcoxon(many).pvalue, rel=0.02)
    exact, normal = signed_rank(many[:300]), signed_rank(many[:301])
    assert normal.p == pytest.approx(exact.p, rel=0.1)


def test_far_tails_are_exact():
    assert signed_rank(np.arange(1.0, 101)).p == pytest.approx(2.0**-99, rel=1e-12)
    assert signed_rank(np.ones(100)).p == pytest.approx(2.0**-99, rel=1e-12)


def test_without_a_difference_there_is_nothing_against_it():
    assert signed_rank(np.zeros(5)) == (0.0, 1.0)
    assert signed_rank(np.empty(0)) == (0.0, 1.0)


def test_zeros_take_weight_from_the_rest():
    """Dropped before the ranking, they would leave three small differences against a large one."""
    few = np.array([1.0, 1, 1, 1, 1, 1, 1, -9])
    assert signed_rank(np.r_[np.zeros(20), few]).p < signed_rank(few).p
    assert signed_rank(np.r_[np.zeros(20), few]).p == pytest.approx(2 * 9 / 256)  # a sign test


def test_demsars_worked_example():
    # Demšar 2006, section 3.1.3: R+ = 93 and R- = 12, and z by its equation.
    found = signed_rank(np.subtract(PLAIN, TUNED))
    assert abs(found.statistic) == 93 - 12
    z = (12 - 14 * 15 / 4) / np.sqrt(14 * 15 * 29 / 24)
    assert found.p == pytest.approx(2 * norm.sf(-z), abs=0.006)


def test_reports_and_gates_have_one_test():
    old, new = np.zeros(16), np.array([0.0] * 10 + [1.0] * 6)
    runs = {("t", "old"): dict(enumerate(old)), ("t", "new"): dict(enumerate(new))}
    (said,) = compare(runs)
    assert said.p == compare_metric("final", "", old, new, Options()).p == 2 / 2**6
