"""`random_search` for many runs at once, with replacement."""

from __future__ import annotations

from ...bench.core.vectorized import Floats, LaneProblem, LaneRandom
from ...spaces.vectorized import Numbers


class RandomSearchLanes:
    """Draws spellings uniformly at random."""

    def __init__(self, problem: LaneProblem, draws: LaneRandom, /) -> None:
        self._space, self._draws = problem.space, draws

    def ask(self) -> Numbers:
        return self._space.sample(self._draws, 0)

    def tell(self, losses: Floats, /) -> None:
        """Random search learns nothing."""
