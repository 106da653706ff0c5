"""A search space for many runs at once: architectures are numbers of spellings, in arrays.

One lane is one run. Every move draws for all lanes, whether they need it or not, so that what a
lane draws does not depend on its company.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .base import SearchSpace

Numbers = NDArray[np.int64]

RETRY = 64
"""Added to the salt each time that a move is tried again: salts below it are free."""
_AT_HAND = 5_000_000
"""Up to so many neighbours of all spellings together are kept, 20 MB."""
_MOVES = ("sample", "mutate", "crossover", "neighbours", "index", "arch", "archs", "active")


class Draws(Protocol):
    """Where lanes get their random numbers from."""

    def below(self, bounds: int | NDArray[Any], salt: int, count: int = 1) -> Numbers:
        """(lanes, count) whole numbers below ``bounds``, a number or (lanes, count) of them.

        Two calls in one step need different salts, or they give the same numbers.
        """
        ...


def has_lanes(space: SearchSpace) -> bool:
    """Whether `LaneSpace` moves as this space does: it has none of its own ways to move."""
    return all(getattr(type(space), name) is getattr(SearchSpace, name) for name in _MOVES)


class LaneSpace:
    """Samples, mutates and crosses spellings as `SearchSpace` does, one a lane.

    Args:
        space: one that `has_lanes`.
        canonical: (spellings,) number of each spelling's canonical form, -1 if it is no network.

    Attributes:
        canonical: as given.
        sizes, strides: (decisions,) choices of each, and what one choice more adds to the number.
        choices: (spellings, decisions) what each spelling chooses.
    """

    def __init__(self, space: SearchSpace, canonical: NDArray[np.int32]) -> None:
        if not has_lanes(space):
            raise ValueError(f"{space.name} moves in ways of its own, which have no lanes")
        self.space, self.canonical = space, canonical
        self.sizes = np.array(space.sizes)
        self.strides = np.array(
            [int(np.prod(space.sizes[i + 1 :])) for i in range(len(space.sizes))], np.int64
        )
        self.choices: NDArray[np.int16] = space.archs(np.arange(space.spellings))
        self._valid = np.flatnonzero(canonical >= 0)
        self._every = len(self._valid) == space.spellings
        self._mutable = np.flatnonzero(self.sizes > 1)
        self._conditional = any(decision.condition for decision in space.decisions)
        self._flat = self.choices.reshape(-1)

    def simplest(self) -> int:
        """The number of the space's simplest architecture."""
        return self.space.index(self.space.simplest())

    def number(self, choices: NDArray[Any]) -> Numbers:
        """(n, decisions) choices to (n,) numbers."""
        numbers: Numbers = choices.astype(np.int64) @ self.strides
        return numbers

    def active(self, numbers: Numbers) -> NDArray[np.bool_]:
        """(n, decisions) which decisions count."""
        chosen = self.choices[numbers]
        on = np.ones(chosen.shape, bool)
        for place, decision in enumerate(self.space.decisions):
            if (where := decision.condition) is not None:
                fits = np.isin(chosen[:, where.decision], list(where.choices))
                on[:, place] = on[:, where.decision] & fits
        return on

    def sample(self, draws: Draws, salt: int) -> Numbers:
        """(lanes,) valid spellings, uniformly at random."""
        drawn = draws.below(len(self._valid), salt)[:, 0]
        return drawn if self._every else self._valid.take(drawn)

    def mutate(self, numbers: Numbers, draws: Draws, salt: int) -> Numbers:
        """(lanes,) each with one active decision, chosen uniformly, set to another choice."""
        if not self._conditional:
            return self._until_valid(lambda s: self._mutate(numbers, draws, s), salt)
        on = self.active(numbers)[:, self._mutable]
        return self._until_valid(lambda s: self._mutate(numbers, draws, s, on), salt)

    def _mutate(
        self, numbers: Numbers, draws: Draws, salt: int, on: NDArray[np.bool_] | None = None
    ) -> Numbers:
        if on is None:
            place = self._mutable[draws.below(len(self._mutable), salt)[:, 0]]
        else:
            reached = on.cumsum(axis=1)
            place = draws.below(reached[:, -1:], salt)
            place = self._mutable[(reached > place).argmax(axis=1)]
        old = self._flat.take(numbers * len(self.sizes) + place)
        # Further salts: 1 after this one is taken by the choice.
        new = draws.below((self.sizes[place] - 1)[:, None], salt + 1)[:, 0]
        new += new >= old
        changed: Numbers = numbers + (new - old) * self.strides[place]
        return changed

    def crossover(self, first: Numbers, second: Numbers, draws: Draws, salt: int) -> Numbers:
        """(lanes,) each decision from either parent with equal chance."""
        one, other = self.choices[first], self.choices[second]

        def cross(salt: int) -> Numbers:
            return self.number(np.where(draws.below(2, salt, one.shape[1]) == 0, one, other))

        return self._until_valid(cross, salt)

    def _until_valid(self, move: Any, salt: int) -> Numbers:
        """``move`` with one salt after the other until every lane holds a network."""
        moved: Numbers = move(salt)
        if self._every:
            return moved
        while (wrong := self.canonical[moved] < 0).any():
            salt += RETRY
            moved = np.where(wrong, move(salt), moved)
        return moved

    def neighbours(self, numbers: Numbers) -> Numbers:
        """(n, most neighbours) all valid spellings that differ in one active decision; -1: none."""
        if self.space.spellings * int((self.sizes - 1).sum()) > _AT_HAND:
            return self._neighbours(numbers)
        return self._all_neighbours.take(numbers, axis=0).astype(np.int64)

    @cached_property
    def _all_neighbours(self) -> NDArray[np.int32]:
        return self._neighbours(np.arange(self.space.spellings)).astype(np.int32)

    def _neighbours(self, numbers: Numbers) -> Numbers:
        chosen = self.choices[numbers].astype(np.int64)
        on = self.active(numbers) if self._conditional else np.ones(chosen.shape, bool)
        found = []
        for place, size in enumerate(self.sizes):
            own = chosen[:, place]
            for step in range(1, int(size)):
                other = (own + step) % size
                near = numbers + (other - own) * self.strides[place]
                fits = on[:, place] & (self.canonical[near] >= 0)
                found.append(np.where(fits, near, -1))
        return np.stack(found, axis=1) if found else np.empty((len(numbers), 0), np.int64)
