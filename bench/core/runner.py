"""The runner: moves one strategy and one oracle along a simulated clock until the budget is spent.

A run is a pure function of (task, strategy, settings, seed): only the thinking time that is
recorded beside it is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from itertools import accumulate
from math import inf
from random import Random
from time import perf_counter
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from .._base.errors import ExperimentError, NasarenaError, RunFailed
from .contracts import SupportsMeasuredProxies, Task, supernets_of
from .supernet_clock import BudgetSpent, ChargingOracle, Search
from .types import Answer, Oracle, Strategy, StrategyFactory

MAX_FREE_REPEATS = 10_000
"""So many free duplicates in a row end a run: it would never spend its budget."""


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one run; the first one met ends it.

    ``queries`` and ``epochs`` count what is charged; ``seconds`` are simulated, on the clock.
    """

    queries: Annotated[int, Meta(ge=1)] | None = None
    epochs: Annotated[int, Meta(ge=1)] | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        limits = {"queries": self.queries, "epochs": self.epochs, "seconds": self.seconds}
        if all(limit is None for limit in limits.values()):
            raise ExperimentError("the budget needs a limit: queries, epochs or seconds")
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise ExperimentError(f"budget.{name}: expected more than 0, got {limit!r}")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that it sets, by name."""
        return {name: limit for name, limit in structs.asdict(self).items() if limit is not None}

    def __str__(self) -> str:
        return " or ".join(f"{limit:g} {name}" for name, limit in self.limits.items())


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """What all runs of an experiment have in common.

    Args:
        budget: of each run.
        workers: simulated ones, that train at once.
        noise: ``"sampled"`` or ``"mean"``; see `TableOracle`.
        duplicates: ``"charge"``, ``"free"`` or ``"resample"``; see `TableOracle`.
        seed: of the experiment; all random streams depend on it.
        lanes: whether strategies run all seeds of a unit at once where they can.
    """

    budget: Budget
    workers: int = 1
    noise: str = "sampled"
    duplicates: str = "charge"
    seed: int = 0
    lanes: bool = False


class Run:
    """The record of one run: its answered queries, in order of completion.

    ``answers`` and ``thinking`` (real seconds) have one entry a query; lists and not a list of
    tuples, because the garbage collector would walk through every tuple. ``times`` holds the
    queries' start and finish, seconds on the simulated clock, where several workers overlap. A
    lone worker is never idle, so that its times follow from what the answers cost.
    """

    __slots__ = ("answers", "thinking", "times")

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.thinking: list[float] = []
        self.times: tuple[list[float], list[float]] | None = None

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def start(self) -> list[float]:
        """When each query was begun, in seconds on the simulated clock."""
        return self.times[0] if self.times else [0.0, *self.finish][: len(self)]

    @property
    def finish(self) -> list[float]:
        """When each query was answered, in seconds on the simulated clock."""
        return self.times[1] if self.times else list(accumulate(a.cost for a in self.answers))


def stream(experiment_seed: int, task_id: str, seed: int, role: str) -> Random:
    """The random stream of ``role`` ("strategy" or "oracle") in one run.

    It does not depend on the strategy: runs of two strategies with one seed are a pair.
    """
    name = f"{experiment_seed}/{task_id}/{seed}/{role}".encode()
    return Random(int.from_bytes(hashlib.sha256(name).digest()[:16]))


def check_capabilities(factory: StrategyFactory, label: str, task: Task, workers: int) -> None:
    """Compare what the strategy declares with what the run asks of it.

    Raises:
        ExperimentError: naming the capability that is missing.
    """
    if workers > 1 and not factory.info.asynchronous:
        raise ExperimentError(
            f"strategy {label!r} is sequential (it wants each answer before its next question): "
            f"it cannot use workers = {workers}; set workers = 1 or leave it out"
        )
    objectives = task.problem.objectives
    if len(objectives) > 1 and not factory.info.multi_objective:
        raise ExperimentError(
            f"strategy {label!r} minimizes one objective, {task.id} has {len(objectives)}: "
            f"{', '.join(objectives)}"
        )
    if factory.info.weight_sharing:
        if supernets_of(task) is None:
            raise ExperimentError(
                f"strategy {label!r} needs weight sharing, {task.id} has no supernet; "
                "docs/live.md says which tasks do"
            )
        if workers > 1:
            raise ExperimentError(
                f"strategy {label!r} trains one supernet: it cannot use workers = {workers}; "
                "set workers = 1 or leave it out"
            )


def run(
    strategy: Strategy,
    oracle: Oracle,
    budget: Budget,
    *,
    workers: int = 1,
    record: Run | None = None,
    now: Callable[[], float] = perf_counter,
) -> Run:
    """Run ``strategy`` against ``oracle`` with asynchronous simulated workers.

    Returns ``record`` (a new one, if none is given) with the answered queries in order of
    completion (ties: in order of asking). Ends when a limit of the budget is met or the
    strategy has nothing more to ask. An answer that would arrive after ``budget.seconds`` is
    neither told nor recorded. ``now`` is the clock by which a lone worker's thinking is measured.
    """
    record = Run() if record is None else record
    if workers == 1:
        try:
            _run_alone(strategy, oracle, budget, record, now)
        except BudgetSpent:  # while it was told of the last answer
            record.thinking.extend([0.0] * (len(record) - len(record.thinking)))
    else:
        _run_workers(strategy, oracle, budget, workers, record)
    return record


def _run_alone(
    strategy: Strategy, oracle: Oracle, budget: Budget, record: Run, now: Callable[[], float]
) -> None:
    """One worker: what `_run_workers` does, without a queue.

    A hot loop: what can be known after the run (the times, where no deadline asks for them) is
    left for then.
    """
    ask: Callable[[], Any] = strategy.ask
    tell, evaluate = strategy.tell, oracle.evaluate
    answers, thinking = record.answers, record.thinking
    queries, epochs_left = budget.queries or inf, budget.epochs or inf
    deadline = budget.seconds or inf
    limited = budget.epochs is not None or budget.seconds is not None
    clock, asked, repeats = 0.0, 0, 0
    told = now()
    while asked < queries:
        proposal = ask()
        decided = now()
        if proposal is None:
            break
        answer = evaluate(proposal)
        if answer.epochs:
            asked += 1
            repeats = 0
        else:
            repeats = _one_more(repeats)
        if limited:
            epochs_left -= answer.epochs
            clock += answer.cost
            if epochs_left < 0 or clock > deadline:
                break
        answers.append(answer)
        arrived = now()
        tell(answer.observation)
        begin, told = told, now()
        thinking.append(decided - begin + told - arrived)


def _one_more(repeats: int) -> int:
    if repeats == MAX_FREE_REPEATS:
        raise RunFailed(f"it proposed {repeats + 1} free duplicates in a row")
    return repeats + 1


def _run_workers(
    strategy: Strategy, oracle: Oracle, budget: Budget, workers: int, record: Run
) -> None:
    queries, epochs_left = budget.queries or inf, budget.epochs or inf
    deadline = budget.seconds or inf
    start, finish = record.times = [], []
    under_way: list[tuple[float, int, float, Answer, float]] = []
    clock, order, asked, repeats, open_ = 0.0, 0, 0, 0, True
    while True:
        while open_ and asked < queries and len(under_way) < workers:
            begin = perf_counter()
            proposal = strategy.ask()
            thinking = perf_counter() - begin
            if proposal is None:
                open_ = bool(under_way)
                break
            answer = oracle.evaluate(proposal)
            if answer.epochs:
                asked += 1
                repeats = 0
                epochs_left -= answer.epochs
                open_ = epochs_left >= 0
                if not open_:
                    break
            else:
                repeats = _one_more(repeats)
            order += 1
            heappush(under_way, (clock + answer.cost, order, clock, answer, thinking))
        if not under_way:
            return
        clock, _, begun, answer, thinking = heappop(under_way)
        if clock > deadline:
            return
        record.answers.append(answer)
        start.append(begun)
        finish.append(clock)
        begin = perf_counter()
        strategy.tell(answer.observation)
        record.thinking.append(thinking + perf_counter() - begin)


def run_seed(
    task: Task,
    factory: StrategyFactory,
    settings: dict[str, Any],
    seed: int,
    budget: Budget,
    *,
    label: str = "strategy",
    experiment_seed: int = 0,
    workers: int = 1,
    noise: str = "sampled",
    duplicates: str = "charge",
    run_key: str | None = None,
) -> Run:
    """One run from its seed index: makes the strategy and the oracle, each with its own stream.

    ``run_key`` is what a supernet's checkpoints are called; without one none are kept.

    Raises:
        RunFailed: if the strategy raises or proposes what cannot be answered; the message names
            strategy, task, seed and step, its cause is the original error.
    """
    oracle_stream = stream(experiment_seed, task.id, seed, "oracle")
    oracle: Oracle = task.oracle(oracle_stream, noise=noise, duplicates=duplicates)
    where = f"strategy {label!r} on {task.id}, seed {seed}"
    problem, now, record = task.problem, perf_counter, Run()
    supernets = supernets_of(task) if factory.info.weight_sharing else None
    measured = task.measured_proxies if isinstance(task, SupportsMeasuredProxies) else None
    if supernets is not None or measured is not None:
        # With several workers the deadline is for the queue to keep.
        search = Search(budget.seconds if workers == 1 else None)
        oracle, now = ChargingOracle(oracle, search), search.now
    if supernets is not None:
        problem = replace(problem, supernet=supernets(search, run_key))
    if measured is not None:
        problem = replace(problem, proxies=measured(search))
    try:
        strategy = factory(problem, stream(experiment_seed, task.id, seed, "strategy"), **settings)
    except BudgetSpent:
        return record
    except Exception as error:
        raise RunFailed(f"{where}, while it was made: {_in_words(error)}") from error
    try:
        return run(strategy, oracle, budget, workers=workers, record=record, now=now)
    except Exception as error:
        raise RunFailed(f"{where}, after step {len(record)}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    if isinstance(error, NasarenaError):
        return str(error)
    return f"{type(error).__name__}: {error}"
