import numpy as np
import pytest

from nasarena.reports.stats.bands import band, center_of
from nasarena.reports.stats.bootstrap import (
    check_level,
    cut,
    interval,
    stratified,
    tally,
)

nan = np.nan
CENTERS = ("mean", "median", "iqm")


@pytest.mark.parametrize("runs", [1, 2, 3, 4, 5, 8, 11])
def test_centers_agree_with_numpy_and_scipy(runs):
    from scipy.stats import trim_mean

    values = np.random.default_rng(runs).normal(size=(runs, 6))
    np.testing.assert_allclose(center_of(values), values.mean(axis=0))
    np.testing.assert_allclose(center_of(values, "median"), np.median(values, axis=0))
    np.testing.assert_allclose(center_of(values, "iqm"), trim_mean(values, 0.25, axis=0))


@pytest.mark.parametrize("center", CENTERS)
def test_intervals_agree_with_scipys_percentile_bootstrap(center):
    from scipy.stats import bootstrap, trim_mean

    values = np.random.default_rng(1).exponential(size=(40, 1))
    measure = {
        "mean": np.mean,
        "median": np.median,
        "iqm": lambda x, axis: trim_mean(x, 0.25, axis),
    }
    ours = interval(values, center=center, resamples=20_000)
    theirs = bootstrap(
        (values[:, 0],), measure[center], n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    np.testing.assert_allclose([ours[0][0], ours[1][0]], theirs, rtol=0.03)


def test_a_band_says_what_it_is():
    values = np.arange(12.0).reshape(4, 3)
    assert band(values).label == "mean of 4 runs, 95 % bootstrap interval of the mean"
    iqr = band(values, center="median", band="iqr")
    assert iqr.label == "median of 4 runs, interquartile range of the runs"
    np.testing.assert_allclose([iqr.low, iqr.high], np.quantile(values, [0.25, 0.75], axis=0))
    std = band(values, center="iqm", band="std")
    assert std.label == "interquartile mean of 4 runs, ± 1 standard deviation of the runs"
    np.testing.assert_allclose(std.high - std.center, values.std(axis=0, ddof=1))


@pytest.mark.parametrize("kind", ["bootstrap", "iqr", "std"])
@pytest.mark.parametrize("center", CENTERS)
def test_bad_input(center, kind):
    one = band(np.array([[3.0, 4.0]]), center=center, band=kind)
    assert one.center.tolist() == [3, 4]
    assert np.isnan([one.low, one.high]).all()
    assert one.label.endswith("of 1 run, no band: one run does not show a spread")
    gap = band(np.array([[1.0, nan], [2.0, -5.0], [3.0, -5.0]]), center=center, band=kind)
    assert np.isnan([gap.center[1], gap.low[1], gap.high[1]]).all()
    assert not np.isnan([gap.center[0], gap.low[0], gap.high[0]]).any()
    same = band(np.full((5, 2), -2.0), center=center, band=kind)
    np.testing.assert_array_equal([same.center, same.low, same.high], -2)
    with pytest.raises(ValueError, match="at least one run"):
        band(np.empty((0, 2)), center=center, band=kind)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="mean, median, iqm, got 'mode'"):
        band(np.ones((2, 2)), center="mode")
    with pytest.raises(ValueError, match="bootstrap, iqr, std, got 'sem'"):
        band(np.ones((2, 2)), band="sem")


def test_stratified_resamples_stay_within_their_task():
    blocks = list(stratified([3, 1, 5], 400_000, np.random.default_rng(0)))
    drawn = np.concatenate(blocks)
    assert drawn.shape == (400_000, 9) and drawn.dtype == np.uint32
    assert len(blocks) == 2
    large = stratified([2_000_001], 3, np.random.default_rng(0))
    assert [len(block) for block in large] == [1, 1, 1]
    for part, low, high in ((drawn[:, :3], 0, 2), (drawn[:, 3:4], 3, 3), (drawn[:, 4:], 4, 8)):
        assert part.min() == low
        assert part.max() == high
        share = np.bincount(part.ravel() - low) / part.size
        np.testing.assert_allclose(share, 1 / (high - low + 1), atol=0.003)


