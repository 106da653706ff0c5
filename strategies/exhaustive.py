"""Exhaustive search: every network once, the whole space if the budget allows.

Source: Knuth, "The Art of Computer Programming", volume 4A, 2011, section 7.2.1.1 (mixed-radix
enumeration); as a baseline of tabular benchmarks, Ying et al. 2019, arXiv:1902.09635.
"""

from __future__ import annotations

from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch


@strategy(family="random", source="Knuth 2011, TAOCP 4A", asynchronous=True, multi_objective=True)
class Exhaustive:
    """Proposes the canonical spelling of every network in lexicographic order, then ends.

    With a small budget it sees one corner of the space only, where all architectures share their
    first decisions: there it is often worse than random search. It is meant for spaces that the
    budget covers.
    """

    def __init__(self, problem: Problem, rng: Random, /) -> None:
        space = problem.space
        self._left = (arch for arch in space if space.canonical(arch) == arch)

    def ask(self) -> Arch | None:
        return next(self._left, None)

    def tell(self, observation: Observation, /) -> None:
        """The order does not depend on what is seen."""
