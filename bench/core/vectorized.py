"""Strategies for many runs at once: one lane a run, arrays in and arrays out.

A strategy declares where its lane form lives with ``@strategy(lanes="module:attribute")``. It is
made by ``factory(problem, draws, **settings)``, is asked for one spelling a lane, and is told one
loss a lane; all lanes are at the same step. Random numbers come from `LaneRandom`, where each lane
has a stream of its own, keyed by its seed and the step: a lane has the same bits alone or in
company, as long as no lane's numbers enter into another's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...spaces.vectorized import LaneSpace, Numbers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LaneProblem:
    """What a lane form is told of a task: the space, and how many lanes there are."""

    space: LaneSpace
    lanes: int


@runtime_checkable
class LaneStrategy(Protocol):
    """Proposes one architecture a lane and is told one loss a lane, in turns."""

    def ask(self) -> Numbers:
        """(lanes,) numbers of spellings; -1 where a lane has nothing more to ask, from then on."""
        ...

    def tell(self, losses: Floats, /) -> None:
        """(lanes,) the losses of what was asked; a failed training gives ``inf``."""
        ...


class LaneRandom:
    """Philox 4x64, one stream a lane: (name, seed, step, salt) are its key and counter.

    Source: Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.

    Args:
        name: all that the lanes share, such as experiment, task and role.
        first: seed index of the first lane; the others follow.
        lanes: how many there are.

    Attributes:
        step: what the runner counts up; the same step gives the same numbers.
    """

    def __init__(self, name: str, first: int, lanes: int) -> None:
        digest = hashlib.sha256(name.encode()).digest()
        key = np.frombuffer(digest[:16], "<u8").astype(np.uint64)
        self._bits = np.random.Philox(key=key, counter=0)
        self._state = self._bits.state  # setting it takes a tenth of the time of a new generator
        self._counter = self._state["state"]["counter"]
        self._first, self._lanes = first, lanes
        self.step = 0

    def _words(self, count: int, salt: int, width: int) -> NDArray[np.uint64]:
        """The words of ``width`` bytes, ``count`` a lane, one lane after the other from seed 0."""
        block = 32 // width  # Philox makes 32 bytes at a time
        start, skip = divmod(self._first * count, block)
        self._counter[:] = start, salt, self.step, 0
        self._bits.state = self._state
        wanted = self._lanes * count
        drawn = self._bits.random_raw(-(-(skip + wanted) * width // 8))
        words = drawn.view(f"<u{width}")[skip : skip + wanted].reshape(self._lanes, count)
        return words.astype(np.uint64)

    def below(self, bounds: int | NDArray[Any], salt: int, count: int = 1) -> Numbers:
        """(lanes, count) whole numbers from 0 to ``bounds`` - 1 (at most 2^32), 32 bits each.

        ``bounds`` is a number, or an array that broadcasts. Two calls in one step need different
        salts, or they give the same numbers.
        """
        words = self._words(count, salt, 4)
        words *= np.asarray(bounds, np.uint64)
        words >>= np.uint64(32)
        return words.view(np.int64)

    def uniform(self, salt: int, count: int = 1) -> Floats:
        """(lanes, count) numbers from 0 to below 1, 53 bits each."""
        words = self._words(count, salt, 8)
        return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Memory:
    """What each lane has asked, by network, with the losses it was told.

    Lists that are looked through, not tables of the whole space: memory goes with what was asked.
    """

    def __init__(self, lanes: int) -> None:
        self._networks = np.full((64, lanes), -2, np.int32)
        self._losses = np.full((64, lanes), np.inf)
        self._count = 0

    def add(self, networks: NDArray[Any]) -> None:
        """(lanes,) networks, one more a lane; its loss is `told` later."""
        if self._count == len(self._networks):
            self._networks = np.concatenate([self._networks, np.full_like(self._networks, -2)])
            self._losses = np.concatenate([self._losses, np.full_like(self._losses, np.inf)])
        self._networks[self._count] = networks
        self._count += 1

    def told(self, losses: Floats) -> None:
        """(lanes,) the losses of what was added last."""
        self._losses[self._count - 1] = losses

    def holds(self, networks: NDArray[Any], lanes: Numbers | None = None) -> NDArray[np.bool_]:
        """(n,) whether each of these lanes, or of all, has asked for its network."""
        asked = self._networks[: self._count]
        found: NDArray[np.bool_] = (
            (asked if lanes is None else asked[:, lanes]) == networks.astype(np.int32)
        ).any(axis=0)
        return found

    def of(self, lane: int) -> NDArray[np.int32]:
        """All that one lane has asked."""
        return self._networks[: self._count, lane]

    def losses(self, lanes: Numbers, networks: NDArray[Any]) -> tuple[NDArray[np.bool_], Floats]:
        """For the (n,) ``lanes``, of (n, m) ``networks``: whether known, and with what loss."""
        own = self._networks[: self._count, lanes]
        same = own[:, :, None] == networks.astype(np.int32)
        place = same.argmax(axis=0)
        known = np.take_along_axis(same, place[None], axis=0)[0]
        return known, np.where(known, self._losses[place, lanes[:, None]], np.inf)
