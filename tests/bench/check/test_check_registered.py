"""Every registered strategy, space and oracle keeps the rules.

What is reduced, for the time it takes: strategies with a model run 20 queries (60 where time and
memory are measured) in place of 60 (1,000); Optuna's Gaussian process, at about 0.1 s a query,
6 (8) of which half are its model's; LSTM controllers 8 (12), PPO's with batches
of 4; a forest of 4 trees 10 (20); strategies that share weights 2 (3), on a supernet that trains
for one epoch. REINFORCE's LSTM, which is PPO's, starts no process of its own: importing torch there
takes seconds.
"""

import pytest

from nasarena.bench import checks
from nasarena.bench.check import Limits
from nasarena.bench.experiment import registry

MODELS = ("gradient", "model", "multi-objective", "optuna", "peers", "policy gradient")
"""Families that train something between queries."""
SEARCH = {"limits": Limits(queries=2, long=3)}
REDUCED = {
    "darts": {**SEARCH, "settings": {"epochs": 1}},
    "gdas": {**SEARCH, "settings": {"epochs": 1}},
    "spos": {**SEARCH, "settings": {"epochs": 1, "iterations": 2, "population_size": 4}},
    "random-weight-sharing": {**SEARCH, "settings": {"epochs": 1, "paths": 6}},
    "optuna-gp": {"limits": Limits(queries=6, long=8), "settings": {"n_startup_trials": 3}},
    "random-forest": {
        "limits": Limits(queries=10, long=20),
        "settings": {"initial": 4, "trees": 4},
    },
}
LSTM = {
    "ppo": {"controller": "lstm", "batch": 4, "epochs": 2},
    "reinforce": {"controller": "lstm"},
}
NEEDS = {
    **dict.fromkeys(
        ("darts", "gdas", "spos", "random-weight-sharing"), (pytest.mark.torch, "torch")
    ),
    "nevergrad": (pytest.mark.peers, "nevergrad"),
    "optuna-gp": (pytest.mark.torch, "torch"),
    "pymoo": (pytest.mark.peers, "pymoo"),
    "random-forest": (pytest.mark.models, "sklearn"),
    "smac": (pytest.mark.peers, "smac"),
    "syne-tune": (pytest.mark.peers, "syne_tune"),
}
"""By strategy: the mark, and the package without which it is skipped."""


def cases():
    for name in registry.strategy_names():
        marks = [NEEDS[name][0]] if name in NEEDS else []
        yield pytest.param(name, {}, marks=marks, id=name)
    for name, settings in LSTM.items():
        reduced = {"limits": Limits(queries=8, long=12), "settings": settings}
        yield pytest.param(name, reduced, marks=pytest.mark.torch, id=f"{name}-lstm")


@pytest.mark.parametrize(("name", "reduced"), list(cases()))
def test_strategy(name, reduced):
    if reduced:
        pytest.importorskip("torch")
    if name in NEEDS:
        pytest.importorskip(NEEDS[name][1])
    family = registry.strategy_factory(name).info.family
    made = checks(name, quick=family in MODELS, **(reduced or REDUCED.get(name, {})))
    assert len(made) > 20
    for check in made:
        if not (check.rule == "same-run-in-another-process" and name == "reinforce" and reduced):
            check()


@pytest.mark.parametrize("name", ["small", *registry.BENCHMARKS])
def test_space(name):
    made = checks(f"space:{name}")
    assert len(made) > 15
    for check in made:
        check()


@pytest.mark.parametrize("name", ["small", *registry.BENCHMARKS])
def test_oracle(name):
    for check in checks(f"oracle:{name}/*"):
        check()
