"""BOHB: Hyperband whose architectures are drawn from a density of the good ones.

Source: Falkner, Klein & Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale",
ICML 2018, arXiv:1807.01774, algorithm 2.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.brackets import Brackets, hyperband_widths, levels, result

Array = NDArray[np.float64]


@strategy(
    family="multi-fidelity",
    source="Falkner et al. 2018, arXiv:1807.01774",
    asynchronous=True,
    multi_fidelity=True,
)
class BOHB(Brackets):
    """Draws from a density of the best, where it is large against that of the rest.

    The densities are kernel estimates over the answers at the most epochs that has enough of
    them. On a task that answers at one number of epochs only, it is this model alone.

    Args:
        eta: as in Hyperband, 3 in the paper.
        random_share: share of architectures drawn uniformly, 1/3 in the paper.
        good_share: the best so much of the answers make the first density, 0.15 in the paper.
        candidates: draws from the first density, 64 in the paper.
        bandwidth_factor: widens the kernels that candidates are drawn from, 3 in the paper.
        least_bandwidth: of the kernels, 0.001 in the paper.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        eta: int = 3,
        random_share: float = 1 / 3,
        good_share: float = 0.15,
        candidates: int = 64,
        bandwidth_factor: float = 3.0,
        least_bandwidth: float = 0.001,
    ) -> None:
        if not (0 <= random_share <= 1 and 0 < good_share < 1):
            raise ValueError("expected 0 <= random_share <= 1 and 0 < good_share < 1")
        if candidates < 1 or bandwidth_factor < 1 or not least_bandwidth > 0:
            raise ValueError(
                "expected candidates >= 1, bandwidth_factor >= 1 and least_bandwidth > 0"
            )
        self._space, self._rng = problem.space, rng
        self._numpy = np.random.default_rng(rng.getrandbits(128))
        self._random_share, self._good_share = random_share, good_share
        self._candidates, self._factor, self._least = candidates, bandwidth_factor, least_bandwidth
        epochs = levels(problem, eta)
        self._seen: dict[int, list[tuple[float, Arch]]] = {e: [] for e in reversed(epochs)}
        super().__init__(hyperband_widths(len(epochs), eta), epochs, self._promising)

    def tell(self, observation: Observation, /) -> None:
        super().tell(observation)
        loss, query = result(observation)
        self._seen[query.epochs or max(self._seen)].append((loss, query.arch))

    def _promising(self) -> Arch:
        parts = self._split()
        if parts is None or self._rng.random() < self._random_share:
            return self._space.sample(self._rng)
        good, bad = (Density(self._space.sizes, part, self._least) for part in parts)
        drawn = good.draw(self._candidates, self._numpy, self._factor)
        ratio = good.log(drawn) - bad.log(drawn)
        return self._space.nearest(tuple(drawn[int(ratio.argmax())].tolist()), self._rng)

    def _split(self) -> tuple[list[Arch], list[Arch]] | None:
        """The good and the bad at the most epochs with enough answers: more than decisions each."""
        least = len(self._space.sizes) + 1
        for seen in self._seen.values():
            if len(seen) >= least + 2:
                ranked = [arch for _, arch in sorted(seen, key=lambda pair: pair[0])]
                good = max(least, int(self._good_share * len(ranked)))
                bad = max(least, int((1 - self._good_share) * len(ranked)))
                return ranked[:good], ranked[-bad:]
        return None


class Density:
    """A kernel density over architectures: a product of Aitchison-Aitken kernels (1976)."""

    def __init__(self, sizes: tuple[int, ...], archs: list[Arch], least_bandwidth: float) -> None:
        self._sizes = np.array(sizes)
        self._points = np.array(archs)
        n, d = self._points.shape
        # The normal reference rule, as for numbers; at most a uniform kernel.
        scott = 1.06 * self._points.std(axis=0) * n ** (-1 / (4 + d))
        most = (self._sizes - 1) / self._sizes
        self._bandwidth = np.clip(scott, least_bandwidth, np.maximum(most, least_bandwidth))

    def log(self, archs: NDArray[np.int64]) -> Array:
        """(m, decisions) to (m,)."""
        same = archs[:, None] == self._points[None]
        other = self._bandwidth / np.maximum(self._sizes - 1, 1)
        kernels = np.where(same, 1 - self._bandwidth, other).prod(axis=2)
        density: Array = np.log(np.maximum(kernels.mean(axis=1), 1e-300))
        return density

    def draw(self, count: int, rng: np.random.Generator, factor: float) -> NDArray[np.int64]:
        """(count, decisions) near the points: a decision is drawn anew, among all its choices, with
        a chance of ``factor`` bandwidths."""
        points = self._points[rng.integers(len(self._points), size=count)]
        wide = np.minimum(self._bandwidth * factor, 1.0)
        anew = rng.random(points.shape) < wide
        found: NDArray[np.int64] = np.where(
            anew, rng.integers(0, self._sizes, size=points.shape), points
        )
        return found
