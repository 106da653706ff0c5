import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nasarena.reports.stats.bootstrap import interval
from nasarena.reports.stats.regret import (
    average_rank,
    incumbent_values,
    incumbents,
    last,
    on_grid,
    regret,
)

nan = np.nan


def test_the_incumbent_is_the_best_so_far_and_the_earlier_one_wins_a_tie():
    loss = np.array([[3.0, 5, 1, 1, 2]])
    assert incumbents(loss).tolist() == [[0, 0, 2, 2, 2]]


def test_a_failed_training_is_never_the_incumbent():
    loss = np.array([[nan, 5, nan, 4], [nan, nan, nan, nan]])
    assert incumbents(loss).tolist() == [[-1, 1, 1, 3], [-1, -1, -1, -1]]


def test_the_incumbent_is_chosen_among_the_most_epochs():
    loss = np.array([[1.0, 5, 0, 4, 9]])
    epochs = np.array([[1, 3, 1, 3, 9]])
    assert incumbents(loss, epochs).tolist() == [[0, 1, 1, 3, 4]]
    failed = np.array([[1.0, 5, nan]])
    assert incumbents(failed, np.array([[1, 3, 9]])).tolist() == [[0, 1, 1]]


def test_where_all_trainings_failed_there_is_no_incumbent():
    failed = np.full((1, 2), nan)
    found = incumbents(failed, np.array([[1, 3]]))
    assert found.tolist() == [[-1, -1]]
    assert np.isnan(incumbent_values(np.array([[5.0, 6.0]]), found)).all()
    later = incumbents(np.array([[nan, 2.0]]), np.array([[3, 3]]))
    np.testing.assert_array_equal(incumbent_values(np.array([[5.0, 6.0]]), later), [[nan, 6]])


@given(
    arrays(float, (3, 12), elements=st.sampled_from([0.0, 1, 2, 3, nan])),
    arrays(int, (3, 12), elements=st.sampled_from([1, 3, 9])),
)
def test_incumbents_agree_with_the_definition_step_by_step(loss, epochs):
    found = incumbents(loss, epochs)
    for run in range(3):
        for step in range(12):
            seen = [(-epochs[run, i], loss[run, i], i) for i in range(step + 1)]
            seen = [s for s in seen if s[1] == s[1]]
            assert found[run, step] == (min(seen)[2] if seen else -1)


def test_selected_by_what_was_seen_and_scored_by_the_truth():
    seen = np.array([[5.0, 1.0, 3.0]])
    truth = np.array([[5.0, 6.0, 2.0]])  # the lucky second query is truly the worst
    assert incumbent_values(truth, incumbents(seen)).tolist() == [[5, 6, 6]]


def test_regret_is_not_clipped():
    assert regret(np.array([[1.0, -3.0]]), -2.0).tolist() == [[3, -1]]


def test_a_curve_is_a_step_function_that_neither_starts_early_nor_goes_on_late():
    times = np.array([[2.0, 4.0, 8.0], [1.0, 3.0, nan]])
    values = np.array([[9.0, 5.0, 1.0], [7.0, 6.0, nan]])
    grid = np.array([1.0, 2.0, 3.9, 4.0, 8.0, 9.0])
    found = on_grid(times, values, np.array([8.0, 4.0]), grid)
    np.testing.assert_array_equal(found, [[nan, 9, 9, 5, 1, nan], [7, 7, 6, 6, nan, nan]])


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=9), st.floats(0.05, 120))
def test_values_between_two_answers_are_the_earlier_ones(waits, when):
    times = np.cumsum(waits)[None, :]
    values = np.arange(times.shape[1], dtype=float)[None, :]
    found = on_grid(times, values, times[:, -1], np.array([when]))[0, 0]
    if when < times[0, 0] or when > times[0, -1]:
        assert np.isnan(found)
    else:
        assert found == np.flatnonzero(times[0] <= when)[-1]


def test_last_takes_each_runs_own_end():
    assert last(np.array([[3.0, 2, nan], [5, 4, 1]])).tolist() == [2, 1]
    assert np.isnan(last(np.array([[nan, nan]]))).all()
    assert last(np.array([[7.0, nan, nan, nan], [7, 6, nan, nan]])).tolist() == [7, 6]


def test_average_rank_shares_ties_and_leaves_incomplete_tasks_out():
    scores = np.array([[1.0, 2, 5], [1, 1, nan], [3, 3, 1]])
    assert average_rank(scores).tolist() == [(1.5 + 2) / 2, (1.5 + 1) / 2, 3]
    assert np.isnan(average_rank(np.array([[nan], [1.0]]))).all()


def test_the_interval_is_over_runs():
    # Runs agree, steps differ widely: resampling steps would give a wide interval.
    same = np.tile(np.array([0.0, 50, 100]), (30, 1))
    low, high = interval(same)
    np.testing.assert_allclose(low, same[0])
    np.testing.assert_allclose(high, same[0])
    differ = np.random.default_rng(0).normal(size=(30, 1)) + np.zeros((30, 3))
    low, high = interval(differ)
    assert (high - low > 0.4).all()
    np.testing.assert_allclose(low, low[0])  # one run's points stay together


def test_the_interval_agrees_with_scipys_percentile_bootstrap():
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).exponential(size=(40, 1))
    ours = interval(values, resamples=20_000)
    theirs = bootstrap(
        (values[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    np.testing.assert_allclose([ours[0][0], ours[1][0]], theirs, rtol=0.02)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for number in range(300):
        low, high = interval(rng.normal(size=(50, 1)), resamples=500, seed=number)
        hits += low[0] <= 0 <= high[0]
    assert 0.90 <= hits / 300 <= 0.98


def test_the_interval_repeats_and_is_missing_where_a_run_is():
    values = np.array([[1.0, nan], [2.0, 3.0]])
    first, again = interval(values), interval(values)
    np.testing.assert_array_equal(first, again)
    assert np.isnan(first[0][1])
    assert not np.isnan(first[0][0])


def test_the_interval_refuses_nonsense():
    with pytest.raises(ValueError, match="at least one run"):
        interval(np.empty((0, 3)))
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval(np.ones((2, 2)), level=95)
