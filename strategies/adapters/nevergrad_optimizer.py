"""Nevergrad's optimizers as strategies.

Source: Bennet, Doerr, Moreau, Rapin, Teytaud & Teytaud, "Nevergrad: Black-Box Optimization
Platform", SIGEVOlution 14(1), 2021; Rapin & Teytaud, https://GitHub.com/FacebookResearch/Nevergrad.
"""

from __future__ import annotations

from difflib import get_close_matches
from random import Random
from typing import Any

from ...bench.core.strategy import strategy
from ...bench.core.types import Observation, Problem
from ...spaces import Arch
from .peers import Finite, OwnRandomness, UnderWay, need, network


@strategy(
    family="peers",
    source="Bennet et al. 2021, SIGEVOlution 14(1)",
    asynchronous=True,
    multi_objective=True,
)
class Nevergrad:
    """An optimizer of Nevergrad's registry, asked and told; one parameter a decision.

    Where a decision does not count, its parameter has no effect. Where choices name no network,
    the nearest network is asked. A failure is told as the worst loss so far. Several objectives
    become one by Nevergrad's own hypervolume.

    Args:
        optimizer: a name in ``nevergrad.optimizers.registry``. ``NGOpt`` picks an algorithm by the
            kind of parameters, ``budget`` and ``workers``.
        ordered: parameters are ``TransitionChoice``, one number a decision, or else ``Choice``,
            one weight a choice, by which choices are drawn. Nevergrad advises ``Choice`` where
            choices have no order, but with weights most optimizers need some thousand queries:
            on NAS-Bench-201 they were no better than random search after 100.
        budget: queries that the optimizer plans for; it may be asked more.
        workers: queries under way that it plans for; there may be more.

    Raises:
        ImportError: without nevergrad.
        ValueError: if there is no such optimizer, or ``budget`` or ``workers`` is below 1.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        optimizer: str = "NGOpt",
        ordered: bool = True,
        budget: int = 100,
        workers: int = 1,
    ) -> None:
        need("nevergrad", "nevergrad")
        for name, value in (("budget", budget), ("workers", workers)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        self._space, self._rng = problem.space, rng
        self._random = OwnRandomness(rng.getrandbits(32), "nevergrad")
        self._finite = Finite()
        self._under_way: UnderWay[Any] = UnderWay()
        with self._random():
            self._optimizer = self._made(optimizer, ordered, budget, workers)

    def _made(self, optimizer: str, ordered: bool, budget: int, workers: int) -> Any:
        import nevergrad
        import numpy as np

        registry = nevergrad.optimizers.registry
        if optimizer not in registry:
            near = ", ".join(get_close_matches(optimizer, list(registry), n=3))
            raise ValueError(f"optimizer: Nevergrad has no {optimizer!r}; near it: {near or '-'}")
        kind = nevergrad.p.TransitionChoice if ordered else nevergrad.p.Choice
        choices = nevergrad.p.Tuple(*[kind(range(size)) for size in self._space.sizes])
        choices.random_state = np.random.RandomState(np.random.MT19937(self._rng.getrandbits(32)))
        return registry[optimizer](choices, budget=budget, num_workers=workers)

    def ask(self) -> Arch:
        with self._random():
            candidate = self._optimizer.ask()
        arch = network(self._space, candidate.value, self._rng)
        self._under_way.add(arch, candidate)
        return arch

    def tell(self, observation: Observation, /) -> None:
        candidate = self._under_way.take(observation.query.arch)
        losses = self._finite(observation.losses)
        with self._random():
            self._optimizer.tell(candidate, losses if len(losses) > 1 else losses[0])
