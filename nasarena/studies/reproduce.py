"""Replays a published comparison and says whether it comes out as published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bench._base.errors import UnknownName
from ..bench.core.runner import Run, run_seed
from ..bench.core.task import TableTask
from ..bench.experiment import registry
from ..bench.experiment.published import PROTOCOLS, Figure, Player, Protocol, Score
from ..bench.store.store import write_text
from ..spaces import Arch, Column, SearchSpace, Table, library
from ..spaces.table import Benchmark

LEVEL = 1.96
"""Standard errors on either side of a mean: an interval of 95 %."""

AGREES, DIFFERS, MISSING, SHOWN = "agrees", "differs", "cannot be run", "no published figure"


@dataclass(frozen=True)
class Verdict:
    """One strategy in one score: ours, with its 95 % interval, beside what was published."""

    strategy: str
    score: str
    runs: int
    mean: float
    deviation: float
    low: float
    high: float
    published: Figure | None
    state: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def tables(protocol: Protocol) -> dict[str, str]:
    """The hash of each table that a protocol reads."""
    tasks = dict.fromkeys([protocol.task, *(s.task for s in protocol.scores if s.task)])
    return {task: registry.table_task(task).table.hash for task in tasks}


def keep(protocol: Protocol, verdicts: list[Verdict]) -> None:
    """Remember what came of a protocol, for `state`."""
    place = _kept(protocol)
    found = {"tables": tables(protocol), "verdicts": [verdict.to_json() for verdict in verdicts]}
    write_text(place, json.dumps(found, indent=1))


def _kept(protocol: Protocol) -> Path:
    return library.home() / ".reproduced" / f"{protocol.name}.json"


def state(protocol: Protocol) -> str:
    """Where a protocol stands: what came of it when it was last run on the tables that are there,
    or which file is missing."""
    gone = missing(protocol)
    if gone:
        return f"{MISSING}: {', '.join(gone)} is missing; nasarena data import {protocol.needs}"
    try:
        found = json.loads(_kept(protocol).read_text(encoding="utf-8"))
        fresh = found["tables"] == tables(protocol)
        states = [verdict["state"] for verdict in found["verdicts"]]
        runs = found["verdicts"][0]["runs"]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return "can be run"
    if not fresh:
        return "can be run"
    if DIFFERS in states:
        count = states.count(DIFFERS)
        return f"{DIFFERS} in {count} of {len(states)} figures ({runs} runs)"
    return f"{AGREES if AGREES in states else SHOWN} ({runs} runs)"


def find(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        UnknownName: if there is none.
    """
    if name not in PROTOCOLS:
        raise UnknownName("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def missing(protocol: Protocol) -> list[str]:
    """The tasks of a protocol that are not there; with none it can be run."""
    wanted = [protocol.task, *(score.task for score in protocol.scores if score.task)]
    there = registry.task_names()
    return [task for task in dict.fromkeys(wanted) if task not in there]


class _Replayed:
    """A benchmark as a protocol sees it: selected by another column, charged for more, or with
    every spelling a network of its own."""

    def __init__(self, benchmark: Benchmark, protocol: Protocol) -> None:
        self._benchmark, self._protocol = benchmark, protocol
        self.name, self.citation = benchmark.name, benchmark.citation
        self.datasets = benchmark.datasets
        self.columns: tuple[Column, ...] = benchmark.columns
        if protocol.select != "validation":
            chosen = {column.name: column for column in benchmark.columns}[protocol.select]
            self.columns = (
                replace(chosen, name="validation"),
                *(c for c in benchmark.columns if c.name != "validation"),
            )

    def space(self, dataset: str) -> SearchSpace:
        space = self._benchmark.space(dataset)
        return SearchSpace(space.name, space.decisions) if self._protocol.plain else space

    def open(self, dataset: str, cache_dir: Path | None = None) -> Table:
        table = self._benchmark.open(dataset, cache_dir)
        columns = dict(table.columns)
        columns["validation"] = columns[self._protocol.select]
        if self._protocol.charge is not None:
            columns["seconds"] = columns["seconds"] + columns[self._protocol.charge]
        return table.with_columns(columns)


def play(
    protocol: Protocol,
    runs: int | None = None,
    progress: Callable[[float], None] = lambda part: None,
) -> Iterator[Verdict]:
    """Run every strategy of a protocol, and compare.

    ``runs`` is the protocol's number if not given. Fewer make the intervals wider.
    """
    runs = protocol.runs if runs is None else runs
    published = registry.table_task(protocol.task)
    benchmark = _Replayed(published.benchmark, protocol)
    task = TableTask(protocol.task, benchmark, published.dataset)
    for number, player in enumerate(protocol.players):
        done = []
        for seed in range(runs):
            done.append(_scores(protocol, task, player, seed))
            progress((number + (seed + 1) / runs) / len(protocol.players))
        for place, score in enumerate(protocol.scores):
            values = np.array([scores[place] for scores in done])
            yield _verdict(protocol, player, score, values)


def _scores(protocol: Protocol, task: TableTask, player: Player, seed: int) -> list[float]:
    record = run_seed(
        task,
        registry.strategy_factory(player.name),
        player.settings,
        seed,
        protocol.budget,
        label=player.label,
        noise=protocol.noise,
    )
    arch = _incumbent(record)
    return [
        float(_queries_to_optimum(record, task, protocol))
        if score.queries_to_optimum
        else _look_up(score, arch)
        for score in protocol.scores
    ]


def _incumbent(record: Run) -> Arch | None:
    """The choice at the end: the least loss among the answers at the most epochs."""
    answers = [answer.observation for answer in record.answers]
    if not answers:
        return None
    best = min(answers, key=lambda seen: (-(seen.query.epochs or 0), seen.losses[0]))
    return best.query.arch


def _look_up(score: Score, arch: Arch | None) -> float:
    if arch is None:
        return float("nan")
    task = registry.table_task(score.task)
    row = int(task.table.row_of[task.space.index(arch)])
    return float(task.table.mean(score.column)[row]) if row >= 0 else float("nan")


def _queries_to_optimum(record: Run, task: TableTask, protocol: Protocol) -> int:
    """Queries until the optimum is asked; all that the budget allows if it never is."""
    truth = task.truth("validation")
    for number, answer in enumerate(record.answers, 1):
        if truth[answer.row] == task.optimum["validation"]:
            return number
    return protocol.budget.queries or len(record)


def _verdict(
    protocol: Protocol, player: Player, score: Score, values: NDArray[np.float64]
) -> Verdict:
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else float("nan")
    deviation = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    error = deviation / sqrt(max(len(known), 1))
    published = next(
        (f for f in protocol.figures if (f.strategy, f.score) == (player.label, score.name)), None
    )
    return Verdict(
        player.label,
        score.name,
        len(known),
        mean,
        deviation,
        mean - LEVEL * error,
        mean + LEVEL * error,
        published,
        state_of(mean, error, published, protocol.published_runs),
    )


def state_of(mean: float, error: float, published: Figure | None, runs: int | None) -> str:
    """Whether two means agree: their difference is within 1.96 standard errors of both.

    ``runs`` is how many runs the published mean is of; where that is not said (None), its whole
    deviation is its error. Half a unit of its last digit is allowed for its rounding, and a figure
    without a deviation counts as exact.
    """
    if published is None:
        return SHOWN
    theirs = (published.deviation or 0.0) / sqrt(runs or 1)
    allowed = LEVEL * sqrt(error**2 + theirs**2) + 0.5 * 10**-published.decimals
    return AGREES if abs(mean - published.mean) <= allowed else DIFFERS
