"""ASHA: successive halving that never waits.

Source: Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht & Talwalkar, "A System for
Massively Parallel Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934, algorithm 2.
"""

from __future__ import annotations

from bisect import insort
from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem, Query
from ._shared.brackets import levels, result, resumed


@strategy(
    family="multi-fidelity",
    source="Li et al. 2020, arXiv:1810.05934",
    asynchronous=True,
    multi_fidelity=True,
)
class ASHA:
    """Promotes whatever is among the best share of its rung now, else trains a new one.

    On a task that answers at one number of epochs only it is random search.

    Args:
        eta: the share ``1 / eta`` is promoted, to ``eta`` times the epochs; 4 in the paper's
            experiments, 3 here as in the other multi-fidelity strategies.

    Raises:
        ValueError: if ``eta`` is below 2.
    """

    def __init__(self, problem: Problem, rng: Random, /, *, eta: int = 3) -> None:
        self._space, self._rng, self._eta = problem.space, rng, eta
        self._epochs = levels(problem, eta)
        # Of each rung: every (loss, number of answer) in order, and the queries by number.
        self._ranked: list[list[tuple[float, int]]] = [[] for _ in self._epochs]
        self._queries: list[Query] = []
        self._promoted: set[int] = set()

    def ask(self) -> Query:
        for rung in range(len(self._epochs) - 2, -1, -1):
            ranked = self._ranked[rung]
            for _, number in ranked[: len(ranked) // self._eta]:
                if number not in self._promoted:
                    self._promoted.add(number)
                    return resumed(self._queries[number], self._epochs[rung + 1])
        return Query(self._space.sample(self._rng), self._epochs[0])

    def tell(self, observation: Observation, /) -> None:
        loss, query = result(observation)
        rung = self._epochs.index(query.epochs or self._epochs[-1])
        insort(self._ranked[rung], (loss, len(self._queries)))
        self._queries.append(query)
