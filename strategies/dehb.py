"""DEHB: Hyperband whose architectures evolve by differential evolution, at every fidelity.

Source: Awad, Mallik & Hutter, "DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient
Hyperparameter Optimization", IJCAI 2021, arXiv:2105.09821.
"""

from __future__ import annotations

from collections import defaultdict, deque
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem, Query
from ..spaces import Arch
from ._shared.brackets import hyperband_widths, levels, result

Vector = NDArray[np.float64]

_ALONE = 20
"""Members of the population where there is one number of epochs only, as in the paper's DE."""


class Stage(NamedTuple):
    """One rung of one bracket."""

    level: int
    width: int
    first: bool


class Member:
    """A vector in the unit cube, and the loss of its architecture; inf before it is trained."""

    __slots__ = ("loss", "vector")

    def __init__(self, vector: Vector) -> None:
        self.vector, self.loss = vector, float("inf")


class Challenge(NamedTuple):
    """A vector under way, and the member whose place it takes if it is no worse."""

    vector: Vector
    member: Member


@strategy(
    family="multi-fidelity",
    source="Awad et al. 2021, arXiv:2105.09821",
    asynchronous=True,
    multi_fidelity=True,
)
class DEHB:
    """Evolves one population for each number of epochs; each learns from the one below.

    The first bracket is successive halving from random vectors. From then on nobody waits: a
    rung's members are challenged one by one, parents come from the best of the rung below (of its
    own at the first rung of a bracket), rand/1 mutation and binomial crossover make the challenger,
    and the better one stays. Each decision is a number in [0, 1), cut into as many parts as it has
    choices. On a task that answers at one number of epochs only it is differential evolution of 20
    vectors.

    Args:
        eta: as in Hyperband, 3 in the paper.
        scale: of the difference of two parents, F, 0.5 in the paper.
        crossover: chance that a number comes from the mutant, 0.5 in the paper.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        eta: int = 3,
        scale: float = 0.5,
        crossover: float = 0.5,
    ) -> None:
        if not scale > 0 or not 0 <= crossover <= 1:
            raise ValueError("expected scale > 0 and 0 <= crossover <= 1")
        self._space, self._rng = problem.space, rng
        self._numpy = np.random.default_rng(rng.getrandbits(128))
        self._scale, self._crossover = scale, crossover
        self._epochs = levels(problem, eta)
        alone = len(self._epochs) == 1
        brackets = [(_ALONE,)] if alone else hyperband_widths(len(self._epochs), eta)
        # Every stage is a rung of a bracket: its level, and how many are trained there.
        self._stages = [
            Stage(len(self._epochs) - len(widths) + rung, width, rung == 0)
            for widths in brackets
            for rung, width in enumerate(widths)
        ]
        self._populations = [
            [
                Member(self._random())
                for _ in range(max(s.width for s in self._stages if s.level == n))
            ]
            for n in range(len(self._epochs))
        ]
        self._turn = [0] * len(self._epochs)  # whose turn it is to be challenged
        self._stage, self._asked = 0, 0
        self._halvings = len(brackets[0])  # stages of the first bracket, successive halving
        self._under_way: defaultdict[tuple[Arch, int | None], deque[Challenge]] = defaultdict(deque)

    def ask(self) -> Query | None:
        if self._asked == self._stages[self._stage].width:
            if self._halvings and self._under_way:
                return None  # who is promoted is not known yet
            self._halvings = max(0, self._halvings - 1)
            self._stage, self._asked = (self._stage + 1) % len(self._stages), 0
        stage = self._stages[self._stage]
        self._asked += 1
        population = self._populations[stage.level]
        slot = self._turn[stage.level] % len(population)
        self._turn[stage.level] += 1
        if not self._halvings:
            vector = self._challenger(stage, population[slot])
        elif stage.first:
            vector = population[slot].vector
        else:
            vector = self._best(stage.level - 1, stage.width)[self._asked - 1].vector
        arch = self._space.nearest(self._cut(vector), self._rng)
        query = Query(arch, self._epochs[stage.level])
        self._under_way[arch, query.epochs].append(Challenge(vector, population[slot]))
        return query

    def tell(self, observation: Observation, /) -> None:
        loss, query = result(observation)
        key = (query.arch, query.epochs)
        vector, member = self._under_way[key].popleft()
        if not self._under_way[key]:
            del self._under_way[key]
        if loss <= member.loss:
            member.vector, member.loss = vector, loss

    def _random(self) -> Vector:
        return self._numpy.random(len(self._space.sizes))

    def _best(self, level: int, count: int) -> list[Member]:
        return sorted(self._populations[level], key=lambda member: member.loss)[:count]

    def _challenger(self, stage: Stage, target: Member) -> Vector:
        """Mutation rand/1 of parents, crossed with the target."""
        pool = (
            self._populations[stage.level]
            if stage.first
            else self._best(stage.level - 1, stage.width)
        )
        if len(pool) < 3:
            pool = [member for population in self._populations for member in population]
        while len(pool) < 3:
            pool = [*pool, Member(self._random())]
        a, b, c = (member.vector for member in self._rng.sample(pool, 3))
        mutant = a + self._scale * (b - c)
        mutant = np.where((mutant < 0) | (mutant >= 1), self._random(), mutant)
        crossed = self._random() < self._crossover
        crossed[int(self._rng.random() * len(mutant))] = True
        challenger: Vector = np.where(crossed, mutant, target.vector)
        return challenger

    def _cut(self, vector: Vector) -> Arch:
        """The choices in whose parts of [0, 1) the numbers lie."""
        return tuple(
            int(number * size) for number, size in zip(vector, self._space.sizes, strict=True)
        )
