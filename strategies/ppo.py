"""Proximal policy optimization of a policy over architectures.

Source: Schulman, Wolski, Dhariwal, Radford & Klimov, "Proximal Policy Optimization Algorithms",
2017, arXiv:1707.06347; for architectures Zoph, Vasudevan, Shlens & Le, "Learning Transferable
Architectures for Scalable Image Recognition", CVPR 2018, arXiv:1707.07012.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.controllers import Adam, Rewards, counts, new_controller

Array = NDArray[np.float64]


@strategy(
    family="policy gradient", source="Schulman et al. 2017, arXiv:1707.06347", asynchronous=True
)
class PPO:
    """Several steps on each batch of architectures, none far from the policy that drew them.

    Each decision is an action, the choices before it are the state, the reward comes at the end.
    The probability ratio of an action is clipped; its advantage is the reward minus the value that
    a linear critic gives to the state. Rewards are losses with the sign turned, centered and scaled
    by what was seen so far.

    Args:
        controller: ``"logits"`` (free logits for each decision) or ``"lstm"`` (needs torch).
        batch: architectures between two updates; 20 in Zoph et al. 2018, 10 here.
        epochs: steps on each batch; 10 in Schulman et al. 2017, table 3.
        clip: range of the probability ratio around 1, 0.2 in the paper.
        entropy: weight of the entropy bonus, 0.01 in the paper.
        learning_rate: of Adam. Left out, 0.05 for logits and 0.002 for the LSTM.

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
        batch: int = 10,
        epochs: int = 10,
        clip: float = 0.2,
        entropy: float = 0.01,
        learning_rate: float | None = None,
    ) -> None:
        if batch < 1 or epochs < 1 or not clip > 0 or entropy < 0:
            raise ValueError("expected batch >= 1, epochs >= 1, clip > 0 and entropy >= 0")
        if learning_rate is None:
            learning_rate = 0.002 if controller == "lstm" else 0.05
        self._space = problem.space
        self._policy = new_controller(controller, problem, rng, learning_rate)
        self._critic = Critic(problem)
        self._rewards = Rewards()
        self._batch, self._epochs, self._clip, self._entropy = batch, epochs, clip, entropy
        self._archs: list[Arch] = []
        self._seen: list[float] = []

    def ask(self) -> Arch:
        return self._policy.sample()

    def tell(self, observation: Observation, /) -> None:
        self._archs.append(observation.query.arch)
        self._seen.append(self._rewards(observation.losses[0]))
        if len(self._archs) == self._batch:
            self._update(self._archs, np.array(self._seen))
            self._archs, self._seen = [], []

    def _update(self, archs: list[Arch], rewards: Array) -> None:
        states = self._critic.states(archs)
        advantages = rewards[:, None] - self._critic.values(states)
        # Answers out of order come from older policies than this one; the difference is small.
        before = self._policy.log_probabilities(archs)
        for _ in range(self._epochs):
            ratio = np.exp(self._policy.log_probabilities(archs) - before)
            self._policy.ascend(archs, clipped(ratio, advantages, self._clip), self._entropy)
            self._critic.descend(states, rewards, counts(self._space, archs))


def clipped(ratio: Array, advantages: Array, clip: float) -> Array:
    """(n, decisions): the clipped surrogate's slope in each log-probability.

    The surrogate is ``min(ratio * A, clip(ratio, 1 - clip, 1 + clip) * A)``; once clipped it is
    flat.
    """
    flat = np.where(advantages > 0, ratio > 1 + clip, ratio < 1 - clip)
    slope: Array = np.where(flat, 0.0, ratio * advantages)
    return slope


class Critic:
    """The expected reward, given the choices so far: linear in their one-hot encoding."""

    def __init__(self, problem: Problem, learning_rate: float = 0.02) -> None:
        self._space = problem.space
        sizes = problem.space.sizes
        # Decision d sees the choices of those before it, and a constant.
        owner = np.append(np.repeat(np.arange(len(sizes)), sizes), -1)
        self._visible = owner < np.arange(len(sizes))[:, None]
        self._weights = np.zeros(sum(sizes) + 1)
        self._adam = Adam(self._weights.shape, learning_rate)

    def states(self, archs: list[Arch]) -> Array:
        """(n, decisions, features)."""
        encoded = self._space.one_hots(archs)
        encoded = np.append(encoded, np.ones((len(archs), 1)), axis=1)
        states: Array = encoded[:, None] * self._visible
        return states

    def values(self, states: Array) -> Array:
        """(n, decisions)."""
        values: Array = states @ self._weights
        return values

    def descend(self, states: Array, rewards: Array, on: Array) -> None:
        """One step down the squared error of the values of the decisions that count."""
        error = (rewards[:, None] - self.values(states)) * on
        self._weights += self._adam.step(np.einsum("nd,ndf->f", error, states) / on.sum())
