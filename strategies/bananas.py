"""BANANAS: Bayesian optimization with an ensemble of networks on the path encoding.

Source: White, Neiswanger & Savani, "BANANAS: Bayesian Optimization with Neural Architectures for
Neural Architecture Search", AAAI 2021, arXiv:1910.11858.
"""

from __future__ import annotations

from random import Random

import numpy as np

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.history import History, path_or_one_hot
from ._shared.mlp import Ensemble


@strategy(family="model", source="White et al. 2021, arXiv:1910.11858", asynchronous=True)
class Bananas:
    """Mutates the best, and queries those that a draw from the ensemble finds most promising.

    As in the paper: the ensemble is trained anew for every batch of queries, on path encodings
    (one-hot where the space has none, or thousands of paths) and with the mean absolute
    percentage error above a lower bound, here one standard deviation below the least loss;
    independent Thompson sampling draws each candidate's value from a normal distribution with the
    ensemble's mean and spread.

    Args:
        initial: random architectures to begin with, 10 in the paper.
        batch: queries between two trainings, 10 in the paper.
        candidates: mutations scored for each batch, 100 in the paper.
        parents: the best so many are mutated.
        members: networks of the ensemble, 3 in the paper.
        layers: hidden layers of each, 10 in the paper.
        width: units of each layer, 20 in the paper.
        epochs: of each training, 150 in the paper.
        learning_rate: of Adam, 0.01 in the paper.

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
        batch: int = 10,
        candidates: int = 100,
        parents: int = 10,
        members: int = 3,
        layers: int = 10,
        width: int = 20,
        epochs: int = 150,
        learning_rate: float = 0.01,
    ) -> None:
        counts = (initial, batch, candidates, parents, members, layers, width, epochs)
        if min(counts) < 1:
            raise ValueError(f"all counts have to be at least 1, got {counts}")
        self._rng = rng
        self._numpy = np.random.default_rng(rng.getrandbits(128))
        self._history = History(problem, rng, path_or_one_hot(problem))
        self._initial, self._batch = initial, batch
        self._candidates, self._parents = candidates, parents
        self._shape = {"members": members, "layers": layers, "width": width}
        self._training = {"epochs": epochs, "learning_rate": learning_rate}
        self._queue: list[Arch] = []

    def ask(self) -> Arch | None:
        history = self._history
        if self._initial > 0 or not len(history):
            self._initial -= 1
            arch = history.random()
        else:
            if not self._queue:
                self._queue = self._promising()
            arch = self._queue.pop() if self._queue else history.random()
        return arch if arch is None else history.ask(arch)

    def tell(self, observation: Observation, /) -> None:
        self._history.tell(observation)

    def _promising(self) -> list[Arch]:
        """The next batch, the most promising last."""
        history = self._history
        candidates = history.mutants(history.best(self._parents), self._candidates)
        if not candidates:
            return []
        y = history.y.astype(np.float32)
        ensemble = Ensemble(history.x.shape[1], self._numpy, **self._shape)
        weights = 1 / (y - y.min() + 1)  # percentage error: what is near the best counts most
        ensemble.fit(history.x, y, weights=weights, **self._training)  # type: ignore[arg-type]
        predicted = ensemble.predict(history.encode(candidates))
        drawn = self._numpy.normal(predicted.mean(axis=0), predicted.std(axis=0))
        chosen = np.argsort(drawn, kind="stable")[: self._batch]
        return [candidates[i] for i in chosen[::-1]]
