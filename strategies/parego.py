"""ParEGO: Bayesian optimization of random scalarizations.

Source: Knowles, "ParEGO: A Hybrid Algorithm with On-Line Landscape Approximation for Expensive
Multiobjective Optimization Problems", IEEE Transactions on Evolutionary Computation 10, 2006.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.history import History, expected_improvement, standardized
from .gaussian_process import Model, unit


@strategy(
    family="multi-objective",
    source="Knowles 2006, IEEE TEVC 10",
    asynchronous=True,
    multi_objective=True,
)
class ParEGO:
    """For every query draws weights, and improves on the weighted (augmented Tchebycheff) loss.

    The model is the Gaussian process of the strategy ``gp`` with its Hamming kernel.

    Args:
        initial: random architectures to begin with.
        candidates: architectures scored for each query, half of them mutations of the best.
        parents: the best so many under the weights are mutated.
        rho: weight of the sum beside the maximum, 0.05 in the paper.

    Raises:
        ValueError: if a count is below 1.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        initial: int = 10,
        candidates: int = 100,
        parents: int = 10,
        rho: float = 0.05,
    ) -> None:
        if min(initial, candidates, parents) < 1:
            raise ValueError("initial, candidates and parents: expected at least 1")
        self._rng = rng
        encode = problem.space.one_hots
        self._history = History(problem, rng, lambda archs: unit(encode(archs)))
        self._losses: list[tuple[float, ...]] = []
        self._initial, self._candidates, self._parents = initial, candidates, parents
        self._rho = rho
        self._model = Model()
        self._refit_at = 0

    def ask(self) -> Arch | None:
        history = self._history
        if self._initial > 0 or not len(history):
            self._initial -= 1
            arch = history.random()
        else:
            arch = self._best_candidate() or history.random()
        return arch if arch is None else history.ask(arch)

    def tell(self, observation: Observation, /) -> None:
        self._history.tell(observation)
        self._losses.append(observation.losses)

    def _best_candidate(self) -> Arch | None:
        history, model = self._history, self._model
        y = standardized(self._scalarized())
        parents = [history.archs[i] for i in np.argsort(y, kind="stable")[: self._parents]]
        candidates = history.mutants(parents, self._candidates // 2)
        candidates += history.randoms(self._candidates - len(candidates))
        if not candidates:
            return None
        if len(history) >= self._refit_at:
            model.choose(history.x, y)
            self._refit_at = len(history) + max(1, len(history) // 4)
        else:
            model.extend(history.x)
        mean, spread = model.predict(history.encode(candidates), y)
        return candidates[int(expected_improvement(mean, spread, float(y.min())).argmax())]

    def _scalarized(self) -> NDArray[np.float64]:
        """(n,) losses under weights drawn uniformly; inf where a training failed."""
        losses = np.array(self._losses, np.float64)
        failed = ~np.isfinite(losses).all(axis=1)
        there = losses[~failed] if not failed.all() else np.zeros((1, losses.shape[1]))
        least, extent = there.min(axis=0), np.ptp(there, axis=0)
        losses[failed] = least  # a number that is replaced below
        scaled = (losses - least) / np.where(extent > 0, extent, 1.0)
        drawn = np.array([self._rng.expovariate(1.0) for _ in range(losses.shape[1])])
        weighted = scaled * (drawn / drawn.sum())
        total: NDArray[np.float64] = weighted.max(axis=1) + self._rho * weighted.sum(axis=1)
        total[failed] = np.inf
        return total
