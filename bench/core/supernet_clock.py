"""What a run spends on its supernet, and how it pays for it.

A strategy with weight sharing trains a supernet between its queries. Those seconds are measured
inside the supernet's sessions; the runner adds them to the cost of the query that comes next, and
counts them against the budget while they pass.
"""

from __future__ import annotations

from time import perf_counter

from .types import Answer, Oracle, Proposal


class BudgetSpent(Exception):
    """The seconds of the budget are over while the supernet is trained: the run ends here."""


class Search:
    """The seconds that the supernets of one run took, and those of its queries.

    Args:
        limit: of both together, None for none.
    """

    def __init__(self, limit: float | None = None) -> None:
        self._limit = limit
        self._measured = self._replayed = self._queries = self._charged = 0.0

    @property
    def seconds(self) -> float:
        """What the supernets took so far, what is replayed from a checkpoint included."""
        return self._measured + self._replayed

    def spend(self, seconds: float, *, replayed: bool = False) -> None:
        """Count seconds of a supernet; ``replayed`` ones passed in an earlier process.

        Raises:
            BudgetSpent: if that is more than there is.
        """
        if replayed:
            self._replayed += seconds
        else:
            self._measured += seconds
        if self._limit is not None and self.seconds + self._queries > self._limit:
            raise BudgetSpent(f"more than {self._limit:g} s")

    def charge(self, answer: Answer) -> Answer:
        """The answer with what the supernets took since the last one as part of its cost."""
        self._queries += answer.cost
        due, self._charged = self.seconds - self._charged, self.seconds
        return answer._replace(cost=answer.cost + due)

    def now(self) -> float:
        """A clock that stands still while a supernet is at work: it measures thinking alone."""
        return perf_counter() - self._measured


class ChargingOracle:
    """An oracle whose answers cost what the supernets took besides."""

    def __init__(self, oracle: Oracle, search: Search) -> None:
        self.problem = oracle.problem
        self._oracle, self._search = oracle, search

    def evaluate(self, proposal: Proposal, /) -> Answer:
        return self._search.charge(self._oracle.evaluate(proposal))
