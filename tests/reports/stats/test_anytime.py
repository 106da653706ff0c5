import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasarena.reports.stats.anytime import (
    area_under_curve,
    average_ranks,
    ecdf,
    expected_running_time,
    time_to_target,
)

nan, inf = np.nan, np.inf

TIMES = np.array([[1.0, 2, 4], [1, 3, nan]])
VALUES = np.array([[8.0, 4, 1], [6, 2, nan]])
ENDS = np.array([8.0, 4.0])


def test_area_is_that_of_the_steps_and_not_of_lines_between_them():
    found = area_under_curve(TIMES, VALUES, ENDS, start=1, horizon=4)
    assert found.tolist() == [(8 * 1 + 4 * 2) / 3, (6 * 2 + 2 * 1) / 3]
    log = area_under_curve(TIMES, VALUES, ENDS, start=1, horizon=4, log=True)
    assert log[0] == pytest.approx((8 + 4) / 2)


def test_area_of_runs_of_unequal_length_is_not_extended():
    found = area_under_curve(TIMES, VALUES, ENDS, start=1, horizon=8)
    np.testing.assert_array_equal(found, [(8 + 8 + 4) / 7, nan])
    late = area_under_curve(TIMES, VALUES, ENDS, start=0, horizon=4)
    assert np.isnan(late).all()
    failed = np.array([[nan, 4, 1.0]])
    assert np.isnan(area_under_curve(TIMES[:1], failed, ENDS[:1], start=1, horizon=4)).all()
    assert area_under_curve(TIMES[:1], failed, ENDS[:1], start=2, horizon=4).tolist() == [4]


def test_area_keeps_negative_regret_and_constant_values():
    values = np.array([[-2.0, -2.0]])
    times, ends = np.array([[1.0, 2]]), np.array([5.0])
    assert area_under_curve(times, values, ends, start=1, horizon=5).tolist() == [-2]
    with pytest.raises(ValueError, match="start < horizon"):
        area_under_curve(times, values, ends, start=5, horizon=5)
    with pytest.raises(ValueError, match="0 < start"):
        area_under_curve(times, values, ends, start=0, horizon=5, log=True)


@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=8), st.floats(0.1, 0.9))
def test_area_agrees_with_a_fine_sum(waits, where):
    times = np.cumsum(waits)[None, :]
    values = np.arange(float(times.shape[1]))[None, ::-1]
    start, end = times[0, 0], times[0, -1]
    horizon = start + where * (end - start)
    fine = start + (np.arange(40_000) + 0.5) / 40_000 * (horizon - start)
    height = values[0, np.searchsorted(times[0], fine, side="right") - 1].mean()
    found = area_under_curve(times, values, np.array([end]), start=start, horizon=horizon)
    assert found[0] == pytest.approx(height, abs=1e-3)


def test_average_ranks_are_taken_within_pairs():
    a = [[[3.0, 1.0, nan], [1.0, 1.0, 1.0]]]
    b = [[[5.0, 1.0, 2.0], [0.0, 2.0, 1.0]]]
    found = average_ranks([np.array([a, b])])
    assert found.tolist() == [[1.5, 1.25, 1.5], [1.5, 1.75, 1.5]]
    parts = [np.array([a, b])[:, :, :1], np.array([a, b])[:, :, 1:]]
    np.testing.assert_array_equal(average_ranks(parts), found)
    nothing = average_ranks([np.full((2, 3, 1), nan)])
    assert np.isnan(nothing).all()
    assert average_ranks([np.ones((1, 1, 2))]).tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="got none"):
        average_ranks([])


def test_time_to_target_is_the_first_hit():
    times = np.array([[1.0, 2, 3], [1, 2, nan], [1, 2, 3]])
    values = np.array([[5.0, 1, 3], [nan, 4, nan], [nan, nan, nan]])
    found = time_to_target(times, values, [4, 1, -1])
    np.testing.assert_array_equal(found, [[2, 2, nan], [2, nan, nan], [nan, nan, nan]])
    assert time_to_target(np.empty((2, 0)), np.empty((2, 0)), 1.0).shape == (2, 1)


def test_expected_running_time_by_its_definition():
    # Three runs: hits after 10 and 30, one gives up after 100. (10 + 30 + 100) / 2 hits.
    hits = np.array([[10.0, nan], [30, nan], [nan, nan]])
    assert expected_running_time(hits, np.array([50.0, 40, 100])).tolist() == [70, inf]


def test_expected_running_time_is_that_of_restarts():
    rng = np.random.default_rng(0)
    hits = np.where(rng.random(4000) < 0.3, rng.uniform(1, 9, 4000), nan)[:, None]
    ours = expected_running_time(hits, np.full(4000, 10.0))[0]
    # A search that starts anew until it hits, simulated from the same kind of run.
    tries = rng.geometric(0.3, 20_000) - 1
    assert ours == pytest.approx((10 * tries + rng.uniform(1, 9, 20_000)).mean(), rel=0.05)


def test_expected_running_time_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="run 1; leave it out"):
        expected_running_time(np.array([[1.0], [nan]]), np.array([2.0, nan]))
    with pytest.raises(ValueError, match="at least one run"):
        expected_running_time(np.empty((0, 1)), np.empty(0))


def test_ecdf_counts_what_was_never_reached():
    hits = np.array([[1.0, 4.0], [2.0, nan]])
    assert ecdf(hits, np.array([0.5, 1, 2, 3, 100])).tolist() == [0, 0.25, 0.5, 0.5, 0.75]
    with pytest.raises(ValueError, match="shape"):
        ecdf(np.empty((0, 3)), np.array([1.0]))
