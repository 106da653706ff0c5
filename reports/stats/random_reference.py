"""Random search on a finite table, in closed form: its regret after n queries without any run.

Let N spellings be drawn uniformly, each answered by its row of the table. A row has one or more
recorded trainings; a run meets one of them, each equally likely, and meets the same one again.
Let W be the number of spellings whose answer is not below v. The best answer of n queries is not
below v with probability E[(W/N)^n] with replacement, E[C(W, n) / C(N, n)] without. W is a sum of
independent terms, whose distribution is had exactly from its characteristic function. The
differences of that probability from one recorded answer to the next are the chances of each to be
the incumbent's. Without noise W is a number, and this is the usual best-of-n formula
(with replacement: Dodge et al. 2019, arXiv:1909.03004; without: the hypergeometric distribution).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .regret import Floats

_GONE = 1e-15
"""Chances below this are left out."""


class RandomSearch:
    """The distribution of random search's regret after n queries, for any n.

    Args:
        truth: (rows,) the loss by which an architecture is scored, averaged over its trainings.
        observed: (rows, trainings) the losses a query may see; NaN where there is no such
            training, ``inf`` where it failed. None: a query sees the truth (``noise = "mean"``).
        spellings: (rows,) how many spellings each row answers for; None: one each.
        replace: whether a spelling may be drawn again.
        redraw: whether a spelling drawn again is answered by a training drawn anew
            (``duplicates = "resample"``) instead of by the same one. Only with replacement.
        optimum: the reference of the regret; None: the least ``truth``.

    A run in which every training failed has no incumbent: regrets are conditional on there being
    one, as in `Block`, where such runs are NaN. Answers that are exactly equal share the chance to
    be the incumbent's. That share is exact without noise; with it, where rows of different spread
    are tied, it is right to first order in the chance to meet both in one run.

    Raises:
        ValueError: if shapes do not fit, there is nothing to draw, or ``redraw`` is asked for
            without replacement.
    """

    def __init__(
        self,
        truth: ArrayLike,
        observed: ArrayLike | None = None,
        *,
        spellings: ArrayLike | None = None,
        replace: bool = True,
        redraw: bool = False,
        optimum: float | None = None,
    ) -> None:
        scores = np.asarray(truth, dtype=float)
        seen = scores[:, None] if observed is None else np.asarray(observed, dtype=float)
        weight = np.ones(len(scores)) if spellings is None else np.asarray(spellings)
        if observed is None:
            seen = np.where(np.isnan(seen), np.inf, seen)
        if scores.ndim != 1 or seen.shape[:1] != scores.shape or weight.shape != scores.shape:
            raise ValueError(
                "expected truth (rows,), observed (rows, trainings) and spellings (rows,), got "
                f"shapes {scores.shape}, {seen.shape} and {weight.shape}"
            )
        if redraw and not replace:
            raise ValueError("redraw: without replacement nothing is drawn again; set replace=True")
        known = (weight > 0) & ~np.isnan(seen).all(axis=1)
        scores, seen, weight = scores[known], seen[known], weight[known].astype(np.int64)
        if not np.isfinite(seen).any():
            raise ValueError("expected a row with a training that did not fail, got none")
        best = float(np.nanmin(scores)) if optimum is None else optimum
        self.spellings = int(weight.sum())
        self.replace, self.redraw = replace, redraw
        self._levels(scores - best, seen, weight)

    def _levels(self, regret: Floats, seen: Floats, weight: NDArray[np.int64]) -> None:
        """Sorts the answers, and counts at the edges between them the rows that are below."""
        ordered = np.sort(seen, axis=1)  # NaN last
        row, below = np.nonzero(np.isfinite(ordered))
        trainings = (~np.isnan(ordered)).sum(axis=1)[row]
        values, level = np.unique(ordered[row, below], return_inverse=True)
        self._regret, self._level, self._share = regret[row], level, weight[row] / trainings
        # The chance that the row's answer is above this one or tied with it and met later.
        value = ordered[row, below][:, None]
        under = (ordered[row] < value).sum(axis=1) + (ordered[row] == value).sum(axis=1) / 2
        self._above, self._spelled = 1 - under / trainings, weight[row]
        # Past an answer its row has one more training below: it changes its kind.
        size = seen.shape[1] + 2
        old = (weight[row] * size + trainings) * size + below
        kinds, kind = np.unique(np.concatenate([old, old + 1]), return_inverse=True)
        counts = np.zeros((len(values) + 1, len(kinds)), dtype=np.int64)
        np.add.at(counts, (level + 1, kind[len(row) :]), 1)
        np.add.at(counts, (level + 1, kind[: len(row)]), -1)
        counts = np.cumsum(counts, axis=0)
        rest, past = np.divmod(kinds, size)
        spellings, trained = np.divmod(rest, size)
        sure, open_ = past == trained, (past > 0) & (past < trained)
        # How many spellings are below each edge: surely, and by the kinds that may be.
        self._surely = counts[:, sure] @ spellings[sure]
        self._counts, self._weights = counts[:, open_], spellings[open_]
        self._chance = past[open_] / trained[open_]

    def _not_below(self, edges: slice) -> tuple[NDArray[np.int64], Floats]:
        """W at these edges: (edges, m) numbers of spellings and (edges, m) their chances."""
        certain = self.spellings - self._surely[edges]
        counts, weights, chance = self._counts[edges], self._weights, self._chance
        if not counts.any():
            return certain[:, None], np.ones((len(certain), 1))
        mean = counts @ (weights * chance)
        spread = np.sqrt((counts @ (weights**2 * chance * (1 - chance))).max())
        most = int((counts @ weights).max())
        half = min(most, int(10 * spread) + int(weights.max()) + 2)
        size = 2 * half + 1  # odd: at half a turn a chance of 1/2 has no logarithm
        first = np.floor(mean).astype(np.int64) - half
        turn = 2j * np.pi * np.arange(half + 1) / size
        log = np.log(1 - chance[:, None] + chance[:, None] * np.exp(-turn * weights[:, None]))
        spectrum = np.exp(counts @ log + first[:, None] * turn)
        chances = np.maximum(np.fft.irfft(spectrum, n=size, axis=1), 0.0)
        below = first[:, None] + np.arange(size)
        return np.clip(certain[:, None] - below, 0, self.spellings), chances

    def _survival(self, queries: int) -> Floats:
        """(spellings + 1,) chance that n queries meet only the W spellings not below."""
        left = np.arange(self.spellings + 1)
        if self.replace:
            found: Floats = (left / self.spellings) ** queries
            return found
        from scipy.special import gammaln

        some = left >= queries
        logs = gammaln(left + 1.0) - gammaln(np.maximum(left - queries, 0) + 1.0)
        return np.where(some, np.exp(logs - logs[-1]), 0.0)

    def chances(self, queries: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(n, answers + 1): the chance that n queries see nothing below each edge.

        There is an edge before each different answer, in increasing order, and one behind the
        last: there stands the chance that every training failed.

        Raises:
            ValueError: if a number of queries is less than 1, or more than there is to draw.
        """
        asked = np.asarray(queries, dtype=np.int64)
        most = np.inf if self.replace else self.spellings
        if asked.ndim != 1 or (asked < 1).any() or (asked > most).any():
            raise ValueError(f"queries: expected numbers from 1 to {most:g}, got {queries}")
        edges = len(self._surely)
        found = np.zeros((len(asked), edges))
        if self.redraw:
            mean = self._surely + self._counts @ (self._weights * self._chance)
            return (1 - mean / self.spellings) ** asked[:, None]  # type: ignore[no-any-return]
        tables = {int(n): self._survival(int(n)) for n in asked}
        alive = np.arange(len(asked))
        for start in range(0, edges, 256):
            part = slice(start, start + 256)
            left, chances = self._not_below(part)
            for i in alive:
                found[i, part] = np.einsum("em,em->e", tables[int(asked[i])][left], chances)
            alive = alive[found[alive, part][:, -1] > _GONE]
            if not len(alive):
                break
        return found

    def _met(self, queries: Sequence[int] | NDArray[np.int64]) -> Iterator[Floats]:
        """For each number of queries, (answers,) the chance of each to be the incumbent's."""
        mean = self._surely + self._counts @ (self._weights * self._chance)
        left = np.maximum(self.spellings - mean, 1.0)[self._level]
        for n, edges in zip(queries, self.chances(queries), strict=True):
            mass = np.maximum(edges[:-1] - edges[1:], 0.0)
            # Of answers that are tied, a row that is mostly above this one gains less by being
            # drawn: the chance is tilted by what one spelling more or less does to it.
            tilt = np.expm1(np.minimum((n - 1) / left * self._spelled, 50.0))
            share = self._share / (1 + (0.0 if self.redraw else self._above) * tilt)
            group = np.bincount(self._level, share)
            yield (mass / mass.sum() / group)[self._level] * share

    def expected(self, queries: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(n,) expected regret after each number of ``queries``, in units of the loss."""
        return np.array([met @ self._regret for met in self._met(queries)])

    def quantiles(
        self, queries: Sequence[int] | NDArray[np.int64], levels: Sequence[float]
    ) -> Floats:
        """(levels, n) the least regret that the run stays at or below with each chance."""
        order = np.argsort(self._regret, kind="stable")
        found = np.empty((len(levels), len(queries)))
        for i, met in enumerate(self._met(queries)):
            reached = np.cumsum(met[order])
            place = np.searchsorted(reached, np.asarray(levels) * reached[-1] * (1 - 1e-12))
            found[:, i] = self._regret[order[np.minimum(place, len(order) - 1)]]
        return found

    @cached_property
    def _curve(self) -> tuple[Floats, Floats]:
        """Expected regret from one query to a hundred times the table, for `worth`."""
        last = self.spellings * (100 if self.replace else 1)
        grid = np.unique(np.geomspace(1, last, 160).round().astype(np.int64))
        # With noise more queries can lead to luckier, worse ones: the first time counts.
        return np.log(grid), np.minimum.accumulate(self.expected(grid))

    def worth(self, regret: ArrayLike) -> Floats:
        """How many random queries have this expected regret; the same shape as ``regret``.

        Between the points of a fine grid the curve is read off along the logarithm of the
        queries. Less than one query counts as 0; a regret that random search does not expect to
        reach at all (within the table, or a hundred times its size with replacement) is ``inf``.
        """
        asked = np.asarray(regret, dtype=float)
        log, expected = self._curve
        found = np.exp(np.interp(-asked, -expected, log))
        # Where the curve is level, the first point with that value counts.
        first = np.searchsorted(-expected, -asked)
        exact = expected[np.minimum(first, len(log) - 1)] == asked
        found = np.where(exact, np.exp(log[np.minimum(first, len(log) - 1)]), found)
        found = np.where(asked > expected[0], 0.0, np.where(asked < expected[-1], np.inf, found))
        return np.where(np.isnan(asked), np.nan, found)
