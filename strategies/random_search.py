"""Random search, the baseline that every strategy has to beat.

Source: Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search",
UAI 2019, arXiv:1902.07638; Bergstra & Bengio, JMLR 13, 2012.
"""

from __future__ import annotations

from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch


@strategy(
    family="random",
    source="Li & Talwalkar 2019, arXiv:1902.07638",
    asynchronous=True,
    multi_objective=True,
    lanes="nasarena.strategies.vectorized.random_search:RandomSearchLanes",
)
class RandomSearch:
    """Draws spellings uniformly at random.

    Args:
        replace: whether a spelling may be drawn again. Without replacement the search ends when
            every valid spelling has been proposed once.
    """

    def __init__(self, problem: Problem, rng: Random, /, *, replace: bool = True) -> None:
        self._space = problem.space
        self._rng = rng
        self._replace = replace
        # A shuffle of all spellings, of which only the places that were moved are written down.
        self._left = problem.space.spellings
        self._moved: dict[int, int] = {}

    def ask(self) -> Arch | None:
        if self._replace:
            return self._space.sample(self._rng)
        while self._left:
            place = int(self._rng.random() * self._left)
            self._left -= 1
            number = self._moved.get(place, place)
            self._moved[place] = self._moved.pop(self._left, self._left)
            arch = self._space.arch(number)
            if self._space.is_valid(arch):
                return arch
        return None

    def tell(self, observation: Observation, /) -> None:
        """Random search learns nothing."""
