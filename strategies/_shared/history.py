"""What a model-based strategy remembers: what it asked, what it was told, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from random import Random

import numpy as np
from numpy.typing import NDArray

from ...bench.core.types import Observation, Problem
from ...spaces import Arch, CellSpace

Encode = Callable[[Sequence[Arch]], NDArray[np.float64]]
"""n architectures to (n, features)."""

_PATHS = 1000
"""With more paths hardly any two architectures share one, and nothing is learned from them."""
_TRIES = 100
"""Random draws of an architecture that is new, before all are looked through."""


def path_or_one_hot(problem: Problem) -> Encode:
    """The path encoding where architectures are cells with up to `_PATHS` paths, else one-hot."""
    space = problem.space
    if isinstance(space, CellSpace) and len(space.path_names) <= _PATHS:
        return lambda archs: np.array([space.path_encoding(arch) for arch in archs])
    return space.one_hots


def standardized(losses: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) losses with mean 0 and standard deviation 1; failures count as the worst success."""
    y = np.array(losses, np.float64)
    there = np.isfinite(y)
    if not there.any():
        return np.zeros(len(y))
    y[~there] = y[there].max()
    spread = y.std()
    centered: NDArray[np.float64] = y - y.mean()
    return centered / spread if spread > 0 else centered


def expected_improvement(
    mean: NDArray[np.float64], spread: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """(n,) by how much a normal value is expected to fall below ``best`` (Jones et al. 1998)."""
    from scipy.special import ndtr

    z = (best - mean) / spread
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    improvement: NDArray[np.float64] = spread * (z * ndtr(z) + density)
    return improvement


class History:
    """Architectures asked and told. Two spellings of one network count as the same."""

    def __init__(self, problem: Problem, rng: Random, encode: Encode) -> None:
        self.space, self._rng, self._encode = problem.space, rng, encode
        self.archs: list[Arch] = []
        self.losses: list[float] = []
        self._asked: set[Arch] = set()
        self._rows = np.zeros((64, encode([problem.space.simplest()]).shape[1]), np.float32)

    def __len__(self) -> int:
        return len(self.archs)

    def tell(self, observation: Observation, /) -> None:
        arch, loss = observation.query.arch, observation.losses[0]
        if len(self) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self)] = self._encode([arch])
        self.archs.append(arch)
        self.losses.append(loss if isfinite(loss) else float("inf"))

    def ask(self, arch: Arch) -> Arch:
        """Note that ``arch`` is asked."""
        self._asked.add(self.space.canonical(arch))
        return arch

    @property
    def x(self) -> NDArray[np.float32]:
        """(n, features) of what was told."""
        return self._rows[: len(self)]

    @property
    def y(self) -> NDArray[np.float64]:
        """(n,) standardized losses of what was told."""
        return standardized(self.losses)

    def encode(self, archs: Sequence[Arch]) -> NDArray[np.float32]:
        """(n, features) of any architectures."""
        return self._encode(archs).astype(np.float32)

    def best(self, count: int) -> list[Arch]:
        """The ``count`` with the least loss, best first."""
        order = sorted(range(len(self)), key=self.losses.__getitem__)
        return [self.archs[i] for i in order[:count]]

    def is_new(self, arch: Arch) -> bool:
        """Whether no spelling of this network was asked."""
        return self.space.canonical(arch) not in self._asked

    def random(self) -> Arch | None:
        """A random architecture that is new; None if there is none."""
        for _ in range(_TRIES):
            arch = self.space.sample(self._rng)
            if self.is_new(arch):
                return arch
        return next(filter(self.is_new, self.space), None)

    def randoms(self, count: int) -> list[Arch]:
        """Up to ``count`` random architectures that are new; fewer where few are left."""
        drawn = {self.space.sample(self._rng): None for _ in range(count)}
        return [arch for arch in drawn if self.is_new(arch)]

    def mutants(self, parents: Sequence[Arch], count: int, mutations: int = 1) -> list[Arch]:
        """Up to ``count`` new architectures, each up to ``mutations`` mutations from a parent.

        No two are the same network. Where the neighbourhood has fewer, some are a mutation
        farther off; where even that has fewer, fewer come back.
        """
        found: dict[Arch, Arch] = {}
        for attempt in range(4 * count):
            arch = parents[attempt % len(parents)]
            reach = mutations + attempt // (2 * count)
            for _ in range(1 + int(self._rng.random() * reach)):
                arch = self.space.mutate(arch, self._rng)
            canonical = self.space.canonical(arch)
            if canonical not in self._asked:
                found.setdefault(canonical, arch)
                if len(found) == count:
                    break
        return list(found.values())
