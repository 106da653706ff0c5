"""What adapters of other libraries' optimizers share: randomness, failures, spelling."""

from __future__ import annotations

import logging
import random
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from math import isfinite
from random import Random
from typing import Any, Generic, TypeVar

from ...spaces import Arch, SearchSpace

Token = TypeVar("Token")


def need(name: str, module: str) -> None:
    """Raises ImportError, with the command that helps, unless strategy ``name`` has ``module``."""
    if find_spec(module) is None:
        raise ImportError(f'strategy {name} needs {module}: pip install "nasarena[{name}]"')


class OwnRandomness:
    """The global generators of ``random`` and ``numpy.random`` as one optimizer finds them.

    Within ``with own():`` they are as the same optimizer left them, at first seeded with ``seed``;
    outside they are as if it had never been. Warnings, and what ``logger`` has to say short of
    errors, are silenced within: a library's advice to its users does not concern ours.
    """

    def __init__(self, seed: int, logger: str) -> None:
        import numpy as np

        self._logger = logging.getLogger(logger)
        self._legacy: Any = np.random
        numbers = np.random.RandomState(np.random.MT19937(seed))
        self._own: tuple[Any, Any] = random.Random(seed).getstate(), numbers.get_state()

    def _states(self) -> tuple[Any, Any]:
        return random.getstate(), self._legacy.get_state()

    def _restore(self, states: tuple[Any, Any]) -> None:
        random.setstate(states[0])
        self._legacy.set_state(states[1])

    @contextmanager
    def __call__(self) -> Iterator[None]:
        before = self._states()
        self._restore(self._own)
        level = self._logger.level
        self._logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            self._logger.setLevel(level)
            self._own = self._states()
            self._restore(before)


class Finite:
    """Losses for optimizers that bear numbers only: a failure counts as the worst success so far.

    As 0 while there is none.
    """

    def __init__(self) -> None:
        self._worst: list[float] = []

    def __call__(self, losses: Sequence[float]) -> list[float]:
        if all(map(isfinite, losses)):
            self._worst = list(map(max, losses, self._worst or losses))
            return list(losses)
        return self._worst or [0.0] * len(losses)


class UnderWay(Generic[Token]):
    """What belongs to each question that is not yet answered; equal questions in turn."""

    def __init__(self) -> None:
        self._tokens: defaultdict[Hashable, list[Token]] = defaultdict(list)

    def add(self, key: Hashable, token: Token) -> None:
        self._tokens[key].append(token)

    def take(self, key: Hashable) -> Token:
        token = self._tokens[key].pop(0)
        if not self._tokens[key]:
            del self._tokens[key]
        return token


def network(space: SearchSpace, choices: Sequence[int], rng: Random) -> Arch:
    """The architecture that choices stand for: without those that do not count, else the nearest.

    Its loss is told as that of the choices.
    """
    arch = tuple([int(choice) for choice in choices])
    active = space.active(arch)
    return space.nearest(tuple([c if on else 0 for c, on in zip(arch, active, strict=True)]), rng)