@pytest.mark.parametrize("level", [0.5, 0.8])
@pytest.mark.parametrize("center", ["mean", "median"])
def test_the_tails_of_an_interval_are_alike(center, level):
    # Runs that lie evenly around 0: so do their resampled centers, and both bounds.
    values = np.arange(-15.0, 16.0)[:, None]
    ((low,), (high,)) = interval(values, center=center, level=level, resamples=20_000)
    assert low < 0 < high
    assert -low == pytest.approx(high, rel=0.05)
    if center == "mean":
        from scipy.stats import norm

        error = values.std() / np.sqrt(len(values))
        assert high == pytest.approx(norm.ppf((1 + level) / 2) * error, rel=0.05)


@pytest.mark.parametrize(
    ("center", "left_out"),
    [
        ("mean", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("iqm", [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]),
        ("median", [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]),
    ],
)
def test_how_many_values_a_center_leaves_out_at_each_end(center, left_out):
    assert [cut(runs, center) for runs in range(10)] == left_out


@pytest.mark.parametrize("level", [-0.5, 0, 1, 1.5])
def test_a_level_is_between_0_and_1(level):
    check_level(0.5)
    with pytest.raises(ValueError, match=f"between 0 and 1, got {level}"):
        check_level(level)


def test_what_an_interval_is_if_nothing_is_said():
    values = np.random.default_rng(0).normal(size=(9, 2))
    plain = {"center": "mean", "level": 0.95, "resamples": 2000, "seed": 0}
    np.testing.assert_array_equal(interval(values), interval(values, **plain))
    for other in ({"center": "median"}, {"level": 0.9}, {"resamples": 500}, {"seed": 1}):
        assert (np.array(interval(values, **(plain | other))) != interval(values)).any()


@pytest.mark.parametrize("center", CENTERS)
def test_a_point_at_which_a_run_is_missing_has_no_interval(center):
    values = np.random.default_rng(0).normal(size=(12, 3))
    values[5, 1] = nan
    low, high = interval(values, center=center)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, False]
    np.testing.assert_allclose(
        [low[2], high[2]], np.ravel(interval(values[:, 2:], center=center)), rtol=1e-12
    )


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("runs", [2, 3, 7, 12])
def test_the_center_of_a_resample_is_that_of_its_values(runs, center):
    from scipy.stats import trim_mean

    from nasarena.reports.stats.bootstrap import _trimmed

    rng = np.random.default_rng(runs)
    values, drawn = rng.normal(size=runs), rng.integers(runs, size=(50, runs))
    counts = np.array([np.bincount(each, minlength=runs) for each in drawn], dtype=np.float32).T
    right = trim_mean(values[drawn], cut(runs, center) / runs + 1e-9, axis=1)
    np.testing.assert_allclose(_trimmed(counts, values, cut(runs, center)), right, atol=1e-6)


def test_a_tally_counts_how_often_each_class_is_drawn():
    classes = np.array([0, 2, 2, 2, 0, 2])
    found = tally(classes, 4, 800_000, np.random.default_rng(0))
    assert found.shape == (800_000, 4) and found.dtype == np.float32
    assert (found.sum(axis=1) == len(classes)).all()
    np.testing.assert_allclose(found.mean(axis=0), [2, 0, 4, 0], atol=0.01)
    # Binomial: 6 draws with a chance of 2 in 3.
    np.testing.assert_allclose(found.var(axis=0), [4 / 3, 0, 4 / 3, 0], rtol=0.01)
    wide = tally(np.array([0, 2_000_000]), 2_000_001, 2, np.random.default_rng(0))
    assert wide.shape == (2, 2_000_001) and wide.sum(axis=1).tolist() == [2, 2]
    few = tally(classes, 4, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(few, found[:5])


def test_the_draws_are_those_of_reports_that_were_written_before():
    (drawn,) = stratified([3, 1, 5], 2, np.random.default_rng(0))
    assert drawn.tolist() == [[2, 1, 1, 3, 5, 4, 4, 4, 4], [2, 1, 2, 3, 7, 8, 7, 7, 6]]
    found = tally(np.array([0, 2, 2, 2, 0, 2]), 4, 3, np.random.default_rng(0))
    assert found.tolist() == [[1, 0, 5, 0], [3, 0, 3, 0], [1, 0, 5, 0]]
