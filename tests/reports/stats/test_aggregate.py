"""Aggregates over tasks, against rliable where it is installed (``tox -e reference``)."""

import numpy as np
import pytest
from rliable_library import rliable_library

from nasarena.reports.stats.aggregate import (
    hit_rate,
    iqm,
    mean,
    performance_profile,
    probability_of_improvement,
)

nan = np.nan
RUNS = np.random.default_rng(0).gamma(2, size=(11, 7))
OTHERS = np.random.default_rng(1).gamma(1.5, size=(8, 7))
TAUS = np.linspace(0.03, 5, 23)
ALL = {
    "mean": mean,
    "iqm": iqm,
    "profile": lambda x, **kw: performance_profile(x, [0.5, 1.5], **kw),
    "poi": lambda x, **kw: probability_of_improvement(x, OTHERS[:, : x.shape[1]], **kw),
}


def test_values_agree_with_rliable():
    metrics = pytest.importorskip("rliable.metrics")
    assert mean(RUNS).value == pytest.approx(-metrics.aggregate_mean(-RUNS))
    assert iqm(RUNS).value == pytest.approx(-metrics.aggregate_iqm(-RUNS))
    for a, b in ((RUNS, OTHERS), (RUNS.round(), OTHERS.round())):
        theirs = metrics.probability_of_improvement(-a, -b)
        assert probability_of_improvement(a, b).value == pytest.approx(theirs)


@pytest.mark.parametrize("name", ["mean", "iqm", "profile", "poi"])
def test_values_and_intervals_agree_with_rliables_library(name):
    library = rliable_library()
    metrics = pytest.importorskip("rliable.metrics")
    measure = {
        "mean": lambda x: np.array([metrics.aggregate_mean(x)]),
        "iqm": lambda x: np.array([metrics.aggregate_iqm(x)]),
        "profile": lambda x: library.score_distributions(x, [-0.5, -1.5]),
        "poi": lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
    }[name]
    scores = {"ours": (-RUNS, -OTHERS) if name == "poi" else -RUNS}
    np.random.seed(0)  # noqa: NPY002 - theirs draws from the global stream
    value, (bounds,) = (
        found.values()
        for found in library.get_interval_estimates(
            scores, measure, reps=300 if name == "poi" else 1000
        )
    )
    sign = -1 if name in ("mean", "iqm") else 1
    ours = ALL[name](RUNS)
    np.testing.assert_allclose(np.atleast_1d(ours.value), sign * next(iter(value)), rtol=1e-12)
    found = np.sort(np.array([np.atleast_1d(ours.low), np.atleast_1d(ours.high)]), axis=0)
    theirs = np.sort(sign * bounds, axis=0)
    np.testing.assert_allclose(found, theirs, atol=0.15 * np.ptp(theirs, axis=0).max())


def plain(measure, values, resamples=2000):
    """The stratified bootstrap, one resample after another."""
    rng = np.random.default_rng(9)
    found = []
    for _ in range(resamples):
        drawn = np.stack([rng.choice(column, len(column)) for column in values.T], axis=1)
        found.append(measure(drawn))
    return np.quantile(found, [0.025, 0.975], axis=0)


@pytest.mark.parametrize("name", ["mean", "iqm", "profile"])
def test_intervals_agree_with_a_plain_bootstrap(name):
    from scipy.stats import trim_mean

    measure = {
        "mean": np.mean,
        "iqm": lambda x: trim_mean(x, 0.25, axis=None),
        "profile": lambda x: [(x <= 0.5).mean(), (x <= 1.5).mean()],
    }[name]
    ours = ALL[name](RUNS)
    np.testing.assert_allclose(ours.value, measure(RUNS))
    low, high = plain(measure, RUNS)
    width = np.max(high - low)
    np.testing.assert_allclose(ours.low, low, atol=0.08 * width)
    np.testing.assert_allclose(ours.high, high, atol=0.08 * width)


def test_the_interval_of_improvement_agrees_with_a_plain_bootstrap():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(1000):
        a = np.stack([rng.choice(column, len(column)) for column in RUNS.T], axis=1)
        b = np.stack([rng.choice(column, len(column)) for column in OTHERS.T], axis=1)
        found.append((a[:, None] < b).mean() + (a[:, None] == b).mean() / 2)
    ours = probability_of_improvement(RUNS, OTHERS)
    np.testing.assert_allclose([ours.low, ours.high], np.quantile(found, [0.025, 0.975]), atol=0.01)


