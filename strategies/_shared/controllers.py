"""Controllers: distributions over architectures that policy gradients move.

Both kinds choose one decision after the other. `LogitsController` has free logits for every
decision, whatever came before; `LstmController` is a recurrent network that sees what it has
chosen (Zoph & Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017,
arXiv:1611.01578).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...bench.core.types import Problem
from ...spaces import Arch, SearchSpace

Array = NDArray[np.float64]

CONTROLLERS = ("logits", "lstm")
_REJECTIONS = 1000
"""Draws that name no network, after which one is drawn uniformly."""


class Controller(Protocol):
    """A distribution over architectures, one categorical one for each decision that counts."""

    def sample(self) -> Arch:
        """A valid architecture."""
        ...

    def log_probabilities(self, archs: Sequence[Arch]) -> Array:
        """(n, decisions) of the choices made; 0 for a decision that does not count."""
        ...

    def ascend(self, archs: Sequence[Arch], weights: Array, entropy: float) -> None:
        """One step of Adam up ``mean over n of sum(weights * log_probabilities)`` + ``entropy``
        times the mean entropy of a decision; ``weights`` is (n, decisions) and held fixed."""
        ...


def new_controller(kind: str, problem: Problem, rng: Random, learning_rate: float) -> Controller:
    """The controller of this kind, uniform over choices (or nearly) at first.

    Raises:
        ValueError: if the kind is unknown or the learning rate is not above 0.
        ImportError: if an LSTM is asked for and torch is missing.
    """
    if kind not in CONTROLLERS:
        raise ValueError(f"controller: expected one of {', '.join(CONTROLLERS)}, got {kind!r}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate: expected more than 0, got {learning_rate}")
    if kind == "logits":
        return LogitsController(problem.space, rng, learning_rate)
    return LstmController(problem.space, rng, learning_rate)


class LogitsController:
    """A row of logits for each decision, padded with minus infinity."""

    def __init__(self, space: SearchSpace, rng: Random, learning_rate: float) -> None:
        self._space, self._rng = space, rng
        shape = (len(space.sizes), max(space.sizes))
        self._padding = np.arange(shape[1]) >= np.array(space.sizes)[:, None]
        self._logits = np.where(self._padding, -np.inf, 0.0)
        self._adam = Adam(shape, learning_rate)
        self._refresh()

    def _refresh(self) -> None:
        powers = np.exp(self._logits - self._logits.max(axis=1, keepdims=True))
        self._chances: Array = powers / powers.sum(axis=1, keepdims=True)
        self._log_chances: Array = np.log(np.where(self._padding, 1.0, self._chances) + 1e-300)
        self._cumulated: list[list[float]] = self._chances.cumsum(axis=1).tolist()

    def sample(self) -> Arch:
        draw, sizes = self._rng.random, self._space.sizes
        for _ in range(_REJECTIONS):
            arch = []
            for row, size in zip(self._cumulated, sizes, strict=True):
                level, choice = draw(), 0
                while choice < size - 1 and row[choice] <= level:
                    choice += 1
                arch.append(choice)
            if self._space.is_valid(tuple(arch)):
                return tuple(arch)
        return self._space.sample(self._rng)

    def log_probabilities(self, archs: Sequence[Arch]) -> Array:
        chosen = np.array(archs)
        taken: Array = self._log_chances[np.arange(chosen.shape[1]), chosen]
        return taken * counts(self._space, archs)

    def ascend(self, archs: Sequence[Arch], weights: Array, entropy: float) -> None:
        chosen = np.array(archs)
        decisions = np.arange(chosen.shape[1])
        on = counts(self._space, archs)
        weights = weights * on
        # d log p(choice) / d logits = one-hot(choice) - chances
        gradient = -self._chances * weights.sum(axis=0)[:, None]
        np.add.at(gradient, (np.broadcast_to(decisions, chosen.shape), chosen), weights)
        if entropy:
            own = -(self._chances * self._log_chances).sum(axis=1, keepdims=True)
            slope = -self._chances * (self._log_chances + own)
            gradient += entropy * slope * (on.sum(axis=0) / on.sum(axis=0).sum())[:, None] * len(on)
        step = self._adam.step(gradient / len(chosen))
        self._logits = np.where(self._padding, -np.inf, self._logits + step)
        self._refresh()


class LstmController:
    """An LSTM that reads its last choice and has one linear head a decision. Needs torch."""

    def __init__(
        self, space: SearchSpace, rng: Random, learning_rate: float, units: int = 64
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise ImportError(
                'controller="lstm" needs torch: pip install "nasarena[live]"'
            ) from error
        self._torch: Any = torch
        self._space, self._rng = space, rng
        # Module constructors draw from torch's global generator, which is not ours to move.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.getrandbits(63))
            offsets = np.cumsum((1, *space.sizes[:-1]))  # number 0 stands for the start
            self._offsets = torch.tensor(offsets)
            self._embedding = torch.nn.Embedding(1 + sum(space.sizes), units)
            self._lstm = torch.nn.LSTM(units, units, batch_first=True)
            self._heads = torch.nn.ModuleList(torch.nn.Linear(units, n) for n in space.sizes)
        modules = torch.nn.ModuleList([self._embedding, self._lstm, self._heads])
        for parameter in modules.parameters():
            torch.nn.init.uniform_(parameter, -0.1, 0.1, generator=self._generator(rng))
        self._optimizer = torch.optim.Adam(modules.parameters(), lr=learning_rate)

    def _generator(self, rng: Random) -> Any:
        return self._torch.Generator().manual_seed(rng.getrandbits(63))

    def sample(self) -> Arch:
        for _ in range(_REJECTIONS):
            arch = self._draw()
            if self._space.is_valid(arch):
                return arch
        return self._space.sample(self._rng)

    def _draw(self) -> Arch:
        torch = self._torch
        arch: list[int] = []
        state, token = None, torch.zeros(1, 1, dtype=torch.long)
        with torch.no_grad():
            for decision, head in enumerate(self._heads):
                output, state = self._lstm(self._embedding(token), state)
                chances = torch.softmax(head(output[0, 0]), dim=0).tolist()
                arch.append(self._rng.choices(range(len(chances)), chances)[0])
                token = (self._offsets[decision] + arch[-1]).reshape(1, 1)
        return tuple(arch)

    def _logits(self, archs: Sequence[Arch]) -> list[Any]:
        """For each decision the (n, choices) log-probabilities, given the choices before it."""
        torch = self._torch
        chosen = torch.tensor(archs)
        start = torch.zeros(len(archs), 1, dtype=torch.long)
        tokens = torch.cat([start, (chosen + self._offsets)[:, :-1]], dim=1)
        outputs, _ = self._lstm(self._embedding(tokens))
        return [
            torch.log_softmax(head(outputs[:, decision]), dim=1)
            for decision, head in enumerate(self._heads)
        ]

    def _taken(self, archs: Sequence[Arch], logits: list[Any]) -> Any:
        torch = self._torch
        chosen = torch.tensor(archs)
        taken = [row.gather(1, chosen[:, d : d + 1]) for d, row in enumerate(logits)]
        return torch.cat(taken, dim=1) * torch.tensor(counts(self._space, archs))

    def log_probabilities(self, archs: Sequence[Arch]) -> Array:
        with self._torch.no_grad():
            found: Array = self._taken(archs, self._logits(archs)).double().numpy()
        return found

    def ascend(self, archs: Sequence[Arch], weights: Array, entropy: float) -> None:
        torch = self._torch
        logits = self._logits(archs)
        on = torch.tensor(counts(self._space, archs))
        gain = (torch.tensor(weights) * self._taken(archs, logits)).sum(dim=1).mean()
        entropies = torch.stack([-(row.exp() * row).sum(dim=1) for row in logits], dim=1)
        gain = gain + entropy * (entropies * on).sum() / on.sum()
        self._optimizer.zero_grad()
        (-gain).backward()
        self._optimizer.step()


class Adam:
    """Steps of Kingma & Ba 2015, arXiv:1412.6980, for an array."""

    def __init__(self, shape: tuple[int, ...], learning_rate: float) -> None:
        self._rate = learning_rate
        self._first, self._second = np.zeros(shape), np.zeros(shape)
        self._steps = 0

    def step(self, gradient: Array) -> Array:
        """What to add, to go along ``gradient``."""
        self._steps += 1
        self._first += 0.1 * (gradient - self._first)
        self._second += 0.001 * (gradient**2 - self._second)
        first = self._first / (1 - 0.9**self._steps)
        second = self._second / (1 - 0.999**self._steps)
        step: Array = self._rate * first / (np.sqrt(second) + 1e-8)
        return step


def counts(space: SearchSpace, archs: Sequence[Arch]) -> Array:
    """(n, decisions) 1 where a decision counts, else 0."""
    if not any(decision.condition for decision in space.decisions):
        return np.ones((len(archs), len(space.sizes)))
    return np.array([space.active(arch) for arch in archs], np.float64)


class Rewards:
    """Turns losses into rewards of about unit spread, whatever the metric.

    A failed training is rewarded like the worst success so far.
    """

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._worst = -np.inf

    def __call__(self, loss: float) -> float:
        if np.isfinite(loss):
            self._worst = max(self._worst, loss)
            self._count += 1
            change = loss - self._mean
            self._mean += change / self._count
            self._squares += change * (loss - self._mean)
        elif self._count:
            loss = self._worst
        else:
            return 0.0
        spread = (self._squares / self._count) ** 0.5
        return float((self._mean - loss) / spread) if spread > 0 else 0.0
