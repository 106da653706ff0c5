from random import Random

import numpy as np
import pytest
from driving import drive, seen
from hypothesis import given
from hypothesis import strategies as st

from nasarena.bench import Problem
from nasarena.spaces.published.nasbench201 import NASBench201
from nasarena.strategies._shared.pareto import crowding, fronts, ranking
from nasarena.strategies.nsga2 import NSGA2
from nasarena.strategies.parego import ParEGO

TWO = Problem(NASBench201(), (1,), ("validation", "parameters"))


def trade_off(arch, epochs):
    """More 3x3 convolutions: better and bigger."""
    return -float(arch.count(3)), float(arch.count(3)) + 0.1 * arch.count(4)


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_fronts_are_peeled_off_one_by_one(points):
    levels = fronts(np.array(points, float)).tolist()
    left = list(range(len(points)))
    level = 0
    while left:
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        assert [i for i in left if levels[i] == level] == front
        left = [i for i in left if i not in front]
        level += 1


def test_failures_stand_behind_every_success():
    losses = np.array([[np.nan, 1.0], [np.inf, np.inf], [5.0, 5.0], [9.0, 9.0]])
    levels = fronts(losses)
    assert levels[2] == 0
    assert levels[1] > levels[3] > levels[2]


def test_crowding_is_the_extent_between_the_neighbors():
    losses = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    expected = [np.inf, 3 / 4 + 3 / 4, 3 / 4 + 2 / 4, np.inf]
    assert crowding(losses).tolist() == expected
    assert ranking(losses).tolist()[2:] == [1, 2]


def test_constant_objectives_and_lone_points_have_no_crowding():
    assert crowding(np.array([[1.0, 1.0]])).tolist() == [np.inf]
    assert np.isfinite(crowding(np.ones((4, 2)))[1:3]).all()


@pytest.mark.parametrize("factory", [NSGA2, ParEGO])
def test_the_whole_front_is_found(factory):
    asked = drive(factory(TWO, Random(0)), trade_off, 150)
    found = {trade_off(arch, 1) for arch in asked}
    front = {p for p in found if not any(dominates(q, p) for q in found)}
    # No convolution at all up to six of them: seven trade-offs.
    assert len(front & {(-float(n), float(n)) for n in range(7)}) >= 6


@pytest.mark.parametrize("factory", [NSGA2, ParEGO])
def test_failed_trainings_do_not_stop_it(factory):
    drive(factory(TWO, Random(0)), lambda a, e: (float("inf"), float("nan")), 60)


def test_nsga2_waits_for_the_generation():
    search = NSGA2(TWO, Random(0), population_size=4)
    batch = [search.ask() for _ in range(4)]
    assert search.ask() is None
    for arch in batch:
        search.tell(seen(arch, *trade_off(arch, 1)))
    assert search.ask() is not None


def test_parego_weighs_the_objectives_anew_for_every_query():
    search = ParEGO(TWO, Random(0), initial=2)
    for losses in ((0.0, 10.0), (5.0, 0.0), (2.0, 2.0)):
        search.tell(seen(search.ask(), *losses))
    best = {int(search._scalarized().argmin()) for _ in range(60)}
    assert best == {0, 1, 2}


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        NSGA2(TWO, Random(0), population_size=1)
    with pytest.raises(ValueError, match="rates"):
        NSGA2(TWO, Random(0), crossover_rate=2)
    with pytest.raises(ValueError, match="at least 1"):
        ParEGO(TWO, Random(0), initial=0)
