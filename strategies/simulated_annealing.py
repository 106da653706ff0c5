"""Simulated annealing: always to the better, sometimes to the worse, ever less often.

Source: Kirkpatrick, Gelatt & Vecchi, "Optimization by Simulated Annealing", Science 220, 1983.
"""

from __future__ import annotations

from collections.abc import Generator
from math import exp, isfinite
from random import Random
from statistics import pstdev

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch


@strategy(
    family="local search",
    source="Kirkpatrick et al. 1983, Science 220",
    lanes="nasarena.strategies.vectorized.simulated_annealing:SimulatedAnnealingLanes",
)
def simulated_annealing(
    problem: Problem,
    rng: Random,
    /,
    *,
    initial: int = 10,
    cooling: float = 0.95,
    patience: int = 30,
) -> Generator[Arch, Observation, None]:
    """Mutates where it stands and moves with the Metropolis rule, ``exp(-increase / temperature)``.

    The paper heats "until the system melts" and cools by a constant factor; here the first
    temperature is the standard deviation of the losses of the ``initial`` random architectures, so
    that it fits any metric. A search that is frozen starts anew at that temperature.

    Args:
        initial: random architectures to begin with; the best is where the walk starts.
        cooling: factor on the temperature after each query.
        patience: so many queries in a row without a move, and it starts anew at random.

    Raises:
        ValueError: if a setting is out of range.
    """
    check_settings(initial, cooling, patience)
    space = problem.space
    losses: list[float] = []
    here, loss = space.simplest(), float("inf")
    for _ in range(initial):
        arch = space.sample(rng)
        seen = (yield arch).losses[0]
        if isfinite(seen):
            losses.append(seen)
        if seen < loss or not losses:
            here, loss = arch, seen
    melting = temperature = pstdev(losses) if len(losses) > 1 else 0.0
    frozen = 0
    while True:
        restart = frozen == patience
        arch = space.sample(rng) if restart else space.mutate(here, rng)
        seen = (yield arch).losses[0]
        if restart:
            temperature = melting
        if restart or _moves(seen - loss, temperature, rng) or not isfinite(loss):
            here, loss, frozen = arch, seen, 0
        else:
            frozen += 1
        temperature *= cooling


def check_settings(initial: int, cooling: float, patience: int) -> None:
    """Raise ValueError if a setting is out of range."""
    if initial < 2 or patience < 1 or not 0 < cooling <= 1:
        raise ValueError(
            "expected initial >= 2, patience >= 1 and 0 < cooling <= 1, "
            f"got {initial}, {patience} and {cooling}"
        )


def _moves(increase: float, temperature: float, rng: Random) -> bool:
    """The Metropolis rule. A failed training (an increase of inf or NaN) is never moved to."""
    if increase <= 0:
        return True
    chance = exp(-increase / temperature) if temperature > 0 and isfinite(increase) else 0.0
    return rng.random() < chance
