"""A search space of which only some architectures exist: those that a partial table holds.

A table that samples its space (20,000 of NAS-Bench-101's 423,624 cells, say) cannot answer for
most spellings. `PoolSpace` numbers the members alone, draws among them, and moves from each to
those that are most like it, so that strategies propose among what exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from .base import Arch, Decision, SearchSpace

_BLOCK = 512
"""Rows of distances computed at once, to bound the memory."""


class PoolSpace(SearchSpace):
    """The members of a pool, spelled by the decisions of the space they were drawn from.

    ``index`` counts members in lexicographic order, so a table has one entry a member and not one
    a spelling. Two members are alike by the number of decisions in which they differ.

    Args:
        name: of the space.
        decisions: of the space that the members come from.
        members: their spellings; repeats count once.
        at_least: how many neighbours each member has at least, where there are as many. Members
            that differ in one decision are always neighbours; a lonely member reaches as far as it
            must.

    Raises:
        ValueError: if there are fewer than two members or one is not a spelling.
    """

    def __init__(
        self,
        name: str,
        decisions: Sequence[Decision],
        members: Iterable[Arch],
        *,
        at_least: int = 8,
    ) -> None:
        super().__init__(name, decisions)
        self.members: tuple[Arch, ...] = tuple(sorted(set(members)))
        if len(self.members) < 2 or at_least < 1:
            raise ValueError(
                f"pool {name!r}: expected at least 2 members and at_least of 1 or more, "
                f"got {len(self.members)} and {at_least}"
            )
        for member in self.members:
            if not super().is_valid(member):
                raise ValueError(f"pool {name!r}: {member!r} is no spelling below {self.sizes}")
        self._number = {member: number for number, member in enumerate(self.members)}
        self._array = np.array(self.members, dtype=np.int16)
        self._at_least = min(at_least, len(self.members) - 1)

    def is_valid(self, arch: Arch) -> bool:
        return super().is_valid(arch) and arch in self._number

    def canonical(self, arch: Arch) -> Arch:
        """Every member is a network of its own."""
        return arch

    def simplest(self) -> Arch:
        """The member with the fewest decisions that are not at their first choice."""
        return min(self.members, key=lambda member: (len(member) - member.count(0), member))

    @cached_property
    def spellings(self) -> int:
        """Number of members."""
        return len(self.members)

    def index(self, arch: Arch) -> int:
        return self._number[arch]

    def arch(self, index: int) -> Arch:
        return self.members[index]

    def archs(self, indices: NDArray[np.int64]) -> NDArray[np.int16]:
        return self._array[indices]

    def __iter__(self) -> Iterator[Arch]:
        return iter(self.members)

    # Moving about.

    def sample(self, rng: Random) -> Arch:
        """A member, uniformly at random."""
        return self.members[int(rng.random() * len(self.members))]

    def nearest(self, arch: Arch, rng: Random) -> Arch:
        """The member that differs least from any spelling; of several, one at random."""
        if arch in self._number:
            return arch
        return self._draw(self._distances(arch), 0, rng)

    def mutate(self, arch: Arch, rng: Random) -> Arch:
        """A random one of the ``at_least`` members most like this one (more, if they tie)."""
        distances = self._distances(arch)
        distances[self._number[arch]] = len(self.sizes) + 1
        return self._draw(distances, self._at_least - 1, rng)

    def crossover(self, first: Arch, second: Arch, rng: Random) -> Arch:
        """The member nearest to a uniform crossover of the parents."""
        pairs = zip(first, second, strict=True)
        return self.nearest(tuple([a if rng.random() < 0.5 else b for a, b in pairs]), rng)

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Those whom this member's reach holds, and those whose reach holds it.

        So neighbourhood is mutual. A reach is the distance to the ``at_least``-th nearest member.
        """
        own = self._number[arch]
        near = self._distances(arch) <= np.maximum(self._reach[own], self._reach)
        near[own] = False
        return [self.members[number] for number in np.flatnonzero(near)]

    def _draw(self, distances: NDArray[np.int64], rank: int, rng: Random) -> Arch:
        """A random one of those no farther than the one at ``rank``."""
        near = np.flatnonzero(distances <= np.partition(distances, rank)[rank])
        return self.members[int(near[int(rng.random() * len(near))])]

    def _distances(self, arch: Arch) -> NDArray[np.int64]:
        """(members,) number of decisions in which each differs from ``arch``."""
        differs: NDArray[np.int64] = (self._array != np.array(arch, dtype=np.int16)).sum(axis=1)
        return differs

    @cached_property
    def _reach(self) -> NDArray[np.int64]:
        """(members,) distance to the ``at_least``-th nearest other member."""
        starts = np.cumsum([0, *self.sizes[:-1]])
        one_hot = np.zeros((len(self.members), sum(self.sizes)), dtype=np.float32)
        np.put_along_axis(one_hot, self._array + starts, 1.0, axis=1)
        found = []
        for start in range(0, len(self.members), _BLOCK):
            same = one_hot[start : start + _BLOCK] @ one_hot.T
            # The member itself is the nearest of all: hence no "- 1".
            rank = same.shape[1] - 1 - self._at_least
            found.append(np.partition(same, rank, axis=1)[:, rank])
        return (len(self.sizes) - np.concatenate(found)).astype(np.int64)
