"""What every space does, and conditional decisions in a small made-up one."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasarena.spaces import Condition, Decision, SearchSpace
from nasarena.spaces.published import (
    fcnet,
    growing,
    nasbench201,
    nasbench_graph,
    text_encoder,
    translation,
)

# A layer's kernel counts only if it is a convolution, its dilation only if the kernel is large.
CONDITIONAL = SearchSpace(
    "conditional",
    [
        Decision("operation", ("skip", "pool", "conv")),
        Decision("kernel", ("3", "5"), Condition(0, frozenset({2}))),
        Decision("dilation", ("1", "2", "4"), Condition(1, frozenset({1}))),
        Decision("width", ("16", "32")),
    ],
)
SPACES = [
    CONDITIONAL,
    nasbench201.SPACE,
    nasbench_graph.SPACE,
    nasbench_graph.PROTEINS,
    fcnet.SPACE,
    growing.SPACE,
    text_encoder.SPACE,
    translation.SPACE,
]
each_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
seeds = st.integers(0, 2**32)


def differences(a, b):
    return [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]


@each_space
@given(seed=seeds)
def test_moves_stay_in_the_space(space, seed):
    rng = Random(seed)
    first, second = space.sample(rng), space.sample(rng)
    assert space.is_valid(first)
    child = space.mutate(first, rng)
    (place,) = differences(first, child)
    assert space.is_valid(child) and space.active(first)[place]
    mixed = space.crossover(first, second, rng)
    assert space.is_valid(mixed)
    assert all(m in pair for m, *pair in zip(mixed, first, second, strict=True))


@each_space
@given(seed=seeds)
def test_canonical_is_idempotent_and_valid(space, seed):
    canonical = space.canonical(space.sample(Random(seed)))
    assert space.is_valid(canonical) and space.canonical(canonical) == canonical


@each_space
@given(seed=seeds)
def test_neighbours_are_mutual_where_the_changed_decision_counts(space, seed):
    arch = space.sample(Random(seed))
    neighbours = space.neighbours(arch)
    assert len(set(neighbours)) == len(neighbours) and arch not in neighbours
    for other in neighbours:
        assert len(differences(arch, other)) == 1
        assert arch in space.neighbours(other)


@each_space
@given(seed=seeds)
def test_index_and_arch_are_inverse(space, seed):
    arch = space.sample(Random(seed))
    index = space.index(arch)
    assert space.arch(index) == arch and 0 <= index < space.spellings
    assert tuple(space.archs(np.array([index]))[0]) == arch


@each_space
def test_simplest_is_canonical(space):
    simplest = space.simplest()
    assert space.is_valid(simplest) and space.canonical(simplest) == simplest


@each_space
@pytest.mark.parametrize(
    "change", [lambda a: a[:-1], list, lambda a: (*a[:-1], 99), lambda a: (-1, *a[1:])]
)
def test_what_is_no_architecture_is_not_valid(space, change):
    assert not space.is_valid(change(space.simplest()))


@pytest.mark.parametrize("space", [CONDITIONAL, nasbench201.SPACE], ids=lambda space: space.name)
def test_sampling_covers_the_space_evenly(space):
    rng = Random(0)
    samples = [space.sample(rng) for _ in range(12_000)]
    if space is CONDITIONAL:
        assert set(samples) == set(space)
    choices = np.array(samples)
    for place, size in enumerate(space.sizes):
        shares = np.bincount(choices[:, place], minlength=size) / len(samples)
        assert np.abs(shares - 1 / size).max() < 0.03


def test_an_inactive_decision_is_invisible():
    conv, skip = (2, 1, 2, 1), (0, 1, 2, 1)
    assert CONDITIONAL.active(conv) == (True, True, True, True)
    assert CONDITIONAL.active(skip) == (True, False, False, True)
    assert CONDITIONAL.canonical(skip) == (0, 0, 0, 1)
    assert CONDITIONAL.describe(skip) == "operation=skip, width=32"
    assert CONDITIONAL.one_hot(skip).tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert CONDITIONAL.one_hot(conv).tolist() == [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]
    assert len({CONDITIONAL.canonical(arch) for arch in CONDITIONAL}) == (2 + 1 + 3) * 2


def test_a_condition_on_a_later_decision_is_refused():
    with pytest.raises(ValueError, match="'kernel' must refer to an earlier"):
        SearchSpace("wrong", [Decision("kernel", ("3",), Condition(0, frozenset({0})))])


@each_space
@given(seed=seeds)
def test_the_one_hot_encoding_has_a_one_for_each_active_decision(space, seed):
    arch = space.canonical(space.sample(Random(seed)))
    encoding, active = space.one_hot(arch), space.active(arch)
    assert encoding.sum() == sum(active)
    ends = [*space.starts[1:], len(encoding)]
    for start, end, choice, on in zip(space.starts, ends, arch, active, strict=True):
        assert encoding[start:end].tolist() == [on and i == choice for i in range(end - start)]


def test_many_encodings_at_once_are_those_of_each():
    archs = [CONDITIONAL.sample(Random(seed)) for seed in range(20)]
    each = np.stack([CONDITIONAL.one_hot(arch) for arch in archs])
    assert (CONDITIONAL.one_hots(archs) == each).all()
    assert CONDITIONAL.one_hots([]).shape == (0, sum(CONDITIONAL.sizes))


@given(seed=seeds)
def test_nearest_keeps_what_is_valid_and_mends_what_is_not(seed):
    class Even(SearchSpace):
        def is_valid(self, arch):
            return super().is_valid(arch) and sum(arch) % 2 == 0

    space = Even("even", [Decision(str(i), ("a", "b", "c")) for i in range(5)])
    rng = Random(seed)
    arch = tuple(rng.randrange(3) for _ in range(5))
    near = space.nearest(arch, rng)
    assert space.is_valid(near)
    assert (near == arch) == space.is_valid(arch)


@pytest.mark.parametrize("space", [nasbench201.SPACE, nasbench_graph.SPACE], ids=lambda s: s.name)
@given(seed=seeds)
def test_the_paths_through_a_cells_graph_are_those_of_its_encoding(space, seed):
    arch = space.canonical(space.sample(Random(seed)))
    labels, edges = space.graph(arch)

    def paths(node):
        if labels[node] == "output":
            return {()}
        rest = {path for a, b in edges if a == node for path in paths(b)}
        return {(labels[node], *path) for path in rest}

    assert labels[0] == "input"
    encoded = {p for p, on in zip(space.path_names, space.path_encoding(arch), strict=True) if on}
    assert {path[1:] for path in paths(0)} == encoded