def test_improvement_by_hand():
    ours = np.array([[1.0, 5.0], [3.0, 5.0]])
    others = np.array([[2.0, 5.0], [3.0, 6.0]])
    # First task: 1 beats both, 3 ties with 3: 2.5 of 4; second: 5 ties once, wins once: 3 of 4.
    assert probability_of_improvement(ours, others).value == (2.5 / 4 + 3 / 4) / 2
    swapped = probability_of_improvement(others, ours).value
    assert swapped == pytest.approx(1 - (2.5 / 4 + 3 / 4) / 2)
    assert probability_of_improvement(ours, ours).value == 0.5


def test_the_profile_counts_those_on_the_threshold():
    found = performance_profile(np.array([[0.0, 1.0], [0.0, -1.0]]), [-2, -1, 0, 1])
    assert found.value.tolist() == [0, 0.25, 0.75, 1]
    with pytest.raises(ValueError, match="increasing"):
        performance_profile(RUNS, [1, 1])


@pytest.mark.parametrize("name", ALL)
def test_bad_input(name):
    measure = ALL[name]
    one_seed = measure(RUNS[:1])
    assert np.isfinite(one_seed.value).all()
    assert np.isnan([one_seed.low, one_seed.high]).all()
    one_task = measure(RUNS[:, :1])
    assert np.isfinite([one_task.value, one_task.low, one_task.high]).all()
    gaps = RUNS.copy()
    gaps[2:5, 3] = nan
    missing = measure(gaps)
    assert np.isfinite([missing.value, missing.low, missing.high]).all()
    again = measure(gaps)
    np.testing.assert_array_equal(missing.low, again.low)
    constant = measure(np.full((5, 7), 0.7))
    np.testing.assert_allclose(constant.low, constant.value, atol=0.3)
    gaps[:, 3] = nan
    with pytest.raises(ValueError, match="task 3 has no run"):
        measure(gaps)
    with pytest.raises(ValueError, match="runs, tasks"):
        measure(np.empty((0, 3)))
    with pytest.raises(ValueError, match="between 0 and 1"):
        measure(RUNS, level=95)


def test_each_task_counts_the_same_where_seeds_are_missing():
    values = np.array([[1.0, 5.0], [1.0, nan], [1.0, nan], [1.0, 5.0]])
    assert mean(values).value == 3
    assert performance_profile(values, [2.0]).value.tolist() == [0.5]


def test_negative_regret_is_not_clipped():
    assert mean(np.array([[-4.0], [2.0]])).value == -1
    assert iqm(np.full((4, 1), -4.0)).value == -4


def test_different_tasks_are_refused():
    with pytest.raises(ValueError, match="got 7 and 2"):
        probability_of_improvement(RUNS, OTHERS[:, :2])


def test_hit_rate_has_the_wilson_interval():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263 and 15 of 148.
    assert hit_rate(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert hit_rate(15, 148)[1:] == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert hit_rate(0, 20)[1:] == pytest.approx((0.0, 0.1611), abs=5e-5)
    with pytest.raises(ValueError, match="3 hits of 2 runs"):
        hit_rate(3, 2)
    with pytest.raises(ValueError, match="a run"):
        hit_rate(0, 0)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_strata_of_unequal_size_are_resampled_each_by_itself(level):
    from scipy.stats import norm

    rng = np.random.default_rng(5)
    values = np.full((40, 3), nan)
    for task, (size, shift, spread) in enumerate([(4, 0, 1.0), (40, 100, 5.0), (15, -50, 0.5)]):
        values[:size, task] = shift + spread * rng.normal(size=size)
    sizes = (~np.isnan(values)).sum(axis=0)
    found = mean(values, level=level)
    error = np.sqrt((np.nanvar(values, axis=0) / sizes).sum()) / 3
    assert found.value == pytest.approx(np.nanmean(values, axis=0).mean())
    half = norm.ppf((1 + level) / 2) * error
    assert found.value - found.low == pytest.approx(half, rel=0.1)
    assert found.high - found.value == pytest.approx(half, rel=0.1)
