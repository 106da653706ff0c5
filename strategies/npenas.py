"""NPENAS: evolution in which a neural predictor chooses among many children.

Source: Wei, Niu, Tang, Wang, Hu & Liang, "NPENAS: Neural Predictor Guided Evolution for Neural
Architecture Search", IEEE Transactions on Neural Networks and Learning Systems 2022,
arXiv:2003.12857 (the variant NPENAS-NP).
"""

from __future__ import annotations

from random import Random

import numpy as np

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.history import History
from ._shared.mlp import Ensemble


@strategy(family="model", source="Wei et al. 2022, arXiv:2003.12857", asynchronous=True)
class Npenas:
    """The best have many children each; the predictor's favourites among them are queried.

    The paper's predictor is a graph isomorphism network; here it is a fully connected one on the
    one-hot encoding, so that it works on every space.

    Args:
        initial: random architectures to begin with, 10 in the paper.
        batch: queries between two trainings of the predictor, 10 in the paper.
        parents: the best so many have children, 10 in the paper.
        children: of each parent, 10 in the paper.
        layers: hidden layers of the predictor.
        width: units of each layer.
        epochs: of each training.
        learning_rate: of Adam, 0.005 in the paper.

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
        parents: int = 10,
        children: int = 10,
        layers: int = 2,
        width: int = 32,
        epochs: int = 100,
        learning_rate: float = 0.005,
    ) -> None:
        counts = (initial, batch, parents, children, layers, width, epochs)
        if min(counts) < 1:
            raise ValueError(f"all counts have to be at least 1, got {counts}")
        self._numpy = np.random.default_rng(rng.getrandbits(128))
        self._history = History(problem, rng, problem.space.one_hots)
        self._initial, self._batch = initial, batch
        self._parents, self._children = parents, parents * children
        self._layers, self._width = layers, width
        self._epochs, self._learning_rate = epochs, learning_rate
        self._queue: list[Arch] = []

    def ask(self) -> Arch | None:
        history = self._history
        if self._initial > 0 or not len(history):
            self._initial -= 1
            arch = history.random()
        else:
            if not self._queue:
                self._queue = self._favourites()
            arch = self._queue.pop() if self._queue else history.random()
        return arch if arch is None else history.ask(arch)

    def tell(self, observation: Observation, /) -> None:
        self._history.tell(observation)

    def _favourites(self) -> list[Arch]:
        """The next batch, the favourite last."""
        history = self._history
        children = history.mutants(history.best(self._parents), self._children)
        if not children:
            return []
        predictor = Ensemble(
            history.x.shape[1], self._numpy, members=1, width=self._width, layers=self._layers
        )
        y = history.y.astype(np.float32)
        predictor.fit(history.x, y, epochs=self._epochs, learning_rate=self._learning_rate)
        predicted = predictor.predict(history.encode(children))[0]
        chosen = np.argsort(predicted, kind="stable")[: self._batch]
        return [children[i] for i in chosen[::-1]]
