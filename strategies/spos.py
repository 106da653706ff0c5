"""SPOS: single-path one-shot search.

Source: Guo, Zhang, Mu, Heng, Liu, Wei & Sun, "Single Path One-Shot Neural Architecture Search with
Uniform Sampling", ECCV 2020, arXiv:1904.00420, section 3.2 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch, SearchSpace
from ._shared.shared_weights import networks, supernet

_TRIES = 100
"""Draws of a new path that were all measured before, after which an old one is taken."""


@strategy(
    family="weight sharing",
    source="Guo et al. 2020, arXiv:1904.00420",
    weight_sharing=True,
)
def spos(
    problem: Problem,
    rng: Random,
    /,
    *,
    epochs: int = 120,
    learning_rate: float | None = None,
    population_size: int = 50,
    iterations: int = 20,
    top: int = 10,
    mutation: float = 0.1,
) -> Generator[Arch, Observation, None]:
    """Trains one random path a minibatch, then evolves paths by what they reach with these weights.

    All paths that were measured are proposed, the best first. Needs torch.

    Args:
        epochs: of the supernet, 120 in the paper.
        learning_rate: of the shared weights at the start, annealed to 0; the task's own if None.
        population_size: paths a generation, P in the paper.
        iterations: generations, T in the paper.
        top: the best so far, from which the next generation comes, k in the paper: one half by
            crossover, the other by mutation.
        mutation: probability that a mutation redraws a decision.

    Raises:
        ValueError: if a count is below 1 or the probability not in (0, 1], or the task has no
            supernet.
    """
    if min(population_size, iterations, top) < 1 or not 0 < mutation <= 1:
        raise ValueError(
            "expected population_size, iterations and top of at least 1 and 0 < mutation <= 1, got "
            f"{population_size}, {iterations}, {top} and {mutation}"
        )
    space = problem.space
    net = supernet(problem, rng, learning_rate)
    for batches in net.epochs(epochs):
        for train, _ in batches:
            net.descend(net.loss(train, path=space.sample(rng)))
    measured: dict[Arch, float] = {}
    paths = [space.sample(rng) for _ in range(population_size)]
    for _ in range(iterations):
        for path in paths:
            if path not in measured:
                measured[path] = net.measure(path)
        best = sorted(measured, key=measured.__getitem__)[:top]
        paths = []
        for child in range(population_size):
            for _ in range(_TRIES):
                if child < population_size // 2:
                    path = space.crossover(rng.choice(best), rng.choice(best), rng)
                else:
                    path = mutated(space, rng.choice(best), rng, mutation)
                if path not in measured and path not in paths:
                    break
            paths.append(path)
    yield from networks(space, sorted(measured, key=measured.__getitem__))


def mutated(space: SearchSpace, arch: Arch, rng: Random, probability: float) -> Arch:
    """``arch`` with each decision redrawn with this probability; the nearest network to that."""
    drawn = tuple(
        rng.randrange(size) if rng.random() < probability else choice
        for choice, size in zip(arch, space.sizes, strict=True)
    )
    return drawn if space.is_valid(drawn) else space.nearest(drawn, rng)
