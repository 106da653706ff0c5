"""`simulated_annealing` for many runs at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...bench.core.vectorized import Floats, LaneProblem, LaneRandom
from ...spaces.vectorized import Numbers
from ..simulated_annealing import check_settings

_MUTATION, _RESTART, _MOVE = 0, 2, 3


class SimulatedAnnealingLanes:
    """Every lane has its own temperature, and starts anew on its own.

    Settings are those of `simulated_annealing`.
    """

    def __init__(
        self,
        problem: LaneProblem,
        draws: LaneRandom,
        /,
        *,
        initial: int = 10,
        cooling: float = 0.95,
        patience: int = 30,
    ) -> None:
        check_settings(initial, cooling, patience)
        self._space, self._draws, lanes = problem.space, draws, problem.lanes
        self._initial, self._cooling, self._patience = initial, cooling, patience
        self._here = np.full(lanes, problem.space.simplest())
        self._loss = np.full(lanes, np.inf)
        self._first: list[Floats] = []
        self._succeeded = np.zeros(lanes, np.int64)
        self._melting = self._temperature = np.zeros(lanes)
        self._frozen = np.zeros(lanes, np.int64)
        self._asked = self._here

    def ask(self) -> Numbers:
        if len(self._first) < self._initial:
            self._asked = self._space.sample(self._draws, _RESTART)
        else:
            self._asked = self._space.mutate(self._here, self._draws, _MUTATION)
            restart = self._frozen == self._patience
            if restart.any():
                anew = self._space.sample(self._draws, _RESTART)
                self._asked = np.where(restart, anew, self._asked)
        return self._asked

    def tell(self, losses: Floats, /) -> None:
        if len(self._first) < self._initial:
            self._first.append(losses)
            self._succeeded += np.isfinite(losses)
            self._move((losses < self._loss) | (self._succeeded == 0), losses)
            if len(self._first) == self._initial:
                self._melting = self._temperature = self._spread()
            return
        restart = self._frozen == self._patience
        self._temperature = np.where(restart, self._melting, self._temperature)
        moves = restart | self._accepts(losses) | ~np.isfinite(self._loss)
        self._move(moves, losses)
        self._frozen = np.where(moves, 0, self._frozen + 1)
        self._temperature = self._temperature * self._cooling

    def _move(self, moves: NDArray[np.bool_], losses: Floats) -> None:
        self._here = np.where(moves, self._asked, self._here)
        self._loss = np.where(moves, losses, self._loss)

    def _accepts(self, losses: Floats) -> NDArray[np.bool_]:
        """The Metropolis rule. A failed training is never moved to."""
        with np.errstate(invalid="ignore", divide="ignore"):
            increase = losses - self._loss
            warm = (self._temperature > 0) & np.isfinite(increase)
            chance = np.exp(np.where(warm, -np.abs(increase) / self._temperature, -np.inf))
        lucky = self._draws.uniform(_MOVE)[:, 0] < chance
        accepted: NDArray[np.bool_] = (increase <= 0) | lucky
        return accepted

    def _spread(self) -> Floats:
        """(lanes,) standard deviation of the first losses that did not fail, 0 for fewer than two.

        Added up one after the other: a sum over an axis may depend on how many lanes there are.
        """
        count = np.maximum(self._succeeded, 1)
        mean = np.zeros(len(count))
        for losses in self._first:
            mean = mean + np.where(np.isfinite(losses), losses, 0.0)
        mean = mean / count
        squares = np.zeros(len(count))
        for losses in self._first:
            squares = squares + np.where(np.isfinite(losses), losses - mean, 0.0) ** 2
        return np.sqrt(squares / count)
