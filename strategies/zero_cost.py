"""Zero-cost search: what is known of an architecture without training it.

Source: Abdelfattah, Mehrotra, Dudziak & Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021,
arXiv:2101.08134.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.history import History
from .regularized_evolution import RegularizedEvolution


@strategy(family="zero-cost", source="Abdelfattah et al. 2021, arXiv:2101.08134", asynchronous=True)
class ZeroCost:
    """Draws a pool, ranks it by a proxy, and queries from the top (or evolves from there).

    On many spaces bigger is better, which is what the parameter count as a proxy tells; where
    capacity hurts, as on graphs of few nodes, it leads to architectures worse than random ones.

    Args:
        proxy: the name of one of the task's proxies (a column of the table that is known without
            training, such as ``"parameters"``), or a function from architecture to number.
        minimize: whether a smaller value is the better one.
        pool: random architectures ranked; 3,000 in the paper's warm-up. An exhausted pool is
            drawn anew.
        warm_up: ``None`` queries in the order of the ranking throughout; a number makes the top so
            many the first population of regularized evolution, as in the paper.

    Raises:
        ValueError: if the task has no such proxy, or a count is below 1.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        proxy: str | Callable[[Arch], float] = "parameters",
        minimize: bool = False,
        pool: int = 3000,
        warm_up: int | None = None,
    ) -> None:
        if pool < 1 or (warm_up is not None and warm_up < 1):
            raise ValueError(f"pool and warm_up: expected at least 1, got {pool} and {warm_up}")
        if isinstance(proxy, str):
            if proxy not in problem.proxies:
                known = ", ".join(problem.proxies) or "none"
                raise ValueError(f"proxy: this task has no {proxy!r}; it has: {known}")
            proxy = problem.proxies[proxy]
        self._score, self._sign, self._pool = proxy, 1 if minimize else -1, pool
        self._history = History(problem, rng, problem.space.one_hots)
        self._ranked: list[Arch] = []
        self._evolution: RegularizedEvolution | None = None
        if warm_up is not None:
            self._evolution = RegularizedEvolution(problem, rng, population_size=warm_up)
            self._evolution.first = self._next

    def ask(self) -> Arch | None:
        return self._next() if self._evolution is None else self._evolution.ask()

    def _next(self) -> Arch | None:
        if not self._ranked:
            self._ranked = self._ranking()
        return self._history.ask(self._ranked.pop()) if self._ranked else None

    def tell(self, observation: Observation, /) -> None:
        if self._evolution is not None:
            self._evolution.tell(observation)

    def _ranking(self) -> list[Arch]:
        """New architectures, the most promising last; one of unknown score is the least so."""
        history = self._history
        networks = {history.space.canonical(a): a for a in history.randoms(self._pool)}
        if not networks:
            last = history.random()
            return [] if last is None else [last]
        scored = [(self._sign * self._score(arch), arch) for arch in networks.values()]
        scored.sort(key=lambda pair: float("inf") if isnan(pair[0]) else pair[0], reverse=True)
        return [arch for _, arch in scored]
