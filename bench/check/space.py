"""The checks of a search space, alone and with the tables that are spelled in it.

Each raises `CheckFailed`. They look at samples; random streams are fixed, so a finding comes
again. ``sample`` is asked to be uniform over the valid spellings, as `SearchSpace.sample` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from random import Random

import numpy as np

from ...spaces import Arch, CellSpace, SearchSpace
from .._base.errors import CheckFailed
from ..core.contracts import Task, table_of
from .guard import Guard

SAMPLES = 2000
FEW = 100
"""For what costs more than a microsecond or two."""
EXPECTED = 25.0
"""A choice that should come up so often in the samples and does not is never drawn (p < 1e-10)."""


def _few(space: SearchSpace) -> list[Arch]:
    rng = Random(1)
    return [space.sample(rng) for _ in range(FEW)]


def _expect(kept: bool, expected: str, came: str) -> None:
    if not kept:
        raise CheckFailed(expected, came)


# Drawing and moving.


def samples_are_valid(space: SearchSpace) -> None:
    """Random architectures are of the space, and follow from the stream alone."""
    first, again = Random(0), Random(0)
    for _ in range(SAMPLES):
        arch = space.sample(first)
        _expect(space.is_valid(arch), "samples that are valid", f"{arch!r}")
        _expect(space.sample(again) == arch, "the same samples from the same stream", f"{arch!r}")


def sampling_covers(space: SearchSpace) -> None:
    """Every choice of every decision is drawn, as far as it belongs to enough architectures.

    If a share s of uniform samples stays valid with its decision set to a choice, that choice is
    drawn with a chance of at least s / choices: each architecture that has it is reached so from
    at most as many others as the decision has choices.
    """
    rng = Random(0)
    samples = [space.sample(rng) for _ in range(SAMPLES)]
    for place, (decision, size) in enumerate(zip(space.decisions, space.sizes, strict=True)):
        drawn = {arch[place] for arch in samples}
        for choice in set(range(size)) - drawn:
            fits = sum(space.is_valid((*a[:place], choice, *a[place + 1 :])) for a in samples)
            _expect(
                fits / size < EXPECTED,
                f"every choice to come up: {decision.name}={decision.choices[choice]} about "
                f"{fits // size} times or more in {SAMPLES} samples",
                "never",
            )


def draws_only_from_the_stream(space: SearchSpace) -> None:
    """Sampling and moving touch no global generator, clock, file, network or table."""
    guard = Guard("nasarena")
    rng = Random(2)
    with guard.watching():
        arch = space.sample(rng)
        other = space.mutate(arch, rng)
        space.crossover(arch, other, rng)
        space.nearest(arch, rng)
        space.neighbours(arch)
        space.canonical(arch)
    found = [f"{what} at {where}" for _, what, where in guard.trespasses]
    _expect(not found, "chance from the given rng only, and nothing opened", ", ".join(found[:4]))


def neighbours_are_symmetric(space: SearchSpace) -> None:
    """Neighbours are valid, others than the architecture, each once, and it is theirs."""
    for arch in _few(space)[: FEW // 5]:
        around = space.neighbours(arch)
        _expect(len(set(around)) == len(around), "each neighbour once", f"repeats around {arch!r}")
        for other in around:
            _expect(
                space.is_valid(other) and other != arch,
                f"valid neighbours of {arch!r} other than itself",
                repr(other),
            )
            _expect(
                arch in space.neighbours(other),
                f"{arch!r} among the neighbours of its neighbour {other!r}",
                "it is not",
            )


def moves_are_valid(space: SearchSpace) -> None:
    """Mutants differ from the parent; children of twins are twins; all are valid."""
    rng, archs = Random(3), _few(space)
    for arch, other in pairwise(archs):
        mutant, child = space.mutate(arch, rng), space.crossover(arch, other, rng)
        _expect(space.is_valid(mutant), f"a valid mutant of {arch!r}", repr(mutant))
        _expect(mutant != arch, f"a mutant that is not its parent {arch!r}", "the same")
        _expect(space.is_valid(child), f"a valid child of {arch!r} and {other!r}", repr(child))
        twin = space.crossover(arch, arch, rng)
        _expect(twin == arch, f"{arch!r} crossed with itself to be itself", repr(twin))
        near = space.nearest(arch, rng)
        _expect(near == arch, f"{arch!r} to be the nearest to itself", repr(near))


def simplest_is_valid(space: SearchSpace) -> None:
    """The architecture that a growing search starts with is one, always the same."""
    simplest = space.simplest()
    _expect(space.is_valid(simplest), "a valid simplest architecture", repr(simplest))
    _expect(space.simplest() == simplest, "always the same simplest architecture", "another")


def refuses_what_is_none(space: SearchSpace) -> None:
    """Tuples of another length, choices out of range, other types: none of them is valid."""
    arch = space.simplest()
    wrong: list[object] = [
        arch[:-1],
        (*arch, 0),
        (space.sizes[0], *arch[1:]),
        (-1, *arch[1:]),
        (0.0, *arch[1:]),
        list(arch),
        None,
    ]
    for thing in wrong:
        _expect(not space.is_valid(thing), "is_valid to be False", f"True for {thing!r}")  # type: ignore[arg-type]


# Spelling, numbering, encoding.


def canonical_is_idempotent(space: SearchSpace) -> None:
    """The canonical form is valid and its own canonical form."""
    for arch in _few(space):
        form = space.canonical(arch)
        _expect(space.is_valid(form), f"a valid canonical form of {arch!r}", repr(form))
        again = space.canonical(form)
        _expect(again == form, f"{form!r} to be its own canonical form", repr(again))


def what_does_not_count_is_not_told_apart(space: SearchSpace) -> None:
    """Spellings that differ in inactive decisions are one network in every respect."""
    rng = Random(4)
    for arch in _few(space):
        flags = zip(arch, space.sizes, space.active(arch), strict=True)
        other = tuple([c if on else int(rng.random() * n) for c, n, on in flags])
        if not space.is_valid(other):
            continue
        said = f"{arch!r} and {other!r}, alike in all that counts,"
        alike = space.canonical(arch) == space.canonical(other)
        _expect(alike, f"{said} to have one canonical form", "two")
        _expect(space.describe(arch) == space.describe(other), f"{said} to read alike", "not")
        same = np.array_equal(space.one_hot(arch), space.one_hot(other))
        _expect(same, f"{said} to be encoded alike", "not")


def numbers_come_back(space: SearchSpace) -> None:
    """``arch`` and ``archs`` are the inverse of ``index``, which counts below ``spellings``."""
    archs = _few(space)
    numbers = [space.index(arch) for arch in archs]
    for arch, number in zip(archs, numbers, strict=True):
        inside = 0 <= number < space.spellings
        _expect(inside, f"a number below {space.spellings} for {arch!r}", f"{number}")
        back = space.arch(number)
        _expect(back == arch, f"arch({number}) to be {arch!r}", repr(back))
    if space.spellings < 2**62:
        many = space.archs(np.array(numbers, np.int64)).tolist()
        _expect(many == [list(a) for a in archs], "archs to agree with arch", "others")


def iterates_in_order(space: SearchSpace) -> None:
    """Iterating gives valid spellings with growing numbers."""
    last = -1
    for _, arch in zip(range(SAMPLES), space, strict=False):
        _expect(space.is_valid(arch), "valid spellings", repr(arch))
        number = space.index(arch)
        _expect(number > last, "growing numbers", f"{number} after {last}")
        last = number


def one_hots_are_one_hot(space: SearchSpace) -> None:
    """One 1 for each decision that counts; no two different choices look the same."""
    archs = _few(space)
    together = space.one_hots(archs)
    shape = (len(archs), sum(space.sizes))
    _expect(together.shape == shape, f"an encoding of shape {shape}", f"{together.shape}")
    for arch, row in zip(archs, together, strict=True):
        blocks = np.split(row, space.starts[1:])
        wanted = [
            [float(on and n == choice) for n in range(size)]
            for choice, size, on in zip(arch, space.sizes, space.active(arch), strict=True)
        ]
        got = [block.tolist() for block in blocks]
        _expect(got == wanted, f"a 1 at each active choice of {arch!r}", repr(got))
        _expect(
            np.array_equal(space.one_hot(arch), row), "one_hot to agree with one_hots", repr(arch)
        )


def describes_on_one_line(space: SearchSpace) -> None:
    """Different networks are described differently, each on one line."""
    words: dict[str, Arch] = {}
    for arch in _few(space):
        said = space.describe(arch)
        _expect(bool(said) and "\n" not in said, "one line of words", repr(said))
        other = words.setdefault(said, arch)
        alike = space.canonical(other) == space.canonical(arch)
        _expect(alike, f"different words for {other!r} and {arch!r}", repr(said))


def cells_are_graphs(space: SearchSpace) -> None:
    """Edges join nodes that there are, without a cycle; the path encoding is of zeros and ones."""
    if not isinstance(space, CellSpace):
        return
    for arch in _few(space):
        labels, edges = space.graph(arch)
        inside = all(0 <= end < len(labels) for edge in edges for end in edge)
        _expect(inside, f"edges between the {len(labels)} nodes of {arch!r}", repr(edges))
        _expect(not _has_cycle(len(labels), edges), f"no cycle in {arch!r}", repr(edges))
        if len(space.path_names) < 10_000:
            code = space.path_encoding(arch)
            right = code.shape == (len(space.path_names),) and set(code.tolist()) <= {0.0, 1.0}
            _expect(right, f"{len(space.path_names)} zeros and ones for {arch!r}", repr(code))


def _has_cycle(nodes: int, edges: tuple[tuple[int, int], ...]) -> bool:
    left, remaining = set(range(nodes)), list(edges)
    while left:
        free = left - {end for _, end in remaining}
        if not free:
            return True
        left -= free
        remaining = [edge for edge in remaining if edge[0] not in free]
    return False


ALONE: tuple[Callable[[SearchSpace], None], ...] = (
    samples_are_valid,
    sampling_covers,
    draws_only_from_the_stream,
    neighbours_are_symmetric,
    moves_are_valid,
    simplest_is_valid,
    refuses_what_is_none,
    canonical_is_idempotent,
    what_does_not_count_is_not_told_apart,
    numbers_come_back,
    iterates_in_order,
    one_hots_are_one_hot,
    describes_on_one_line,
    cells_are_graphs,
)


def rules(
    space: SearchSpace, tasks: list[Task]
) -> Iterator[tuple[str, str, Callable[[], str | None]]]:
    """Name, place and call of every check of the space, then of each of its tables."""
    from .table import TABLE_RULES

    for rule in ALONE:
        if rule is not cells_are_graphs or isinstance(space, CellSpace):
            yield rule.__name__, space.name, partial(rule, space)
    for table in filter(None, map(table_of, tasks)):
        for with_table in TABLE_RULES:
            yield with_table.__name__, table.id, partial(with_table, table)
