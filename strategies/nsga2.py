"""NSGA-II: a genetic algorithm for several objectives.

Source: Deb, Pratap, Agarwal & Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
NSGA-II", IEEE Transactions on Evolutionary Computation 6, 2002.
"""

from __future__ import annotations

from random import Random

import numpy as np

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.pareto import ranking

_TRIES = 20
"""Mutations tried to get away from architectures that were queried before."""


@strategy(
    family="multi-objective",
    source="Deb et al. 2002, IEEE TEVC 6",
    asynchronous=True,
    multi_objective=True,
)
class NSGA2:
    """Parents and children compete: the better front survives, within a front the less crowded.

    With several workers a generation is queried at once, and the next begins when it is complete.
    A child that was queried before, in any spelling, is mutated further.

    Args:
        population_size: 100 in the paper; smaller here, for the budgets of architecture search.
        crossover_rate: chance that a child has two parents, 0.9 in the paper.
        mutation_rate: chance that a child is mutated once. The paper mutates each variable with
            chance 1 / variables, once a child on average.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        population_size: int = 20,
        crossover_rate: float = 0.9,
        mutation_rate: float = 1.0,
    ) -> None:
        if population_size < 2:
            raise ValueError(f"population_size: expected at least 2, got {population_size}")
        if not (0 <= crossover_rate <= 1 and 0 <= mutation_rate <= 1):
            raise ValueError(f"rates: expected 0 to 1, got {crossover_rate} and {mutation_rate}")
        self._space, self._rng = problem.space, rng
        self._size = population_size
        self._crossover_rate, self._mutation_rate = crossover_rate, mutation_rate
        self._known: set[Arch] = set()  # canonical forms
        self._parents: list[tuple[Arch, tuple[float, ...]]] = []  # best first
        self._children: list[tuple[Arch, tuple[float, ...]]] = []
        self._to_ask = population_size

    def ask(self) -> Arch | None:
        if not self._to_ask:
            return None
        self._to_ask -= 1
        arch = self._child() if self._parents else self._space.sample(self._rng)
        for _ in range(_TRIES):
            if self._space.canonical(arch) not in self._known:
                break
            arch = self._space.mutate(arch, self._rng)
        self._known.add(self._space.canonical(arch))
        return arch

    def tell(self, observation: Observation, /) -> None:
        self._children.append((observation.query.arch, observation.losses))
        if len(self._children) == self._size:
            members = self._parents + self._children
            order = ranking(np.array([losses for _, losses in members], np.float64))
            self._parents = [members[i] for i in order[: self._size]]
            self._children = []
            self._to_ask = self._size

    def _child(self) -> Arch:
        draw = self._rng.random
        child = self._parent()
        if draw() < self._crossover_rate:
            child = self._space.crossover(child, self._parent(), self._rng)
        if draw() < self._mutation_rate:
            child = self._space.mutate(child, self._rng)
        return child

    def _parent(self) -> Arch:
        """The winner of a tournament of two: the parents stand in order, best first."""
        draw, alive = self._rng.random, len(self._parents)
        return self._parents[min(int(draw() * alive), int(draw() * alive))][0]
