"""`regularized_evolution` for many runs at once."""

from __future__ import annotations

import numpy as np

from ...bench.core.vectorized import Floats, LaneProblem, LaneRandom
from ...spaces.vectorized import Numbers
from ..regularized_evolution import check_settings

_MUTATION, _TOURNAMENT = 0, 2


class RegularizedEvolutionLanes:
    """The population is a ring: the newest takes the place of the oldest.

    Settings are those of `RegularizedEvolution`.
    """

    def __init__(
        self,
        problem: LaneProblem,
        draws: LaneRandom,
        /,
        *,
        population_size: int = 100,
        sample_size: int = 25,
    ) -> None:
        check_settings(population_size, sample_size)
        self._space, self._draws = problem.space, draws
        self._size, self._sample = population_size, sample_size
        self._losses = np.empty((problem.lanes, population_size))
        self._numbers = np.empty((problem.lanes, population_size), np.int64)
        self._lanes = np.arange(problem.lanes)
        self._starts = self._lanes[:, None] * population_size
        self._told = 0

    def ask(self) -> Numbers:
        if self._told < self._size:
            asked = self._space.sample(self._draws, _MUTATION)
        else:
            members = self._draws.below(self._size, _TOURNAMENT, self._sample)
            members += self._starts
            best = self._losses.reshape(-1).take(members).argmin(axis=1)
            parents = self._numbers.reshape(-1).take(members[self._lanes, best])
            asked = self._space.mutate(parents, self._draws, _MUTATION)
        self._numbers[:, self._told % self._size] = asked
        return asked

    def tell(self, losses: Floats, /) -> None:
        self._losses[:, self._told % self._size] = losses
        self._told += 1
