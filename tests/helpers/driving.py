"""Drives a strategy by hand, without a table."""

from __future__ import annotations

from nasarena.bench import Observation, Query


def seen(arch, *losses, epochs=1, replica=0):
    return Observation(Query(arch, epochs, replica), losses, float(epochs))


def answer(proposal, loss, epochs=1):
    """The observation of a proposal: ``loss`` is called with architecture and epochs."""
    query = proposal if isinstance(proposal, Query) else Query(proposal)
    at = query.epochs or epochs
    found = loss(query.arch, at)
    losses = found if isinstance(found, tuple) else (found,)
    return Observation(Query(query.arch, at, query.replica or 0), losses, float(at))


def drive(strategy, loss, queries, epochs=1):
    """Ask and tell, one by one; returns the proposals."""
    asked = []
    while len(asked) < queries and (proposal := strategy.ask()) is not None:
        asked.append(proposal)
        strategy.tell(answer(proposal, loss, epochs))
    return asked
