"""DEHB: Hyperband whose architectures evolve by differential evolution, at every fidelity.

Source: Awad, Mallik & Hutter, "DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient
Hyperparameter Optimization", IJCAI 2021, arXiv:2105.09821.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from ..bench.strategy import strategy
from ..bench.types import Observation, Problem, Query
from ..spaces import Arch
from .brackets import hyperband_widths, levels, result

Vector = NDArray[np.float64]


class Member:
    """A vector in the unit cube, the training of its architecture, and the loss there."""

    __slots__ = ("loss", "vector")

    def __init__(self, vector: Vector, loss: float) -> None:
        self.vector, self.loss = vector, loss


@strategy(
    family="multi-fidelity",
    source="Awad et al. 2021, arXiv:2105.09821",
    asynchronous=True,
    multi_fidelity=True,
)
class DEHB:
    """Evolves one population for each number of epochs; each learns from the one below.

    The first bracket is successive halving from random vectors. From then on a rung's members are
    challenged one by one: parents come from the best of the rung below (of its own at the first
    rung of a bracket), rand/1 mutation and binomial crossover make the challenger, and the better
    one stays. Each decision is a number in [0, 1), cut into as many parts as it has choices. On a
    task that answers at one number of epochs only it is differential evolution.

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
        brackets = hyperband_widths(len(self._epochs), eta)
        self._schedule = [
            (len(self._epochs) - len(widths) + rung, width)
            for widths in brackets
            for rung, width in enumerate(widths)
        ]
        self._sizes = [
            max(4, *(width for level, width in self._schedule if level == number))
            for number in range(len(self._epochs))
        ]
        self._population: list[list[Member]] = [[] for _ in self._epochs]
        self._stage, self._asked = 0, 0
        self._first = True  # in the first bracket, which is successive halving
        self._promoted: list[Query] = []
        self._under_way: dict[Query, list[tuple[int, int, Vector]]] = {}

    def ask(self) -> Query | None:
        level, width = self._schedule[self._stage]
        if self._asked == width:
            if self._under_way:
                return None
            self._advance()
            level, width = self._schedule[self._stage]
        slot, self._asked = self._asked, self._asked + 1
        population = self._population[level]
        if self._first and level > 0 and slot < len(self._promoted):
            vector = self._vector(self._promoted[slot].arch)
            query = Query(self._promoted[slot].arch, self._epochs[level])
        elif len(population) < self._sizes[level] and level == 0 and self._first:
            vector = self._numpy.random(len(self._space.sizes))
            query = Query(self._arch(vector), self._epochs[level])
        else:
            vector = self._challenger(level, slot)
            query = Query(self._arch(vector), self._epochs[level])
        self._under_way.setdefault(query._replace(replica=None), []).append((level, slot, vector))
        return query

