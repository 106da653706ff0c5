"""A genetic algorithm with tournament, crossover, mutation and elitism.

Source: Holland, "Adaptation in Natural and Artificial Systems", 1975; for architectures, with the
defaults used here, Sun, Xue, Zhang, Yen & Lv, "Automatically Designing CNN Architectures Using
Genetic Algorithm for Image Classification", IEEE Transactions on Cybernetics 2020,
arXiv:1808.03818.
"""

from __future__ import annotations

from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch

_TRIES = 20
"""Mutations tried to get away from architectures that were queried before."""


@strategy(
    family="evolution",
    source="Sun et al. 2020, arXiv:1808.03818",
    asynchronous=True,
    lanes="nasarena.strategies.vectorized.genetic:GeneticLanes",
)
class Genetic:
    """Breeds generation after generation; the best of each live on.

    Parents win tournaments, children are crossed and mutated. A child that was queried before, in
    any spelling, is mutated further. With several workers a generation is queried at once, and the
    next begins when it is complete.

    Args:
        population_size: members of a generation, 20 in the paper.
        tournament_size: members drawn for each tournament; 2 in the paper.
        crossover_rate: chance that a child has two parents, 0.9 in the paper.
        mutation_rate: chance that a child is mutated, 0.2 in the paper.
        elites: members that live on unchanged (and are not queried again).
        start: ``"random"``, or ``"simplest"``: the first generation is the space's simplest
            architecture and others that grew from it by one or more mutations.

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
        tournament_size: int = 2,
        crossover_rate: float = 0.9,
        mutation_rate: float = 0.2,
        elites: int = 2,
        start: str = "random",
    ) -> None:
        check_settings(
            population_size, tournament_size, crossover_rate, mutation_rate, elites, start
        )
        self._space, self._rng = problem.space, rng
        self._size, self._tournament, self._elites = population_size, tournament_size, elites
        self._crossover_rate, self._mutation_rate = crossover_rate, mutation_rate
        self._grow = start == "simplest"
        self._known: set[Arch] = set()  # canonical forms
        self._parents: list[tuple[float, Arch]] = []
        self._children: list[tuple[float, Arch]] = []
        self._to_ask = population_size

    def ask(self) -> Arch | None:
        if not self._to_ask:
            return None
        self._to_ask -= 1
        arch = self._child() if self._parents else self._first()
        for _ in range(_TRIES):
            if self._space.canonical(arch) not in self._known:
                break
            arch = self._space.mutate(arch, self._rng)
        self._known.add(self._space.canonical(arch))
        return arch

    def tell(self, observation: Observation, /) -> None:
        loss = observation.losses[0]
        # A failed training never wins; NaN would win or lose by chance.
        loss = loss if loss == loss else float("inf")
        self._children.append((loss, observation.query.arch))
        if len(self._children) + (self._elites if self._parents else 0) == self._size:
            kept = sorted(self._parents, key=_loss)[: self._elites]
            self._parents = kept + self._children
            self._children = []
            self._to_ask = self._size - self._elites

    def _first(self) -> Arch:
        if not self._grow:
            return self._space.sample(self._rng)
        return self._space.simplest()  # `ask` mutates it until it is another one

    def _child(self) -> Arch:
        draw = self._rng.random
        child = self._parent()
        if draw() < self._crossover_rate:
            child = self._space.crossover(child, self._parent(), self._rng)
        if draw() < self._mutation_rate:
            child = self._space.mutate(child, self._rng)
        return child

    def _parent(self) -> Arch:
        draw, alive = self._rng.random, self._parents
        return min((alive[int(draw() * len(alive))] for _ in range(self._tournament)), key=_loss)[1]


def check_settings(
    population_size: int,
    tournament_size: int,
    crossover_rate: float,
    mutation_rate: float,
    elites: int,
    start: str,
) -> None:
    """Raise ValueError if a setting is out of range."""
    if start not in ("random", "simplest"):
        raise ValueError(f"start: expected 'random' or 'simplest', got {start!r}")
    if not 0 <= elites < population_size or tournament_size < 1:
        raise ValueError(
            "expected 0 <= elites < population_size and tournament_size >= 1, "
            f"got {elites}, {population_size} and {tournament_size}"
        )
    if not (0 <= crossover_rate <= 1 and 0 <= mutation_rate <= 1):
        raise ValueError(f"rates: expected 0 to 1, got {crossover_rate} and {mutation_rate}")


def _loss(member: tuple[float, Arch]) -> float:
    return member[0]
