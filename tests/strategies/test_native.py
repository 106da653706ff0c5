from random import Random

import pytest

from nasarena.bench import Observation, Problem, Query
from nasarena.spaces import Decision, SearchSpace
from nasarena.strategies.local_search import local_search
from nasarena.strategies.random_search import RandomSearch
from nasarena.strategies.regularized_evolution import RegularizedEvolution

NATIVE = [RandomSearch, RegularizedEvolution, local_search]


def seen(arch, loss):
    return Observation(Query(arch, 1, 0), (loss,), 1.0)


def drive(strategy, loss, queries):
    asked = []
    while len(asked) < queries and (arch := strategy.ask()) is not None:
        asked.append(arch)
        strategy.tell(seen(arch, loss(arch)))
    return asked


@pytest.mark.parametrize("factory", NATIVE)
def test_proposals_are_valid_and_follow_from_the_stream(factory, problem):
    runs = [drive(factory(problem, Random(seed)), sum, 72) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert all(problem.space.is_valid(arch) for arch in runs[0])


@pytest.mark.parametrize("factory", NATIVE)
def test_conditions_and_forbidden_spellings_are_kept(factory, conditional):
    for arch in drive(factory(conditional, Random(0)), sum, 60):
        assert conditional.space.is_valid(arch)


@pytest.mark.parametrize("factory", NATIVE)
def test_failed_trainings_do_not_end_the_search(factory, problem):
    asked = drive(factory(problem, Random(0)), lambda arch: float("inf"), 60)
    assert len(asked) == 60


def test_random_search_is_uniform(problem):
    space = problem.space
    asked = drive(RandomSearch(problem, Random(0)), sum, 7200)
    counts = [asked.count(arch) for arch in space]
    assert len(counts) == 72
    assert sum((c - 100) ** 2 / 100 for c in counts) < 120  # chi-squared, 71 degrees: p = 0.0002


def test_random_search_without_replacement_proposes_every_architecture_once(problem, conditional):
    for each in (problem, conditional):
        asked = drive(RandomSearch(each, Random(0), replace=False), sum, 1000)
        assert sorted(asked) == list(each.space)


def test_random_search_without_replacement_starts_anywhere(problem):
    first = {RandomSearch(problem, Random(i), replace=False).ask() for i in range(1500)}
    assert len(first) == 72


def test_evolution_begins_with_random_architectures_then_mutates_the_best(problem):
    evolution = RegularizedEvolution(problem, Random(0), population_size=8, sample_size=200)
    first = drive(evolution, sum, 8)
    best = min(first, key=sum)
    # A tournament of 200 among 8 leaves nobody out (a chance of 8 · (7/8)^200 = 2e-11).
    assert sum(a != b for a, b in zip(best, evolution.ask(), strict=True)) == 1


def test_the_oldest_dies_even_if_it_is_the_best(problem):
    evolution = RegularizedEvolution(problem, Random(0), population_size=3, sample_size=200)
    begin = [(0, 0, 0, 0), (3, 2, 1, 2), (3, 2, 1, 1)]
    for arch, loss in zip(begin, (0.0, 5.0, 6.0), strict=True):
        evolution.ask()
        evolution.tell(seen(arch, loss))
    assert evolution.ask().count(0) >= 3  # a child of the best, which is also the oldest
    evolution.tell(seen((2, 2, 1, 2), 9.0))
    child = evolution.ask()
    assert sum(a != b for a, b in zip(child, (3, 2, 1, 2), strict=True)) == 1


def test_evolution_with_a_sample_of_one_picks_parents_at_random(problem):
    evolution = RegularizedEvolution(problem, Random(0), population_size=2, sample_size=1)
    for arch, loss in (((0, 0, 0, 0), 0.0), ((3, 2, 1, 2), 9.0)):
        evolution.ask()
        evolution.tell(seen(arch, loss))
    of_the_best = sum(evolution.ask().count(0) >= 2 for _ in range(400))
    assert 140 < of_the_best < 260


def test_evolution_takes_answers_in_any_order(problem):
    evolution = RegularizedEvolution(problem, Random(0), population_size=10, sample_size=3)
    for _ in range(20):
        batch = [evolution.ask() for _ in range(7)]
        for arch in reversed(batch):
            evolution.tell(seen(arch, sum(arch)))
    assert sum(evolution.ask()) <= 2


@pytest.mark.parametrize("sizes", [{"population_size": 0}, {"sample_size": 0}])
def test_evolution_refuses_sizes_below_one(problem, sizes):
    with pytest.raises(ValueError, match="at least 1"):
        RegularizedEvolution(problem, Random(0), **sizes)


@pytest.mark.parametrize("first_improvement", [False, True])
def test_local_search_climbs_to_the_optimum_of_a_separable_loss(problem, first_improvement):
    search = local_search(problem, Random(3), first_improvement=first_improvement)
    asked = drive(search, sum, 72)
    # No neighbour of (0, 0, 0, 0) is better: it is reached within the first climb.
    best = asked.index((0, 0, 0, 0))
    assert best < 40
    assert len(set(asked)) == len(asked) == 72


def test_local_search_moves_to_the_best_neighbour_of_all():
    space = SearchSpace("line", [Decision("x", tuple("abcdefgh")), Decision("y", tuple("ab"))])
    problem = Problem(space, (1,))
    search = local_search(problem, Random(0))
    loss = {arch: (arch[0] * 3) % 8 + arch[1] for arch in space}
    start = search.ask()
    neighbours = set(space.neighbours(start))
    search.tell(seen(start, 100.0))
    asked = []
    for _ in neighbours:
        asked.append(search.ask())
        search.tell(seen(asked[-1], loss[asked[-1]]))
    assert set(asked) == neighbours
    best = min(neighbours, key=loss.__getitem__)
    assert search.ask() in space.neighbours(best)


def test_first_improvement_moves_at_once(problem):
    search = local_search(problem, Random(0), first_improvement=True)
    start = search.ask()
    search.tell(seen(start, 10.0))
    better = search.ask()
    search.tell(seen(better, 1.0))
    assert search.ask() in problem.space.neighbours(better)


def test_local_search_queries_no_spelling_of_what_it_knows():
    class Mirrored(SearchSpace):
        def canonical(self, arch):
            return (*arch[:1], 0)

    space = Mirrored("mirrored", [Decision("x", tuple("abcd")), Decision("y", tuple("ab"))])
    asked = drive(local_search(Problem(space, (1,)), Random(0)), sum, 100)
    assert sorted(space.canonical(arch) for arch in asked) == [(i, 0) for i in range(4)]
