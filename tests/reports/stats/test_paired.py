import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasarena.reports.stats.paired import (
    _worst_last,
    a12,
    compare,
    equivalence,
    holm,
    p_value,
    pair,
)

nan = np.nan
RNG = np.random.default_rng(0)

# Demšar 2006, table 2: losses of C4.5 and C4.5 with m tuned, on 14 data sets.


def runs(a, b, task="t"):
    return {(task, "a"): dict(enumerate(a)), (task, "b"): dict(enumerate(b))}


def test_holm_by_hand_and_with_tests_not_made():
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    found = holm([0.01, nan, 0.5])
    np.testing.assert_allclose(found, [0.02, nan, 0.5])
    assert holm([]).shape == (0,)


def test_holm_on_demsars_worked_example():
    # Demšar 2006, section 3.2.2: C4.5+m+cf and C4.5+m differ from C4.5 at 0.05, C4.5+cf does not.
    from scipy.stats import norm

    z = (3.143 - np.array([1.964, 2.0, 2.893])) / np.sqrt(4 * 5 / (6 * 14))
    p = 2 * norm.sf(z)
    assert p == pytest.approx([0.016, 0.019, 0.607], abs=2e-3)
    assert (holm(p) < 0.05).tolist() == [True, True, False]


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_agrees_with_statsmodels(p):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1])


def test_the_permutation_test_is_exact_for_few_seeds():
    differences = np.array([3.0, 1, 2, 5])
    assert p_value(differences, "permutation") == pytest.approx(2 / 16)
    many = RNG.normal(0.4, 1, 40)
    assert p_value(many, "permutation") == pytest.approx(p_value(many), abs=0.03)
    assert p_value(many, "permutation") == p_value(many, "permutation")


@pytest.mark.parametrize("test", ["wilcoxon", "permutation"])
def test_it_errs_as_often_as_it_says(test):
    rng = np.random.default_rng(1)
    found = [p_value(rng.normal(size=9), test) for _ in range(200)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.04)


def test_effect_sizes_by_hand():
    assert a12([1, 2], [2, 3]) == (1 + 1 + 0.5 + 1) / 4
    assert a12([5, 5], [5, 5]) == 0.5
    assert a12([1, nan], [2, nan]) == (1 + 1 + 0 + 0.5) / 4  # failed runs are worst
    assert a12([nan], [nan]) == 0.5
    assert a12([-3.0], [-2.0]) == 1


@pytest.mark.parametrize("known", [[5.0], [0.0], [-3.0, -3.0], [1.0, 11.0], [4.0, -6.0, 0.5]])
def test_a_failed_run_is_further_from_every_run_than_any_two_are_apart(known):
    values, others = _worst_last(np.array([nan, *known]), np.array([*known, np.inf]))
    assert values[1:].tolist() == others[:-1].tolist() == known
    assert values[0] == others[-1] < np.inf
    assert values[0] - max(known) > max(known) - min(known)
    assert a12([nan], known) == 0
    assert a12(known, [nan]) == 1


def test_equivalence_agrees_with_statsmodels():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    for shift in (0.0, 0.2, 0.6):
        a = RNG.normal(size=25)
        b = a + RNG.normal(shift, 0.3, 25)
        theirs = weightstats.ttost_paired(a, b, -0.5, 0.5)[0]
        assert equivalence(a - b, 0.5) == pytest.approx(theirs)


def test_equivalence_refuses_nonsense():
    assert equivalence(np.full(4, 0.1), 0.2) == 0
    assert equivalence(np.full(4, -0.3), 0.2) == 1
    with pytest.raises(ValueError, match="more than 0"):
        equivalence(np.ones(3), 0)
    with pytest.raises(ValueError, match="both runs finished"):
        equivalence(np.array([1.0, nan]), 1)


def test_statements_claim_no_more_than_the_tests():
    base = RNG.normal(5, 1, 20)
    (better,) = compare(runs(base - 1, base))
    assert better.statement().startswith("a is better than b on t (median difference -1")
    (worse,) = compare(runs(base + 1, base))
    assert worse.statement().startswith("b is better than a on t")
    noise = RNG.normal(0, 0.2, 20)
    noise -= noise.mean()
    (unknown,) = compare(runs(base + noise, base))
    assert unknown.statement().startswith("There is no evidence of a difference between a and b")
    (same,) = compare(runs(base + noise, base), margin=0.5)
    assert same.statement().startswith("a and b on t are equivalent within ±0.5 (TOST p = ")
    (narrow,) = compare(runs(base + noise, base), margin=0.01)
    assert "no evidence" in narrow.statement()
    (small,) = compare(runs(base - 0.1 + noise / 100, base), margin=0.5)
    assert small.statement().endswith(", but by less than the margin of 0.5.")
    for each in (better, worse, unknown, same, narrow, small):
        assert "equal" not in each.statement()


