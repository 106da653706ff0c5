"""Bayesian optimization with a Gaussian process on architectures and expected improvement.

Sources: Jones, Schonlau & Welch, "Efficient Global Optimization of Expensive Black-Box
Functions", Journal of Global Optimization 13, 1998 (expected improvement); Ru, Wan, Dong &
Osborne, "Interpretable Neural Architecture Search via Bayesian Optimisation with
Weisfeiler-Lehman Kernels", ICLR 2021, arXiv:2006.07556; Wan et al., "Think Global and Act Local:
Bayesian Optimisation over High-Dimensional Categorical and Mixed Search Spaces", ICML 2021,
arXiv:2102.07188 (the kernel on Hamming distances).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch, CellSpace
from ._shared.history import Encode, History, expected_improvement

Array = NDArray[np.float64]

_SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
_NOISES = (0.01, 0.05, 0.2, 0.5)
_LABELS = 1024
"""So many neighborhoods are told apart."""


@strategy(
    family="model",
    source="Ru et al. 2021, arXiv:2006.07556; Wan et al. 2021, arXiv:2102.07188",
    asynchronous=True,
)
class GaussianProcess:
    """Queries the candidate with the largest expected improvement over the best.

    Candidates are mutations of the best and random architectures. Scale and noise of the kernel
    are those of a small grid with the largest marginal likelihood, chosen again whenever there is
    a quarter more data.

    Args:
        kernel: ``"hamming"``: exponential in the share of decisions that differ; or
            ``"weisfeiler-lehman"``: on the counts of labeled neighborhoods of the cell's graph,
            for spaces of cells.
        initial: random architectures to begin with.
        candidates: architectures scored for each query, half of them mutations of the best.
        parents: the best so many are mutated.
        iterations: of the Weisfeiler-Lehman relabeling.

    Raises:
        ValueError: if the kernel is unknown or does not fit the space, or a count is below 1.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        kernel: str = "hamming",
        initial: int = 10,
        candidates: int = 100,
        parents: int = 10,
        iterations: int = 2,
    ) -> None:
        if kernel not in ("hamming", "weisfeiler-lehman"):
            raise ValueError(f"kernel: expected 'hamming' or 'weisfeiler-lehman', got {kernel!r}")
        if min(initial, candidates, parents, iterations) < 1:
            raise ValueError("initial, candidates, parents and iterations: expected at least 1")
        space = problem.space
        encode: Encode = space.one_hots
        if kernel == "weisfeiler-lehman":
            if not isinstance(space, CellSpace):
                raise ValueError(f"{space.name} has no cells, which kernel={kernel!r} is for")
            encode = partial(neighborhoods, space, iterations)
        self._history = History(problem, rng, lambda archs: unit(encode(archs)))
        self._initial, self._candidates, self._parents = initial, candidates, parents
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

    def _best_candidate(self) -> Arch | None:
        history, model = self._history, self._model
        candidates = history.mutants(history.best(self._parents), self._candidates // 2)
        candidates += history.randoms(self._candidates - len(candidates))
        if not candidates:
            return None
        x, y = history.x, history.y
        if len(x) >= self._refit_at:
            model.choose(x, y)
            self._refit_at = len(x) + max(1, len(x) // 4)
        else:
            model.extend(x)
        mean, spread = model.predict(history.encode(candidates), y)
        return candidates[int(expected_improvement(mean, spread, float(y.min())).argmax())]


def unit(features: Array) -> Array:
    """(n, features), each row of length 1: the inner product of two is 1 if they are the same."""
    lengths = np.sqrt((features**2).sum(axis=1, keepdims=True))
    scaled: Array = features / np.maximum(lengths, 1e-12)
    return scaled


class Model:
    """A Gaussian process of unit variance with kernel ``exp(-scale * (1 - x @ z))``.

    For one-hot rows of length 1, ``1 - x @ z`` is the share of decisions that differ.
    """

    def __init__(self) -> None:
        self._x = np.zeros((0, 0), np.float32)
        self._scale, self._noise = 1.0, 0.05
        self._lower = np.zeros((0, 0))

    def choose(self, x: NDArray[np.float32], y: Array) -> None:
        """Fit to (n, features) and (n,): the grid's scale and noise of largest likelihood."""
        from scipy.linalg import LinAlgError, cholesky, solve_triangular

        distance = 1.0 - (x @ x.T).astype(np.float64)
        best = -np.inf
        for scale in _SCALES:
            kernel = np.exp(-scale * distance)
            for noise in _NOISES:
                try:
                    lower = cholesky(kernel + noise * np.eye(len(x)), lower=True)
                except LinAlgError:
                    continue
                white = solve_triangular(lower, y, lower=True)
                likelihood = -0.5 * white @ white - np.log(np.diagonal(lower)).sum()
                if likelihood > best:
                    best, self._scale, self._noise, self._lower = likelihood, scale, noise, lower
        self._x = x

    def extend(self, x: NDArray[np.float32]) -> None:
        """Take in the rows of (n, features) that are not known yet, at quadratic cost each."""
        from scipy.linalg import solve_triangular

        for known in range(len(self._x), len(x)):
            row = solve_triangular(self._lower, self._kernel(x[:known], x[known]), lower=True)
            corner = np.sqrt(max(1.0 + self._noise - row @ row, 1e-9))
            grown = np.zeros((known + 1, known + 1))
            grown[:known, :known] = self._lower
            grown[known, :known], grown[known, known] = row, corner
            self._lower = grown
        self._x = x

    def predict(self, z: NDArray[np.float32], y: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at (m, features), each (m,), given the targets (n,)."""
        from scipy.linalg import solve_triangular

        between = solve_triangular(self._lower, self._kernel(self._x, z.T), lower=True)
        mean = between.T @ solve_triangular(self._lower, y, lower=True)
        return mean, np.sqrt(np.maximum(1.0 - (between**2).sum(axis=0), 1e-12))

    def _kernel(self, x: NDArray[np.float32], z: NDArray[np.float32]) -> Array:
        kernel: Array = np.exp(-self._scale * (1.0 - (x @ z).astype(np.float64)))
        return kernel


def neighborhoods(space: CellSpace, iterations: int, archs: Sequence[Arch]) -> Array:
    """(n, 1024) how often each labeled neighborhood occurs in a cell, after every relabeling.

    In each of the ``iterations`` a node's label becomes that of its neighborhood: its own and,
    sorted, those that lead into it (Shervashidze et al., JMLR 12, 2011). Labels are hashed.
    """
    counts = np.zeros((len(archs), _LABELS))
    for row, arch in zip(counts, archs, strict=True):
        labels, edges = space.graph(arch)
        sources: list[list[int]] = [[] for _ in labels]
        for source, target in edges:
            sources[target].append(source)
        known = list(labels)
        for iteration in range(iterations + 1):
            if iteration:
                known = [
                    f"{label}({','.join(sorted(known[s] for s in sources[node]))})"
                    for node, label in enumerate(known)
                ]
            for label in known:
                row[crc32(label.encode()) % _LABELS] += 1
    return counts
