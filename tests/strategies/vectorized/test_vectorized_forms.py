"""The two forms of a strategy are one algorithm: 2,000 runs of each look alike."""

from importlib import import_module
from random import Random

import numpy as np
import pytest

from nasarena.bench.execute.units import compute
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import registry
from nasarena.bench.store.store import Unit

SEEDS = 2000
TASK = "nasbench201/cifar10"
# Small populations and quick learning: within few queries there is something to tell apart.
SETTINGS = {
    "random": {},
    "regularized-evolution": {"population_size": 12, "sample_size": 4},
    "local-search": {},
    "simulated-annealing": {"initial": 5, "cooling": 0.9, "patience": 4},
    "genetic": {"population_size": 8, "tournament_size": 3},
    "reinforce": {"learning_rate": 0.5, "entropy": 0.1},
}
QUERIES = dict.fromkeys(SETTINGS, 50) | {"reinforce": 16}


def features(name, settings, *, lanes, first=0, queries=None, task=TASK):
    """(runs,) best loss, mean loss of the second half, networks, change from query to query."""
    experiment = experiments.parse(
        {
            "tasks": [task],
            "strategies": [{"name": name, **settings}],
            "budget": {"queries": queries or QUERIES[name]},
            "lanes": lanes,
        }
    )
    unit = Unit(task, experiment.strategies[0].label, first, first + SEEDS - 1)
    table = compute(experiment, experiment.strategies[0], unit)
    loss = table["loss"].to_numpy().reshape(SEEDS, -1)
    network = np.sort(table["network"].to_numpy().reshape(SEEDS, -1), axis=1)
    archs = table["arch"].combine_chunks().flatten().to_numpy()
    archs = archs.reshape(SEEDS, loss.shape[1], -1)
    return {
        "best": loss.min(axis=1),
        "second half": loss[:, loss.shape[1] // 2 :].mean(axis=1),
        "networks": 1 + (np.diff(network) != 0).sum(axis=1),
        "moves": (archs[:, 1:] != archs[:, :-1]).sum(axis=(1, 2)),
    }


def chances(one, other):
    """For each feature, the p-value of the two-sample Kolmogorov-Smirnov test."""
    from scipy.stats import ks_2samp

    return {key: ks_2samp(one[key], other[key], method="asymp").pvalue for key in one}


@pytest.mark.parametrize("name", SETTINGS)
def test_both_forms_are_the_same_algorithm(name):
    found = chances(
        features(name, SETTINGS[name], lanes=True), features(name, SETTINGS[name], lanes=False)
    )
    assert min(found.values()) > 1e-3, found


@pytest.mark.parametrize("name", ["local-search", "genetic"])
def test_both_forms_are_the_same_algorithm_where_spellings_are_forbidden(name):
    task = "nasbench-graph/proteins"
    both = [features(name, {}, lanes=lanes, queries=20, task=task) for lanes in (True, False)]
    found = chances(*both)
    assert min(found.values()) > 1e-3, found


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("regularized-evolution", {"sample_size": 3}),
        ("simulated-annealing", {"cooling": 0.8}),
        ("genetic", {"mutation_rate": 0.6}),
        ("reinforce", {"momentum": 0.5}),
    ],
)
def test_a_small_change_would_be_noticed(name, change):
    settings = SETTINGS[name]
    one = features(name, settings, lanes=True)
    other = features(name, settings | change, lanes=True, first=SEEDS)
    assert min(chances(one, other).values()) < 1e-3


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("regularized-evolution", {"sample_size": 0}, "expected at least 1, got 100 and 0"),
        ("simulated-annealing", {"cooling": 1.5}, "0 < cooling <= 1, got 10, 30 and 1.5"),
        ("genetic", {"elites": 20}, "0 <= elites < population_size .* got 20, 20 and 2"),
        ("genetic", {"mutation_rate": 2}, "rates: expected 0 to 1, got 0.9 and 2"),
        ("reinforce", {"momentum": 1}, "0 <= momentum < 1"),
    ],
)
def test_both_forms_refuse_the_same_settings(name, settings, message):
    factory = registry.strategy_factory(name)
    module, _, attribute = factory.info.lanes.partition(":")
    vectorized = getattr(import_module(module), attribute)
    for make in (factory, vectorized):
        with pytest.raises(ValueError, match=message):
            make(None, Random(0), **settings)
