"""How fast the statistics are, as ratios within one run. Nothing here fails for being slow."""

from statistics import median
from time import perf_counter

import numpy as np
import pytest
from rliable_library import rliable_library

from nasarena.bench.experiment import registry
from nasarena.reports.stats import aggregate
from nasarena.reports.stats.bootstrap import interval
from nasarena.reports.stats.random_reference import RandomSearch

VALUES = np.random.default_rng(0).gamma(2.0, size=(100, 20))
RESAMPLES = 10_000


def seconds(function):
    begin = perf_counter()
    function()
    return perf_counter() - begin


def report(capsys, text):
    with capsys.disabled():
        print(f"\n  {text}")


@pytest.mark.parametrize("center", ["mean", "median", "iqm"])
def test_bands_against_seaborn(benchmark, capsys, center):
    """10,000 resamples of 100 runs at 20 points; seaborn does 1,000, taken ten times."""
    from scipy.stats import trim_mean
    from seaborn.algorithms import bootstrap

    measure = {
        "mean": "mean",
        "median": "median",
        "iqm": lambda x, axis=0: trim_mean(x, 0.25, axis),
    }

    def ours():
        interval(VALUES, center=center, resamples=RESAMPLES)

    def theirs():
        for column in VALUES.T:
            drawn = bootstrap(column, n_boot=RESAMPLES // 10, func=measure[center], seed=0)
            np.quantile(drawn, [0.025, 0.975])

    ours()
    ratio = median(10 * seconds(theirs) / seconds(ours) for _ in range(3))
    benchmark.pedantic(ours, rounds=3)
    took = benchmark.stats.stats.median
    report(
        capsys, f"{center} with interval: {took:.2f} s, speed over seaborn's bootstrap: {ratio:.1f}"
    )


MEASURES = ("mean", "iqm", "performance_profile", "probability_of_improvement")


@pytest.mark.parametrize("name", MEASURES)
def test_aggregates_against_rliable(benchmark, capsys, name):
    """10,000 stratified resamples of 100 runs on 20 tasks; rliable: 100, a hundred times."""
    library = rliable_library()
    metrics = pytest.importorskip("rliable.metrics")
    taus = np.linspace(0.1, 5, 50)
    two = name == "probability_of_improvement"
    further = {"performance_profile": (taus,), "probability_of_improvement": (VALUES + 0.1,)}
    measure = {
        "mean": lambda x: np.array([metrics.aggregate_mean(x)]),
        "iqm": lambda x: np.array([metrics.aggregate_iqm(x)]),
        "performance_profile": lambda x: library.score_distributions(x, -taus),
        name if two else "": lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
    }[name]
    scores = {"x": (-VALUES, -VALUES - 0.1) if two else -VALUES}

    def ours():
        getattr(aggregate, name)(VALUES, *further.get(name, ()), resamples=RESAMPLES)

    def theirs():
        library.get_interval_estimates(scores, measure, reps=100)

    ours()
    ratio = median(100 * seconds(theirs) / seconds(ours) for _ in range(3))
    benchmark.pedantic(ours, rounds=3)
    took = benchmark.stats.stats.median
    report(capsys, f"{name} with interval: {took:.2f} s, speed over rliable: {ratio:.1f}")


@pytest.mark.parametrize("noise", ["mean", "sampled"])
def test_the_exact_reference(benchmark, capsys, noise):
    """Random search's quantiles at 60 budgets on NAS-Bench-201."""
    task = registry.task("nasbench201/cifar10")
    truth = task.truth("validation")
    seen = None if noise == "mean" else -task.table.columns["validation"][:, -1]
    grid = np.unique(np.geomspace(1, 1000, 60).round().astype(int))
    benchmark.pedantic(
        lambda: RandomSearch(truth, seen).quantiles(grid, [0.25, 0.5, 0.75]), rounds=3
    )
    took = benchmark.stats.stats.median
    report(capsys, f"exact random search at {len(grid)} budgets, noise {noise}: {took:.2f} s")
