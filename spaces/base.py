"""Search spaces: a fixed sequence of categorical decisions, some of them conditional."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from math import prod
from random import Random
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arch: TypeAlias = tuple[int, ...]
"""One choice index per decision: hashable, JSON, a table key."""

Graph: TypeAlias = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]
"""Labels of the nodes, and edges from node to node."""


class Condition(NamedTuple):
    """A decision counts only while decision number ``decision`` takes one of ``choices``."""

    decision: int
    choices: frozenset[int]


class Decision(NamedTuple):
    """One categorical decision of a space.

    ``condition`` may only refer to an earlier decision. A decision that does not count is
    *inactive*; in the canonical form it holds choice 0.
    """

    name: str
    choices: tuple[str, ...]
    condition: Condition | None = None


class SearchSpace:
    """A space of architectures, each a tuple with one choice index per decision.

    Every tuple of indices within ``sizes`` is a *spelling*. A subclass may forbid some
    spellings (`is_valid`), and may know that several spellings are one and the same network
    (`canonical`). All randomness comes in as a `random.Random`.
    """

    def __init__(self, name: str, decisions: Sequence[Decision]) -> None:
        self.name = name
        self.decisions = tuple(decisions)
        self.sizes: tuple[int, ...] = tuple(len(d.choices) for d in self.decisions)
        for number, decision in enumerate(self.decisions):
            condition = decision.condition
            if condition is not None and not 0 <= condition.decision < number:
                raise ValueError(
                    f"space {name!r}: the condition of {decision.name!r} must refer to an earlier "
                    f"decision (0 to {number - 1}), got {condition.decision}"
                )
        self._conditional = any(d.condition is not None for d in self.decisions)
        self._mutable = tuple(i for i, size in enumerate(self.sizes) if size > 1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.sizes)} decisions>"

    # What an architecture is.

    def is_valid(self, arch: Arch) -> bool:
        """Whether ``arch`` is a tuple of in-range choice indices that names a network."""
        return (
            type(arch) is tuple
            and len(arch) == len(self.sizes)
            and all(type(c) is int and 0 <= c < n for c, n in zip(arch, self.sizes, strict=True))
        )

    def active(self, arch: Arch) -> tuple[bool, ...]:
        """Which decisions of ``arch`` count, given the conditions."""
        flags: list[bool] = []
        for decision in self.decisions:
            where = decision.condition
            flags.append(
                where is None or (flags[where.decision] and arch[where.decision] in where.choices)
            )
        return tuple(flags)

    def canonical(self, arch: Arch) -> Arch:
        """The one spelling that stands for all spellings of this network. Idempotent."""
        if not self._conditional:
            return arch
        return tuple(c if on else 0 for c, on in zip(arch, self.active(arch), strict=True))

    def simplest(self) -> Arch:
        """The architecture that a search from small to large starts with."""
        return (0,) * len(self.sizes)

    def describe(self, arch: Arch) -> str:
        """``arch`` in words, on one line."""
        parts = zip(self.decisions, arch, self.active(arch), strict=True)
        return ", ".join(f"{d.name}={d.choices[c]}" for d, c, on in parts if on)

    # Counting and numbering.

    @cached_property
    def spellings(self) -> int:
        """Number of tuples of choice indices, valid or not."""
        return prod(self.sizes)

    def index(self, arch: Arch) -> int:
        """The number of a spelling, 0 to ``spellings - 1``, in lexicographic order."""
        number = 0
        for choice, size in zip(arch, self.sizes, strict=True):
            number = number * size + choice
        return number

    def arch(self, index: int) -> Arch:
        """The spelling with this number: the inverse of `index`."""
        choices = []
        for size in reversed(self.sizes):
            index, choice = divmod(index, size)
            choices.append(choice)
        return tuple(reversed(choices))

    def archs(self, indices: NDArray[np.int64]) -> NDArray[np.int16]:
        """The spellings with these numbers: (n,) in, (n, decisions) out."""
        return np.stack(np.unravel_index(indices, self.sizes), axis=-1).astype(np.int16)

    def __iter__(self) -> Iterator[Arch]:
        """All valid spellings, in lexicographic order."""
        every = (self.arch(i) for i in range(self.spellings))
        return (arch for arch in every if self.is_valid(arch))

    # Moving about.

    def sample(self, rng: Random) -> Arch:
        """A valid spelling, uniformly at random."""
        while True:
            draw = rng.random
            arch = tuple([int(draw() * size) for size in self.sizes])
            if self.is_valid(arch):
                return arch

    def mutate(self, arch: Arch, rng: Random) -> Arch:
        """``arch`` with one active decision, chosen uniformly, set to another choice."""
        places = self._mutable
        if self._conditional:
            active = self.active(arch)
            places = tuple(i for i in places if active[i])
        draw = rng.random
        while True:
            place = places[int(draw() * len(places))]
            choice = int(draw() * (self.sizes[place] - 1))
            if choice >= arch[place]:
                choice += 1
            child = (*arch[:place], choice, *arch[place + 1 :])
            if self.is_valid(child):
                return child

    def crossover(self, first: Arch, second: Arch, rng: Random) -> Arch:
        """Each decision from either parent with equal chance (uniform crossover)."""
        draw = rng.random
        while True:
            pairs = zip(first, second, strict=True)
            child = tuple([a if draw() < 0.5 else b for a, b in pairs])
            if self.is_valid(child):
                return child

    def nearest(self, arch: Arch, rng: Random) -> Arch:
        """A valid spelling close to ``arch``, a tuple of in-range choices that may be forbidden.

        ``arch`` itself where it is valid; else the first that is met when ever more decisions,
        chosen at random, are drawn anew.
        """
        if self.is_valid(arch):
            return arch
        places = range(len(self.sizes))
        for changes in places:
            for _ in places:
                near = list(arch)
                for place in rng.sample(places, changes + 1):
                    near[place] = int(rng.random() * self.sizes[place])
                if self.is_valid(tuple(near)):
                    return tuple(near)
        return self.sample(rng)

    def neighbours(self, arch: Arch) -> list[Arch]:
        """All valid spellings that differ from ``arch`` in one active decision."""
        found = []
        for place, on in enumerate(self.active(arch)):
            if not on:
                continue
            for choice in range(self.sizes[place]):
                if choice != arch[place]:
                    other = (*arch[:place], choice, *arch[place + 1 :])
                    if self.is_valid(other):
                        found.append(other)
        return found

    # Encoding for models.

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(decisions,) where in the one-hot encoding each decision's choices begin."""
        return np.array([0, *accumulate(self.sizes[:-1])], np.int64)

    def one_hot(self, arch: Arch) -> NDArray[np.float64]:
        """(sum of sizes,) zeros and ones; an inactive decision is all zeros."""
        encoding: NDArray[np.float64] = self.one_hots([arch])[0]
        return encoding

    def one_hots(self, archs: Sequence[Arch]) -> NDArray[np.float64]:
        """(n, sum of sizes): the one-hot encoding of each."""
        encoding = np.zeros((len(archs), sum(self.sizes)))
        on = (
            np.array([self.active(arch) for arch in archs]) if self._conditional and archs else True
        )
        places = np.array(archs, np.int64).reshape(len(archs), len(self.sizes)) + self.starts
        np.put_along_axis(encoding, places, on, axis=1)
        return encoding


class CellSpace(SearchSpace):
    """A space whose architectures are small directed acyclic graphs of operations."""

    @property
    def path_names(self) -> tuple[tuple[str, ...], ...]:
        """Every sequence of operations that can lead from the input to the output."""
        raise NotImplementedError

    def graph(self, arch: Arch) -> Graph:
        """The cell with its operations as nodes, and the input and the output beside them."""
        raise NotImplementedError

    def path_encoding(self, arch: Arch) -> NDArray[np.float64]:
        """(len(path_names),) 1 where the architecture has the path (White et al. 2021, BANANAS)."""
        raise NotImplementedError
