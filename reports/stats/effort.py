"""What a search asked for twice, thought about, and did not finish."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from .regret import Floats


def duplicates(network: Floats, epochs: Floats) -> Floats:
    """(runs, steps) 1 where a query asks for a network at no more epochs than the run had seen.

    ``network`` (the number of the canonical spelling) and ``epochs`` are (runs, steps), padded with
    NaN, and so is the answer. More epochs than before resume a training: that is no duplicate.
    """
    found = np.full(network.shape, np.nan)
    run, step = np.nonzero(~np.isnan(network))
    order = np.lexsort((step, network[run, step], run))
    run, step = run[order], step[order]
    if len(run) == 0:
        return found
    own = np.stack([run.astype(float), network[run, step]])
    first = np.concatenate([[True], (own[:, 1:] != own[:, :-1]).any(axis=0)])
    # Each stretch of one network lies above the one before it, so one running maximum serves all.
    asked = epochs[run, step]
    lift = np.cumsum(first) * (asked.max() + 1.0)
    reached = np.maximum.accumulate(asked + lift)
    before = np.concatenate([[-np.inf], reached[:-1]])
    found[run, step] = (asked + lift <= before) & ~first
    return found


def share(marks: Floats) -> Floats:
    """(runs,) the share of each run's steps that are marked; NaN for a run without steps."""
    steps = (~np.isnan(marks)).sum(axis=1)
    found = np.full(len(marks), np.nan)
    np.divide(np.nansum(marks, axis=1), steps, out=found, where=steps > 0)
    return found


def missing_seeds(seeds: Collection[int], expected: int) -> list[int]:
    """The seeds from 0 to ``expected`` - 1 of which there is no finished run.

    A run ends without a record where its strategy fails or proposes what is no architecture: those
    are its invalid proposals.
    """
    return sorted(set(range(expected)) - set(seeds))
