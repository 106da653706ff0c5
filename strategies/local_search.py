"""Local search: climb to a local optimum, start again elsewhere.

Source: White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search",
UAI 2021, arXiv:2005.02960.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch, SearchSpace


@strategy(
    family="local search",
    source="White et al. 2021, arXiv:2005.02960",
    lanes="nasarena.strategies.vectorized.local_search:LocalSearchLanes",
)
def local_search(
    problem: Problem, rng: Random, /, *, first_improvement: bool = False
) -> Generator[Arch, Observation, None]:
    """Queries the neighbours of where it stands and moves while that improves.

    From a local optimum it starts again at random. An architecture whose loss is known, under
    any spelling, is not queried again; the search ends when there is no other.

    Args:
        first_improvement: move to the first better neighbour, instead of to the best of all as
            the paper does.
    """
    space = problem.space
    known: dict[Arch, float] = {}  # by canonical form
    while (current := _unknown(space, known, rng)) is not None:
        loss = known[space.canonical(current)] = (yield current).losses[0]
        climbing = True
        while climbing:
            climbing = False
            neighbours = space.neighbours(current)
            rng.shuffle(neighbours)
            for neighbour in neighbours:
                canonical = space.canonical(neighbour)
                if canonical not in known:
                    known[canonical] = (yield neighbour).losses[0]
                if known[canonical] < loss:
                    current, loss, climbing = neighbour, known[canonical], True
                    if first_improvement:
                        break


def _unknown(space: SearchSpace, known: dict[Arch, float], rng: Random) -> Arch | None:
    """A random architecture that is not known yet; None if there is none."""
    for _ in range(100):
        arch = space.sample(rng)
        if space.canonical(arch) not in known:
            return arch
    return next((arch for arch in space if space.canonical(arch) not in known), None)
