"""Bayesian optimization with a random forest, as SMAC does.

Source: Hutter, Hoos & Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm
Configuration", LION 2011; Lindauer et al., "SMAC3: A Versatile Bayesian Optimization Package for
Hyperparameter Optimization", JMLR 23, 2022, arXiv:2109.09831. The trees are scikit-learn's.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.history import History, expected_improvement

_LEAST_VARIANCE = 0.01**2
"""In units of the losses' variance: below it there is noise only."""


@strategy(
    family="model",
    source="Hutter et al. 2011, LION; Lindauer et al. 2022, arXiv:2109.09831",
    asynchronous=True,
)
class RandomForest:
    """Queries the candidate with the largest expected improvement, now and then a random one.

    Mean and spread are those of the trees' predictions. Candidates are found by climbing expected
    improvement from neighbor to neighbor, starting at the best architectures, and beside them are
    random ones.

    Args:
        initial: random architectures to begin with.
        random_share: share of queries that are random: 0.5 in the paper, 0.085 in SMAC3.
        trees: of the forest, 10 in the paper.
        features: share of the features tried at each split, 5/6 in the paper.
        starts: climbs begin at the best so many, 10 in the paper.
        steps: of each climb at most; in the paper it goes on to a local optimum.
        candidates: random architectures scored beside them.

    Raises:
        ImportError: if scikit-learn is missing.
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        initial: int = 10,
        random_share: float = 0.085,
        trees: int = 10,
        features: float = 5 / 6,
        starts: int = 10,
        steps: int = 1,
        candidates: int = 100,
    ) -> None:
        if min(initial, trees, starts, candidates) < 1 or steps < 0:
            raise ValueError("initial, trees, starts and candidates: expected at least 1")
        if not (0 <= random_share < 1 and 0 < features <= 1):
            raise ValueError("expected 0 <= random_share < 1 and 0 < features <= 1")
        try:
            from sklearn.tree import ExtraTreeRegressor  # noqa: F401 - is it there?
        except ImportError as error:
            raise ImportError(
                'random-forest needs scikit-learn: pip install "nasarena[models]"'
            ) from error
        self._rng = rng
        self._history = History(problem, rng, problem.space.one_hots)
        self._initial, self._random_share = initial, random_share
        self._trees, self._features = trees, features
        self._starts, self._steps, self._candidates = starts, steps, candidates

    def ask(self) -> Arch | None:
        history = self._history
        arch = None
        if self._initial > 0 or not len(history):
            self._initial -= 1
        elif self._rng.random() >= self._random_share:
            arch = self._best_candidate()
        arch = arch or history.random()
        return arch if arch is None else history.ask(arch)

    def tell(self, observation: Observation, /) -> None:
        self._history.tell(observation)

    def _best_candidate(self) -> Arch | None:
        history = self._history
        forest = Forest(history.x, history.y, self._trees, self._features, self._rng)
        best = float(history.y.min())

        def improvement(archs: list[Arch]) -> NDArray[np.float64]:
            return expected_improvement(*forest.predict(history.encode(archs)), best)

        found = dict.fromkeys(history.randoms(self._candidates))
        heads = history.best(self._starts)
        for _ in range(self._steps):
            around = [[a for a in history.space.neighbours(h) if history.is_new(a)] for h in heads]
            around = [neighbors for neighbors in around if neighbors]
            if not around:
                break
            scores = np.split(
                improvement([arch for neighbors in around for arch in neighbors]),
                np.cumsum([len(neighbors) for neighbors in around])[:-1],
            )
            heads = [near[int(s.argmax())] for near, s in zip(around, scores, strict=True)]
            found |= dict.fromkeys(heads)
        if not found:
            return None
        candidates = list(found)
        return candidates[int(improvement(candidates).argmax())]


class Forest:
    """Bootstrapped regression trees, whose predictions have a mean and a spread.

    Trees and not scikit-learn's forest, whose overhead for a forest as small as SMAC's is several
    times the work.
    """

    def __init__(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float64],
        trees: int,
        features: float,
        rng: Random,
    ) -> None:
        from sklearn.tree import DecisionTreeRegressor

        self._trees = []
        for _ in range(trees):
            seed = rng.getrandbits(32)
            drawn = np.random.default_rng(seed).integers(len(x), size=len(x))
            tree = DecisionTreeRegressor(
                max_features=features, min_samples_split=3, min_samples_leaf=3, random_state=seed
            )
            tree.fit(x[drawn], y[drawn], check_input=False)
            self._trees.append(tree.tree_)

    def predict(self, z: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation at (m, features), each (m,).

        The variance is that of the trees' means and, on average, that within their leaves
        (Hutter, Xu, Hoos & Leyton-Brown, Artificial Intelligence 206, 2014, section 4.3).
        """
        leaves = [tree.apply(z) for tree in self._trees]
        pairs = list(zip(self._trees, leaves, strict=True))
        means = np.stack([tree.value[leaf, 0, 0] for tree, leaf in pairs])
        within = np.stack([tree.impurity[leaf] for tree, leaf in pairs])
        variance = means.var(axis=0) + within.mean(axis=0)
        return means.mean(axis=0), np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