def test_the_correction_is_over_all_tasks_and_pairs():
    many = {}
    for task in "xyz":
        base = RNG.normal(size=15)
        for shift, label in ((0.0, "a"), (0.3, "b"), (0.5, "c")):
            many[task, label] = dict(enumerate(base + RNG.normal(shift, 0.5, 15)))
    found = compare(many)
    assert len(found) == 9
    assert [each.corrected for each in found] == pytest.approx(holm([each.p for each in found]))
    few = compare(many, pairs=[("a", "c")])
    assert [each.first + each.second for each in few] == ["ac"] * 3


def test_failed_runs_are_worst_and_counted():
    base = list(RNG.normal(size=10))
    (found,) = compare(runs(base, [x + 1 for x in base[:8]] + [nan, nan]), margin=2.0)
    assert found.failed == 2
    assert found.p < 0.05
    assert found.equivalence == 1
    assert "2 failed runs counted as worst" in found.statement()
    (all_failed,) = compare(runs([nan] * 4, [nan] * 4))
    assert all_failed.p == 1
    assert np.isnan(all_failed.difference)


def test_missing_seeds_are_left_out_and_counted():
    a, b, unpaired = pair({0: 1.0, 2: 3.0, 5: 4.0}, {2: 1.0, 0: 9.0, 7: 0.0})
    assert (a.tolist(), b.tolist(), unpaired) == ([1, 3], [9, 1], 2)


def test_one_seed_and_one_strategy_and_constant_values():
    (one,) = compare(runs([1.0], [2.0]))
    assert np.isnan(one.p)
    assert one.statement() == (
        "a and b on t were not compared: they have 1 seed in common, a test needs two."
    )
    assert compare({("t", "a"): {0: 1.0, 1: 2.0}}) == []
    (constant,) = compare(runs([-2.0] * 9, [-2.0] * 9))
    assert (constant.p, constant.corrected, constant.effect) == (1, 1, 0.5)
    (missing,) = compare(runs([1.0, 2.0], []))
    assert missing.refused == "they have 0 seeds in common, a test needs two"


def test_unknown_tests_are_refused():
    with pytest.raises(ValueError, match="wilcoxon, permutation, got 'sign'"):
        p_value(np.ones(5), "sign")
    with pytest.raises(ValueError, match="two paired seeds"):
        p_value(np.ones(1))


def test_zeros_count_for_both_sides():
    # Ten ties and six losses: exactly, all six the same way by chance in 2 of 2**6 cases.
    assert p_value(np.array([0.0] * 10 + [1.0] * 6)) == pytest.approx(2 / 64, abs=0.0015)


def statements(differences, margin=None, **failed):
    base = np.arange(len(differences)) / 10
    values, others = dict(enumerate(base + differences)), dict(enumerate(base))
    values.update({int(seed[1:]): value for seed, value in failed.items()})
    (found,) = compare({("", "a"): values, ("", "b"): others}, margin=margin)
    return found


def test_statements_in_full():
    shift = np.array([-1.0, -1.1, -0.9, -1.2, -0.8, -1.3, -0.7, -1.4, -0.6, -1.5])
    better = statements(shift)
    assert better.statement() == (
        "a is better than b (median difference -1.05, A12 0.97, 10 paired seeds, wilcoxon test, "
        "Holm-corrected p = 0.00195)."
    )
    assert better.statement(alpha=0.001).startswith("There is no evidence of a difference between")
    assert statements(-shift).statement().startswith("b is better than a (median difference 1.05, ")
    failed = statements(shift, s3=nan)
    assert failed.statement() == (
        "There is no evidence of a difference between a and b (median difference -1, A12 0.87, "
        f"10 paired seeds, wilcoxon test, Holm-corrected p = {failed.corrected:.3g}, 1 failed runs "
        "counted as worst)."
    )
    close = statements(np.array([0.1, -0.1, 0.2, -0.2, 0.15, -0.15]), margin=0.5)
    assert close.statement() == (
        f"a and b are equivalent within ±0.5 (TOST p = {close.equivalence:.3g}; median difference "
        f"0, A12 0.51, 6 paired seeds, wilcoxon test, Holm-corrected p = {close.corrected:.3g})."
    )
    assert 0 < close.equivalence < 0.05 < close.corrected
    assert close.statement(alpha=close.equivalence).startswith("There is no evidence")
    small = statements(shift / 10, margin=0.5)
    assert small.statement() == (
        "a is better than b (median difference -0.105, A12 0.60, 10 paired seeds, wilcoxon test, "
        "Holm-corrected p = 0.00195), but by less than the margin of 0.5."
    )
