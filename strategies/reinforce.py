"""REINFORCE: a policy over architectures, moved along the gradient of its expected reward.

Source: Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist
Reinforcement Learning", Machine Learning 8, 1992; for architectures Zoph & Le 2017,
arXiv:1611.01578, and with logits alone Dong & Yang 2020, arXiv:2001.00326.
"""

from __future__ import annotations

from random import Random

import numpy as np

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.controllers import Rewards, new_controller


@strategy(
    family="policy gradient",
    source="Williams 1992, Machine Learning 8; Zoph & Le 2017, arXiv:1611.01578",
    asynchronous=True,
    lanes="nasarena.strategies.vectorized.reinforce:ReinforceLanes",
)
class Reinforce:
    """Makes what was rewarded above a moving average more likely, one observation a step.

    Rewards are losses with the sign turned, centered and scaled by what was seen so far.

    Args:
        controller: ``"logits"`` (free logits for each decision, as in NAS-Bench-201's baseline) or
            ``"lstm"`` (needs torch).
        learning_rate: of Adam. Left out, 0.05 for logits and 0.005 for the LSTM.
        momentum: of the moving average that rewards are compared with, 0.9 as in NAS-Bench-201.
        entropy: weight of the entropy bonus.

    Raises:
        ValueError: if a setting is out of range.
        ImportError: if torch is missing and needed.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        controller: str = "logits",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        entropy: float = 0.0,
    ) -> None:
        check_settings(momentum, entropy)
        if learning_rate is None:
            learning_rate = 0.005 if controller == "lstm" else 0.05
        self._policy = new_controller(controller, problem, rng, learning_rate)
        self._decisions = len(problem.space.sizes)
        self._rewards, self._baseline = Rewards(), 0.0
        self._momentum, self._entropy = momentum, entropy

    def ask(self) -> Arch:
        return self._policy.sample()

    def tell(self, observation: Observation, /) -> None:
        reward = self._rewards(observation.losses[0])
        self._baseline = self._momentum * self._baseline + (1 - self._momentum) * reward
        weights = np.full((1, self._decisions), reward - self._baseline)
        self._policy.ascend([observation.query.arch], weights, self._entropy)


def check_settings(momentum: float, entropy: float) -> None:
    """Raise ValueError if a setting is out of range."""
    if not 0 <= momentum < 1 or entropy < 0:
        raise ValueError("expected 0 <= momentum < 1 and entropy >= 0")
