from math import exp
from random import Random

import pytest
from driving import drive, seen

from nasarena.bench import Problem
from nasarena.spaces import Decision, SearchSpace
from nasarena.strategies.exhaustive import Exhaustive
from nasarena.strategies.genetic import Genetic
from nasarena.strategies.simulated_annealing import _moves, simulated_annealing


def total(arch, epochs):
    return float(sum(arch))


def test_exhaustive_proposes_every_network_once_in_order(problem, conditional):
    assert drive(Exhaustive(problem, Random(0)), total, 1000) == list(problem.space)
    # (0, 1) and (0, 2) are other spellings of (0, 0); (2, 2) names no network.
    assert drive(Exhaustive(conditional, Random(0)), total, 1000) == [
        (0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1),
    ]  # fmt: skip


def test_genetic_begins_with_the_simplest_and_what_grew_from_it(problem):
    asked = drive(Genetic(problem, Random(0), population_size=6, start="simplest"), total, 6)
    assert asked[0] == (0, 0, 0, 0)
    assert len(set(asked)) == 6
    assert all(arch.count(0) >= 2 for arch in asked)


def test_genetic_keeps_its_elites_and_breeds_from_them(problem):
    genetic = Genetic(problem, Random(1), population_size=6, elites=2, tournament_size=50)
    first = drive(genetic, total, 6)
    best = min(first, key=sum)
    # Tournaments of 50 among six leave nobody out: all parents are the best.
    for child in drive(genetic, total, 4):
        assert child != best
        assert sum(a != b for a, b in zip(child, best, strict=True)) <= 3
    elites = sorted(loss for loss, _ in genetic._parents)[:2]
    assert elites[0] <= sum(best)


def test_genetic_waits_for_the_generation_and_queries_nothing_twice(problem):
    genetic = Genetic(problem, Random(2), population_size=5, elites=1)
    batch = [genetic.ask() for _ in range(5)]
    assert genetic.ask() is None
    for arch in reversed(batch):
        genetic.tell(seen(arch, total(arch, 1)))
    later = drive(genetic, total, 30)
    assert len({*batch, *later}) == 35


def test_genetic_crosses_two_parents():
    decisions = [Decision(f"d{i}", ("a", "b")) for i in range(12)]
    problem = Problem(SearchSpace("binary", decisions), (1,))
    genetic = Genetic(
        problem, Random(3), population_size=3, elites=0, crossover_rate=1.0, mutation_rate=0.0
    )
    low, high = (0,) * 12, (1,) * 12
    for arch in (low, high, high):
        genetic.ask()
        genetic.tell(seen(arch, 1.0))
    children = [genetic.ask() for _ in range(3)]
    assert any(2 < sum(child) < 10 for child in children)


@pytest.mark.parametrize(
    "settings",
    [
        {"elites": 20},
        {"tournament_size": 0},
        {"crossover_rate": 1.5},
        {"mutation_rate": -0.1},
        {"start": "nowhere"},
    ],
)
def test_genetic_refuses_settings_out_of_range(problem, settings):
    with pytest.raises(ValueError, match="expected"):
        Genetic(problem, Random(0), **settings)


def test_annealing_follows_the_metropolis_rule():
    rng = Random(0)
    assert _moves(-1.0, 0.0, rng)
    assert not _moves(1.0, 0.0, rng)
    assert not _moves(float("nan"), 1.0, rng)
    assert not _moves(float("inf"), 1.0, rng)
    moved = sum(_moves(0.7, 0.5, rng) for _ in range(4000)) / 4000
    assert moved == pytest.approx(exp(-1.4), abs=0.03)


def test_annealing_walks_by_single_mutations_and_starts_anew_when_frozen(problem):
    search = simulated_annealing(problem, Random(0), initial=2, patience=5, cooling=0.01)
    drive(search, total, 30)
    # At a temperature of nearly 0 it stands at the optimum, then leaves it after five refusals.
    rest = drive(search, total, 60)
    steps = [sum(a != b for a, b in zip(arch, (0, 0, 0, 0), strict=True)) for arch in rest]
    assert 1 in steps
    assert max(steps) > 2


@pytest.mark.parametrize("settings", [{"initial": 1}, {"patience": 0}, {"cooling": 0.0}])
def test_annealing_refuses_settings_out_of_range(problem, settings):
    with pytest.raises(ValueError, match="expected initial"):
        simulated_annealing(problem, Random(0), **settings)
