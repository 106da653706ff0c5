"""`local_search` for many runs at once, moving to the best neighbour of all."""

from __future__ import annotations

import numpy as np

from ...bench.core.vectorized import Floats, LaneProblem, LaneRandom, Memory
from ...spaces.vectorized import RETRY, Numbers

_TRIES = 100
_SHUFFLE, _START = 0, 1
# Within one step a lane may climb several times, and draw several starts each time.
_CLIMB = RETRY * 1000


class LocalSearchLanes:
    """Each lane climbs at its own pace: it looks at neighbours, moves, or starts again.

    A lane is *at rest* when it has to decide: all neighbours of where it stands are known.
    """

    def __init__(self, problem: LaneProblem, draws: LaneRandom, /) -> None:
        self._space, self._draws = problem.space, draws
        lanes = problem.lanes
        self._memory = Memory(lanes)
        self._lanes = np.arange(lanes)
        self._current = np.full(lanes, -1)
        self._loss = np.full(lanes, np.inf)
        most = self._space.neighbours(np.array([self._space.simplest()])).shape[1]
        # The neighbours in the order in which they are looked at: spelling, network, loss, and
        # whether it is still to be asked.
        self._near = np.full((lanes, most), -1)
        self._networks = np.full((lanes, most), -1)
        self._losses = np.full((lanes, most), np.inf)
        self._open = np.zeros((lanes, most), bool)
        self._starting = np.zeros(lanes, bool)
        self._arrived = np.zeros(lanes, bool)
        self._ended = np.zeros(lanes, bool)
        self._asked = self._current

    def ask(self) -> Numbers:
        self._starting[:] = False
        asked = np.full(len(self._lanes), -1)
        if self._arrived.any():
            self._look_around(self._lanes[self._arrived], 0)
        climb = 0
        while len(rest := self._lanes[~self._open.any(axis=1) & ~self._starting & ~self._ended]):
            best = self._losses[rest].argmin(axis=1)
            better = self._losses[rest, best] < self._loss[rest]
            moving, best = rest[better], best[better]
            self._current[moving] = self._near[moving, best]
            self._loss[moving] = self._losses[moving, best]
            climb += 1
            self._look_around(moving, climb)
            self._start_again(rest[~better], asked, climb)
        looking = self._open.any(axis=1)
        first = self._open.argmax(axis=1)
        asked = np.where(looking, self._near[self._lanes, first], asked)
        self._arrived[:] = False
        self._asked = asked
        self._memory.add(np.where(asked < 0, -3, self._space.canonical[asked]))
        return asked

    def tell(self, losses: Floats, /) -> None:
        self._memory.told(losses)
        networks = self._space.canonical[self._asked]
        self._current = np.where(self._starting, self._asked, self._current)
        self._loss = np.where(self._starting, losses, self._loss)
        self._arrived = self._starting.copy()
        looking = ~self._starting & ~self._ended
        same = (self._networks == networks[:, None]) & looking[:, None]
        self._losses = np.where(same, losses[:, None], self._losses)
        self._open &= ~same

    def _look_around(self, lanes: Numbers, climb: int) -> None:
        """Put the neighbours of these lanes in a random order and see which are not known."""
        if not len(lanes):
            return
        near = self._space.neighbours(self._current[lanes])
        keys = self._draws.below(2**32, _SHUFFLE + climb * _CLIMB, near.shape[1])[lanes]
        near = np.take_along_axis(near, keys.argsort(axis=1, kind="stable"), axis=1)
        networks = np.where(near < 0, -1, self._space.canonical[near])
        known, losses = self._memory.losses(lanes, networks)
        # Of several spellings of one network the first is asked.
        same = networks[:, :, None] == networks[:, None, :]
        again = np.tril(same, -1).any(axis=2)
        self._near[lanes], self._networks[lanes], self._losses[lanes] = near, networks, losses
        self._open[lanes] = ~known & ~again & (near >= 0)

    def _start_again(self, lanes: Numbers, asked: Numbers, climb: int) -> None:
        """Give these lanes a random architecture that is not known yet, where there is one."""
        left = lanes
        for attempt in range(_TRIES):
            if not len(left):
                break
            drawn = self._space.sample(self._draws, _START + attempt * RETRY + climb * _CLIMB)
            asked[left] = drawn[left]
            left = left[self._memory.holds(self._space.canonical[drawn[left]], left)]
        for lane in left.tolist():
            asked[lane] = self._first_unknown(lane)
        self._ended[lanes] = asked[lanes] < 0
        self._starting[lanes] = ~self._ended[lanes]

    def _first_unknown(self, lane: int) -> int:
        """The first network that a lane does not know; -1 if it knows them all."""
        canonical = self._space.canonical
        valid = np.flatnonzero(canonical >= 0)
        unknown = valid[~np.isin(canonical[valid], self._memory.of(lane))]
        return int(unknown[0]) if len(unknown) else -1
