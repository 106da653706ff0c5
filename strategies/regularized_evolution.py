"""Regularized (aging) evolution.

Source: Real, Aggarwal, Huang & Le, "Regularized Evolution for Image Classifier Architecture
Search", AAAI 2019, arXiv:1802.01548, algorithm 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch


@strategy(
    family="evolution",
    source="Real et al. 2019, arXiv:1802.01548",
    asynchronous=True,
    lanes="nasarena.strategies.vectorized.regularized_evolution:RegularizedEvolutionLanes",
)
class RegularizedEvolution:
    """Mutates the best of a random sample of the population, of which the oldest dies.

    Args:
        population_size: members alive, P in the paper, 100 there. The search starts with as
            many random architectures.
        sample_size: members drawn (with replacement) for each tournament, S in the paper, 25
            there.

    Raises:
        ValueError: if a size is below 1.
    """

    def __init__(
        self, problem: Problem, rng: Random, /, *, population_size: int = 100, sample_size: int = 25
    ) -> None:
        check_settings(population_size, sample_size)
        self._space = problem.space
        # Where the first population comes from: a warm start puts something else here.
        self.first: Callable[[], Arch | None] = partial(problem.space.sample, rng)
        self._rng = rng
        self._begin = population_size
        self._tournament = range(sample_size)
        # Losses and architectures apart: the tournament then compares plain numbers.
        self._losses: deque[float] = deque(maxlen=population_size)
        self._archs: deque[Arch] = deque(maxlen=population_size)

    def ask(self) -> Arch | None:
        if self._begin > 0 or not self._losses:
            self._begin -= 1
            return self.first()
        draw, losses = self._rng.random, self._losses
        alive = len(losses)
        parent = min([int(draw() * alive) for _ in self._tournament], key=losses.__getitem__)
        return self._space.mutate(self._archs[parent], self._rng)

    def tell(self, observation: Observation, /) -> None:
        self._losses.append(observation.losses[0])
        self._archs.append(observation.query.arch)


def check_settings(population_size: int, sample_size: int) -> None:
    """Raise ValueError if a size is below 1."""
    if population_size < 1 or sample_size < 1:
        raise ValueError(
            "population_size and sample_size: expected at least 1, "
            f"got {population_size} and {sample_size}"
        )
