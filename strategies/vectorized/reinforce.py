"""`reinforce` for many runs at once, with free logits.

Sums over choices are added up one after the other: a sum over an axis may depend on how many
lanes there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...bench.core.vectorized import Floats, LaneProblem, LaneRandom
from ...spaces.vectorized import RETRY, Numbers
from ..reinforce import check_settings

_REJECTIONS = 1000
_POLICY, _UNIFORM = 0, 1


class ReinforceLanes:
    """One row of logits a lane and decision, padded with minus infinity.

    Settings are those of `Reinforce` with its ``controller="logits"``.
    """

    def __init__(
        self,
        problem: LaneProblem,
        draws: LaneRandom,
        /,
        *,
        learning_rate: float | None = None,
        momentum: float = 0.9,
        entropy: float = 0.0,
    ) -> None:
        check_settings(momentum, entropy)
        if learning_rate is not None and not learning_rate > 0:
            raise ValueError(f"learning_rate: expected more than 0, got {learning_rate}")
        self._space, self._draws = problem.space, draws
        self._rate = 0.05 if learning_rate is None else learning_rate
        self._momentum, self._entropy = momentum, entropy
        sizes = problem.space.sizes
        shape = (problem.lanes, len(sizes), int(sizes.max()))
        self._padding = np.arange(shape[2]) >= sizes[:, None]
        self._logits = np.where(self._padding, -np.inf, np.zeros(shape))
        self._steps, self._slope, self._square = 0, np.zeros(shape), np.zeros(shape)
        self._rewards, self._baseline = _Rewards(problem.lanes), np.zeros(problem.lanes)
        self._asked = np.zeros(problem.lanes, np.int64)
        self._refresh()

    def _refresh(self) -> None:
        powers = np.exp(self._logits - self._logits.max(axis=2, keepdims=True))
        self._chances = powers / _sum(powers)[..., None]
        self._cumulated = self._chances.cumsum(axis=2)

    def ask(self) -> Numbers:
        asked = self._draw(_POLICY)
        valid = self._space.canonical
        for attempt in range(1, _REJECTIONS):
            wrong = valid[asked] < 0
            if not wrong.any():
                break
            asked = np.where(wrong, self._draw(_POLICY + attempt * RETRY), asked)
        if (wrong := valid[asked] < 0).any():
            asked = np.where(wrong, self._space.sample(self._draws, _UNIFORM), asked)
        self._asked = asked
        return asked

    def _draw(self, salt: int) -> Numbers:
        level = self._draws.uniform(salt, len(self._space.sizes))
        choice = (self._cumulated <= level[:, :, None]).sum(axis=2)
        return self._space.number(np.minimum(choice, self._space.sizes - 1))

    def tell(self, losses: Floats, /) -> None:
        reward = self._rewards(losses)
        self._baseline = self._momentum * self._baseline + (1 - self._momentum) * reward
        on = self._space.active(self._asked)
        weight = np.where(on, (reward - self._baseline)[:, None], 0.0)
        # d log p(choice) / d logits = one-hot(choice) - chances
        chosen = self._space.choices[self._asked][:, :, None] == np.arange(self._chances.shape[2])
        gradient = (chosen - self._chances) * weight[:, :, None]
        if self._entropy:
            gradient = gradient + self._entropy * (self._more_entropy() * _share(on)[:, :, None])
        self._logits = np.where(self._padding, -np.inf, self._logits + self._adam(gradient))
        self._refresh()

    def _more_entropy(self) -> Floats:
        """The slope of each decision's entropy."""
        logs = np.log(np.where(self._padding, 1.0, self._chances) + 1e-300)
        own = -_sum(self._chances * logs)[..., None]
        slope: Floats = -self._chances * (logs + own)
        return slope

    def _adam(self, gradient: Floats) -> Floats:
        """A step of Kingma & Ba 2015, as `controllers.Adam` takes it."""
        self._steps += 1
        self._slope += 0.1 * (gradient - self._slope)
        self._square += 0.001 * (gradient**2 - self._square)
        slope = self._slope / (1 - 0.9**self._steps)
        square = self._square / (1 - 0.999**self._steps)
        step: Floats = self._rate * slope / (np.sqrt(square) + 1e-8)
        return step


def _sum(values: Floats) -> Floats:
    """Over the last axis, from the first to the last."""
    total = values[..., 0].copy()
    for place in range(1, values.shape[-1]):
        total += values[..., place]
    return total


def _share(on: NDArray[np.bool_]) -> Floats:
    """(lanes, decisions) each decision's part in the mean over those that count."""
    share = on.astype(np.float64)
    share /= np.maximum(_sum(share), 1.0)[:, None]
    return share


class _Rewards:
    """`controllers.Rewards` for each lane."""

    def __init__(self, lanes: int) -> None:
        self._count, self._mean = np.zeros(lanes), np.zeros(lanes)
        self._squares, self._worst = np.zeros(lanes), np.full(lanes, -np.inf)

    def __call__(self, losses: Floats) -> Floats:
        seen = np.isfinite(losses)
        self._worst = np.where(seen, np.maximum(self._worst, losses), self._worst)
        self._count = self._count + seen
        count = np.maximum(self._count, 1.0)
        loss = np.where(seen, losses, np.where(self._count > 0, self._worst, 0.0))
        change = np.where(seen, loss - self._mean, 0.0)
        self._mean = self._mean + change / count
        self._squares = self._squares + change * (loss - self._mean)
        spread = np.sqrt(self._squares / count)
        with np.errstate(divide="ignore", invalid="ignore"):
            reward = (self._mean - loss) / spread
        return np.where((spread > 0) & (self._count > 0), reward, 0.0)
