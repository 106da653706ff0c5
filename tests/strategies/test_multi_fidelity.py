from itertools import islice, product
from random import Random

import numpy as np
import pytest
from driving import answer, drive

from nasarena.bench import Problem, Query
from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry
from nasarena.spaces import Decision, SearchSpace
from nasarena.strategies._shared.brackets import hyperband_widths, levels
from nasarena.strategies.asha import ASHA
from nasarena.strategies.bohb import BOHB, Density
from nasarena.strategies.dehb import DEHB
from nasarena.strategies.hyperband import Hyperband
from nasarena.strategies.random_search import RandomSearch
from nasarena.strategies.successive_halving import SuccessiveHalving

ALL = [SuccessiveHalving, Hyperband, ASHA, BOHB, DEHB]


@pytest.fixture
def curves():
    """256 architectures, epochs 1, 3, 9 and 27."""
    decisions = [Decision(f"d{i}", ("a", "b", "c", "d")) for i in range(4)]
    return Problem(SearchSpace("curves", decisions), (1, 3, 9, 27))


def crossing(arch, epochs):
    """The limit is the sum; early epochs add what the last decision says."""
    return sum(arch) + 6 * arch[3] / epochs


def test_levels_are_a_factor_apart_and_end_with_all_epochs():
    space = SearchSpace("s", [Decision("d", ("a", "b"))])
    assert levels(Problem(space, (4, 12, 36, 108)), 3) == (4, 12, 36, 108)
    assert levels(Problem(space, tuple(range(1, 51))), 3) == (1, 2, 6, 17, 50)
    assert levels(Problem(space, (12, 200)), 3) == (12, 200)
    assert levels(Problem(space, (200,)), 3) == (200,)
    with pytest.raises(ValueError, match="eta"):
        levels(Problem(space, (1, 2)), 1)


def test_brackets_are_those_of_the_papers_table_1():
    assert hyperband_widths(5, 3) == [
        (81, 27, 9, 3, 1), (34, 11, 3, 1), (15, 5, 1), (8, 2), (5,),
    ]  # fmt: skip


