"""Pools: spaces of which only some architectures exist."""

from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasarena.spaces import Decision, PoolSpace

SIZES = (4, 3, 5, 2)
DECISIONS = [Decision(f"d{i}", tuple(map(str, range(size)))) for i, size in enumerate(SIZES)]
EVERY = list(product(*map(range, SIZES)))
MEMBERS = Random(0).sample(EVERY, 30)
POOL = PoolSpace("pool", DECISIONS, MEMBERS, at_least=4)
members = st.sampled_from(MEMBERS)
seeds = st.integers(0, 2**32)


def distance(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_only_members_are_valid():
    assert {arch for arch in EVERY if POOL.is_valid(arch)} == set(MEMBERS)
    assert POOL.spellings == 30
    assert list(POOL) == sorted(MEMBERS)


def test_members_are_numbered_without_gaps():
    assert [POOL.arch(POOL.index(member)) for member in MEMBERS] == MEMBERS
    assert {POOL.index(member) for member in MEMBERS} == set(range(30))
    numbers = np.array([3, 0, 29])
    assert [tuple(row) for row in POOL.archs(numbers)] == [POOL.arch(int(i)) for i in numbers]


def test_sampling_covers_the_members_evenly():
    rng = Random(1)
    counts = np.bincount([POOL.index(POOL.sample(rng)) for _ in range(6000)], minlength=30)
    assert ((counts - 200) ** 2 / 200).sum() < 58.3  # chi-squared, 29 degrees, p = 0.001


@given(member=members)
def test_neighbours_are_mutual_and_enough_and_the_nearest(member):
    near = POOL.neighbours(member)
    assert len(near) >= 4 and member not in near
    assert all(member in POOL.neighbours(other) for other in near)
    fourth = sorted(distance(member, other) for other in MEMBERS if other != member)[3]
    assert {o for o in MEMBERS if o != member and distance(member, o) <= fourth} <= set(near)


@given(member=members, seed=seeds)
def test_a_mutation_is_one_of_the_nearest(member, seed):
    child = POOL.mutate(member, Random(seed))
    assert child != member
    assert child in POOL.neighbours(member)


@given(arch=st.sampled_from(EVERY), seed=seeds)
def test_the_nearest_member_is_found_from_anywhere(arch, seed):
    found = POOL.nearest(arch, Random(seed))
    assert distance(arch, found) == min(distance(arch, member) for member in MEMBERS)


@given(first=members, second=members, seed=seeds)
def test_a_crossover_is_a_member(first, second, seed):
    assert POOL.is_valid(POOL.crossover(first, second, Random(seed)))


def test_the_simplest_member_has_the_fewest_choices_made():
    pool = PoolSpace("pool", DECISIONS, [(1, 1, 0, 0), (0, 2, 0, 0), (3, 2, 4, 1)])
    assert pool.simplest() == (0, 2, 0, 0)


@pytest.mark.parametrize(
    ("given", "at_least", "message"),
    [
        ([(0, 0, 0, 0)], 8, "expected at least 2 members"),
        (MEMBERS, 0, "at_least of 1 or more"),
        ([(0, 0, 0, 0), (0, 0, 0, 2)], 8, r"\(0, 0, 0, 2\) is no spelling below \(4, 3, 5, 2\)"),
    ],
)
def test_what_is_no_pool_is_refused(given, at_least, message):
    with pytest.raises(ValueError, match=message):
        PoolSpace("pool", DECISIONS, given, at_least=at_least)
