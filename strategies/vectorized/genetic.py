"""`genetic` for many runs at once."""

from __future__ import annotations

import numpy as np

from ...bench.core.vectorized import Floats, LaneProblem, LaneRandom, Memory
from ...spaces.vectorized import Numbers
from ..genetic import check_settings

_TRIES = 20
_SAMPLE, _FIRST, _SECOND, _CROSSOVER, _RATES, _MUTATION, _AWAY = 0, 1, 2, 3, 4, 5, 7


class GeneticLanes:
    """All lanes are at the same child of the same generation.

    Settings are those of `Genetic`.
    """

    def __init__(
        self,
        problem: LaneProblem,
        draws: LaneRandom,
        /,
        *,
        population_size: int = 20,
        tournament_size: int = 2,
        crossover_rate: float = 0.9,
        mutation_rate: float = 0.2,
        elites: int = 2,
        start: str = "random",
    ) -> None:
        check_settings(
            population_size, tournament_size, crossover_rate, mutation_rate, elites, start
        )
        self._space, self._draws, self._lanes = problem.space, draws, problem.lanes
        self._size, self._tournament, self._elites = population_size, tournament_size, elites
        self._rates = np.array([crossover_rate, mutation_rate])
        self._grow = start == "simplest"
        self._memory = Memory(problem.lanes)
        self._parents: Numbers | None = None
        self._fitness = np.empty((problem.lanes, 0))
        self._children: list[Numbers] = []
        self._losses: list[Floats] = []

    def ask(self) -> Numbers:
        asked = self._first() if self._parents is None else self._child(self._parents)
        canonical = self._space.canonical
        known = np.flatnonzero(self._memory.holds(canonical[asked]))
        for attempt in range(_TRIES):
            if not len(known):
                break
            away = self._space.mutate(asked, self._draws, _AWAY + 2 * attempt)
            asked[known] = away[known]
            known = known[self._memory.holds(canonical[asked[known]], known)]
        self._memory.add(canonical[asked])
        self._children.append(asked)
        return asked

    def tell(self, losses: Floats, /) -> None:
        self._losses.append(losses)
        elites = 0 if self._parents is None else self._elites
        if len(self._losses) + elites < self._size:
            return
        children, fitness = np.stack(self._children, axis=1), np.stack(self._losses, axis=1)
        if self._parents is not None:
            best = self._fitness.argsort(axis=1, kind="stable")[:, :elites]
            children = np.hstack([np.take_along_axis(self._parents, best, axis=1), children])
            fitness = np.hstack([np.take_along_axis(self._fitness, best, axis=1), fitness])
        self._parents, self._fitness = children, fitness
        self._children, self._losses = [], []

    def _first(self) -> Numbers:
        if self._grow:
            return np.full(self._lanes, self._space.simplest())  # `ask` mutates it away
        return self._space.sample(self._draws, _SAMPLE)

    def _child(self, parents: Numbers) -> Numbers:
        crossed, mutated = (self._draws.uniform(_RATES, 2) < self._rates).T
        child = self._parent(parents, _FIRST)
        other = self._parent(parents, _SECOND)
        both = self._space.crossover(child, other, self._draws, _CROSSOVER)
        child = np.where(crossed, both, child)
        changed = self._space.mutate(child, self._draws, _MUTATION)
        return np.where(mutated, changed, child)

    def _parent(self, parents: Numbers, salt: int) -> Numbers:
        members = self._draws.below(self._size, salt, self._tournament)
        best = np.take_along_axis(self._fitness, members, axis=1).argmin(axis=1)
        winner = np.take_along_axis(members, best[:, None], axis=1)
        return np.take_along_axis(parents, winner, axis=1)[:, 0]
