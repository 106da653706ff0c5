"""Gradient descent through a differentiable surrogate on the one-hot relaxation.

Source: Luo, Tian, Qin, Chen & Liu, "Neural Architecture Optimization", NeurIPS 2018,
arXiv:1808.07233, which climbs a performance predictor by its gradient in a learned continuous
space. Here the continuous space is the relaxation of the one-hot encoding: each decision is a
softmax over its choices, as in Liu, Simonyan & Yang, "DARTS", ICLR 2019, arXiv:1806.09055.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch, SearchSpace
from ._shared.history import History
from ._shared.mlp import Ensemble


@strategy(family="gradient", source="Luo et al. 2018, arXiv:1808.07233", asynchronous=True)
class GradientDescent:
    """Learns the loss from what was seen, walks downhill on it, rounds and queries.

    The walk starts at the best architectures; the batch to query are the roundings along its way
    that were not queried before, the latest of each walk first, those that the surrogate likes
    best among them.

    Args:
        initial: random architectures to begin with.
        batch: queries between two trainings of the surrogate.
        starts: the best so many are walked from, each on its own.
        steps: of each walk.
        step_size: of each step, in logits, by the gradient's largest entry.
        members: networks of the surrogate, whose mean is walked on.
        width: units of each of the two hidden layers.
        epochs: of each training; it goes on from the last one's weights.

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
        batch: int = 5,
        starts: int = 10,
        steps: int = 30,
        step_size: float = 0.5,
        members: int = 3,
        width: int = 32,
        epochs: int = 20,
    ) -> None:
        counts = (initial, batch, starts, steps, members, width, epochs)
        if min(counts) < 1:
            raise ValueError(f"all counts have to be at least 1, got {counts}")
        space = problem.space
        self._space = space
        generator = np.random.default_rng(rng.getrandbits(128))
        self._history = History(problem, rng, space.one_hots)
        self._surrogate = Ensemble(
            sum(space.sizes), generator, members=members, width=width, layers=2
        )
        self._initial, self._batch, self._epochs = initial, batch, epochs
        self._starts, self._steps, self._step_size = starts, steps, step_size
        self._relaxed = Relaxation(space)
        self._queue: list[Arch] = []

    def ask(self) -> Arch | None:
        history = self._history
        if self._initial > 0 or not len(history):
            self._initial -= 1
            arch = history.random()
        else:
            if not self._queue:
                self._queue = self._downhill()
            arch = self._queue.pop() if self._queue else history.random()
        return arch if arch is None else history.ask(arch)

    def tell(self, observation: Observation, /) -> None:
        self._history.tell(observation)

    def _downhill(self) -> list[Arch]:
        """The next batch, the one that the surrogate likes best last."""
        history, relaxed = self._history, self._relaxed
        self._surrogate.fit(history.x, history.y.astype(np.float32), epochs=self._epochs)
        logits = relaxed.logits(history.best(self._starts))
        found: dict[Arch, Arch] = {}
        for _ in range(self._steps):
            soft = relaxed.softmax(logits)
            slope = relaxed.through_softmax(soft, self._surrogate.gradient(soft))
            largest = np.abs(slope).max(axis=1, keepdims=True)
            logits -= self._step_size * slope / np.maximum(largest, 1e-12)
            for arch in relaxed.round(logits):
                if self._space.is_valid(arch) and history.is_new(arch):
                    found.setdefault(self._space.canonical(arch), arch)
        # Where the valley floor is known already, the nearest unknown ones are looked at.
        if len(found) < self._batch:
            for arch in history.mutants(history.best(self._starts), 4 * self._batch):
                found.setdefault(self._space.canonical(arch), arch)
        candidates = list(found.values())
        if not candidates:
            return []
        liked = self._surrogate.predict(history.encode(candidates)).mean(axis=0)
        chosen = np.argsort(liked, kind="stable")[: self._batch]
        return [candidates[i] for i in chosen[::-1]]


class Relaxation:
    """Architectures as logits: one block of a row for each decision, softmax within a block."""

    def __init__(self, space: SearchSpace) -> None:
        self._starts = space.starts
        self._ends = space.starts + space.sizes
        self._block = np.repeat(np.arange(len(space.sizes)), space.sizes)

    def logits(self, archs: list[Arch], confidence: float = 2.0) -> NDArray[np.float32]:
        """(n, sum of sizes): ``confidence`` at each architecture's own choices, else 0."""
        logits = np.zeros((len(archs), len(self._block)), np.float32)
        np.put_along_axis(logits, np.array(archs) + self._starts, confidence, axis=1)
        return logits

    def softmax(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        top: NDArray[np.float32] = np.maximum.reduceat(logits, self._starts, axis=1)
        powers = np.exp(logits - top[:, self._block])
        soft: NDArray[np.float32] = (
            powers / np.add.reduceat(powers, self._starts, axis=1)[:, self._block]
        )
        return soft

    def through_softmax(
        self, soft: NDArray[np.float32], gradient: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The gradient at the softmax's output, as one at its input."""
        weighted = soft * gradient
        inner = self._sums(weighted)
        back: NDArray[np.float32] = weighted - soft * inner
        return back

    def _sums(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each entry's sum over its decision."""
        sums: NDArray[np.float32] = np.add.reduceat(rows, self._starts, axis=1)[:, self._block]
        return sums

    def round(self, logits: NDArray[np.float32]) -> list[Arch]:
        """The choice with the largest logit of each decision."""
        blocks = zip(self._starts, self._ends, strict=True)
        chosen = np.stack([logits[:, a:b].argmax(axis=1) for a, b in blocks], axis=1)
        return [tuple(row) for row in chosen.tolist()]