def test_successive_halving_promotes_the_best_third_to_three_times_the_epochs(curves):
    asked = drive(SuccessiveHalving(curves, Random(0), width=27), crossing, 40)
    assert [q.epochs for q in asked] == [1] * 27 + [3] * 9 + [9] * 3 + [27]
    for begin, width, epochs in ((0, 27, 1), (27, 9, 3), (36, 3, 9)):
        rung = asked[begin : begin + width]
        best = sorted(crossing(q.arch, epochs) for q in rung)[: width // 3]
        promoted = asked[begin + width : begin + width + width // 3]
        assert sorted(crossing(q.arch, epochs) for q in promoted) == best
    assert all(q.replica == 0 for q in asked[27:])  # the training that was seen goes on


def test_hyperband_runs_its_brackets_in_turn(curves):
    asked = drive(Hyperband(curves, Random(0)), crossing, 60)
    widths = hyperband_widths(4, 3)
    expected = [
        epochs
        for bracket in widths
        for width, epochs in zip(bracket, (1, 3, 9, 27)[-len(bracket) :], strict=True)
        for _ in range(width)
    ]
    assert [q.epochs for q in asked] == (expected * 2)[:60]


def test_asha_promotes_as_soon_as_a_third_is_better(curves):
    asha = ASHA(curves, Random(0))
    first = [asha.ask() for _ in range(3)]
    for query in first:
        asha.tell(answer(query, crossing))
    best = min(first, key=lambda q: crossing(q.arch, 1))
    assert asha.ask() == Query(best.arch, 3, 0)
    assert asha.ask().epochs == 1  # nobody else is in the best third, and nobody waits


def test_asha_never_waits_and_promotes_each_once(curves):
    asha = ASHA(curves, Random(1))
    waiting = []
    for _ in range(300):
        waiting.append(asha.ask())
        if len(waiting) == 16:
            asha.tell(answer(waiting.pop(7), crossing))
    promoted = [query for query in waiting if query.epochs > 1]
    assert len(promoted) == len(set(promoted))


def test_workers_begin_the_next_bracket_instead_of_waiting(curves):
    search = Hyperband(curves, Random(0))
    batch = list(islice(iter(search.ask, None), 27 + 12))
    assert len(batch) == 39
    assert [q.epochs for q in batch] == [1] * 27 + [3] * 12
    for query in reversed(batch):
        search.tell(answer(query, crossing))
    assert search.ask().epochs == 3


def test_bohbs_densities_add_up_to_one_and_follow_the_points():
    sizes = (3, 2, 4)
    density = Density(sizes, [(0, 1, 2), (0, 1, 3), (1, 1, 2), (0, 0, 2)], 0.001)
    every = np.array(list(product(*map(range, sizes))))
    chances = np.exp(density.log(every))
    assert chances.sum() == pytest.approx(1)
    assert tuple(every[chances.argmax()]) == (0, 1, 2)
    drawn = density.draw(20_000, np.random.default_rng(0), 1.0)
    # Among four points (0, 1, 2), (0, 1, 3), (1, 1, 2) and (0, 0, 2) the second decision is 1 in
    # three; drawn anew, it is 1 in every second.
    moved = density._bandwidth[1]
    assert (drawn[:, 1] == 1).mean() == pytest.approx(0.75 * (1 - moved) + 0.5 * moved, abs=0.015)


def test_bohb_draws_near_the_good_ones_once_it_has_seen_enough(curves):
    asked = drive(BOHB(curves, Random(0)), lambda a, e: float(sum(a)), 300)
    drawn = [q.arch for q in asked if q.replica is None]
    early, late = drawn[:20], drawn[-40:]
    assert np.mean([sum(a) for a in late]) < 0.7 * np.mean([sum(a) for a in early])


def test_dehb_halves_first_then_evolves_every_population(curves):
    asked = drive(DEHB(curves, Random(0)), lambda a, e: float(sum(a)), 400)
    assert [q.epochs for q in asked[:40]] == [1] * 27 + [3] * 9 + [9] * 3 + [27]
    best = sorted(sum(q.arch) for q in asked[:27])[:9]
    assert sorted(sum(q.arch) for q in asked[27:36]) == best
    assert np.mean([sum(q.arch) for q in asked[-40:]]) < 3  # random ones have 6


def test_dehb_keeps_the_better_of_challenger_and_member(curves):
    dehb = DEHB(curves, Random(0))
    asked = drive(dehb, crossing, 200)
    for level, epochs in enumerate(curves.epochs):
        alive = [m.loss for m in dehb._populations[level] if np.isfinite(m.loss)]
        least = min(crossing(q.arch, epochs) for q in asked if q.epochs == epochs)
        assert min(alive) == least


@pytest.mark.parametrize("factory", ALL)
def test_early_epochs_are_used_and_answers_may_come_in_any_order(factory, curves):
    rng = Random(0)
    search, waiting, epochs = factory(curves, Random(1)), [], []
    for _ in range(400):
        query = search.ask()
        if query is not None:
            waiting.append(query)
            epochs.append(query.epochs)
        if query is None or len(waiting) == 16:
            search.tell(answer(waiting.pop(rng.randrange(len(waiting))), crossing))
    assert set(epochs) == {1, 3, 9, 27}
    assert epochs.count(1) > epochs.count(27)


@pytest.mark.parametrize("factory", [SuccessiveHalving, Hyperband, ASHA])
def test_with_one_number_of_epochs_it_is_random_search(factory):
    task = registry.task("nasbench201/cifar10")
    runs = [run_seed(task, each, {}, 3, Budget(queries=100)) for each in (factory, RandomSearch)]
    assert runs[0].answers == runs[1].answers


@pytest.mark.parametrize("factory", ALL)
def test_failures_are_not_promoted(factory, curves):
    def fails(arch, epochs):
        return float("nan") if arch[0] == 0 else float(sum(arch))

    asked = drive(factory(curves, Random(0)), fails, 300)
    late = [q for q in asked if q.epochs == 27]
    assert sum(q.arch[0] == 0 for q in late) <= len(late) / 4
