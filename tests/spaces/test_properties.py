"""Properties that every search space has, on random spaces with random conditions."""

from random import Random

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from properties import examples

from nasarena.spaces import Condition, Decision, SearchSpace


@st.composite
def spaces(draw):
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    decisions = []
    for number, size in enumerate(sizes):
        condition = None
        if number and draw(st.booleans()):
            on = draw(st.integers(0, number - 1))
            chosen = draw(st.sets(st.integers(0, sizes[on] - 1), min_size=0))
            condition = Condition(on, frozenset(chosen))
        choices = tuple(f"c{choice}" for choice in range(size))
        decisions.append(Decision(f"d{number}", choices, condition))
    return SearchSpace("random", decisions)


SEEDS = st.integers(0, 10**6)


@examples(80)
@given(spaces(), SEEDS)
def test_samples_are_valid_and_numbered(space, seed):
    arch = space.sample(Random(seed))
    assert space.is_valid(arch)
    assert arch == space.sample(Random(seed))
    number = space.index(arch)
    assert 0 <= number < space.spellings
    assert space.arch(number) == arch
    assert space.index(space.arch(seed % space.spellings)) == seed % space.spellings
    assert space.archs(np.array([number])).tolist() == [list(arch)]


@examples(80)
@given(spaces(), SEEDS)
def test_the_canonical_spelling_stands_for_itself(space, seed):
    arch = space.sample(Random(seed))
    canonical = space.canonical(arch)
    assert space.is_valid(canonical)
    assert space.canonical(canonical) == canonical
    assert space.active(canonical) == space.active(arch)
    assert space.describe(canonical) == space.describe(arch)
    np.testing.assert_array_equal(space.one_hot(canonical), space.one_hot(arch))


@examples(60)
@given(spaces(), SEEDS)
def test_neighbours_are_symmetric(space, seed):
    """Where what counts stays the same: a decision that stops others from counting has no way back
    to their choices in the canonical form."""
    arch = space.sample(Random(seed))
    near = space.neighbours(arch)
    assert len(set(near)) == len(near)
    for other in near:
        assert space.is_valid(other)
        assert sum(a != b for a, b in zip(arch, other, strict=True)) == 1
        assert arch in space.neighbours(other)


@examples(60)
@given(spaces(), SEEDS)
def test_a_mutant_is_a_neighbour_and_a_child_has_its_parents_choices(space, seed):
    rng = Random(seed)
    arch, other = space.sample(rng), space.sample(rng)
    near = space.neighbours(arch)
    child = space.crossover(arch, other, rng)
    assert space.is_valid(child)
    assert all(c in pair for c, pair in zip(child, zip(arch, other, strict=True), strict=True))
    assert space.nearest(arch, rng) == arch
    assume(near)
    assert space.mutate(arch, rng) in near


@examples(60)
@given(spaces(), SEEDS)
def test_one_hot_has_a_one_for_each_decision_that_counts(space, seed):
    rng = Random(seed)
    archs = [space.sample(rng) for _ in range(3)]
    encoded = space.one_hots(archs)
    assert encoded.shape == (3, sum(space.sizes))
    for row, arch in zip(encoded, archs, strict=True):
        assert set(row.tolist()) <= {0.0, 1.0}
        parts = np.split(row, space.starts[1:])
        assert [int(part.sum()) for part in parts] == list(map(int, space.active(arch)))
        for part, choice, on in zip(parts, arch, space.active(arch), strict=True):
            assert not on or part[choice] == 1.0
