"""The checks of a strategy. Each raises `CheckFailed`, or returns a remark (most often none).

Which of them apply follows from what the strategy declares, never from what it is called.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from math import inf, nan
from time import perf_counter
from typing import Any

from .._base.errors import CheckFailed, ExperimentError
from ..core import runner
from ..core.contracts import Task, supernets_of
from ..core.runner import stream
from ..core.types import Observation, Proposal, Query, StrategyInfo
from . import access, reproducible
from .tasks import small
from .tasks import task as task_of
from .trial import Failing, Trial, proposals, told

WORKERS = (1, 2, 3, 5, 8, 16)
NO_TORCH = 'supernets need torch: pip install "nasarena[live]"'

# What it proposes.


def proposes_valid_architectures(trial: Trial, task_id: str) -> str:
    """Every proposal is an architecture of the space, at epochs that the task knows."""
    task = task_of(task_id)
    if trial.info.weight_sharing and supernets_of(task) is None:
        return "it has no supernet, which this strategy needs"
    refusal = trial.refusal(task)
    if refusal is not None:
        if task_id == "small/plain":
            raise CheckFailed("a strategy that works on a space without conditions", refusal)
        return f"it refuses this space: {refusal}"
    events = trial.run(task)
    if not told(events):
        raise CheckFailed("proposals", "none: its first answer was None, which ends the run")
    return ""


def asks_for_full_epochs(trial: Trial) -> None:
    """Without multi_fidelity declared it asks for all epochs, on a task that offers fewer too."""
    full = trial.task.problem.epochs[-1]
    for step, proposal in enumerate(proposals(trial.plain), 1):
        if isinstance(proposal, Query) and proposal.epochs not in (None, full):
            raise CheckFailed(
                "all epochs: it does not declare multi_fidelity",
                f"query {step} asks for {proposal.epochs} of {full} epochs",
            )


def names_no_training_seed(trial: Trial) -> None:
    """A query names the training seed that it goes on with, and no other."""
    known: set[tuple[Any, int | None]] = set()
    for _, value in trial.plain:
        if isinstance(value, Observation):
            known.add((value.query.arch, value.query.replica))
            continue
        if not isinstance(value, Query) or value.replica is None:
            continue
        if (value.arch, value.replica) not in known:
            raise CheckFailed(
                "replica=None, or that of an earlier answer for the same architecture",
                f"{value} for an architecture that never had that training seed",
            )


# What it must survive.


def _survives(trial: Trial, every: int, loss: float) -> None:
    plain = told(trial.plain)
    failing = told(trial.run(oracle=lambda oracle: Failing(oracle, every, loss)))
    if failing < plain:
        raise CheckFailed(
            f"{plain} queries, as without failures", f"the search ended after {failing}"
        )


def survives_failures(trial: Trial) -> None:
    """Every third training fails (loss inf): the search goes on."""
    _survives(trial, 3, inf)


def survives_nan(trial: Trial) -> None:
    """Every third loss is NaN: the search goes on."""
    _survives(trial, 3, nan)


def survives_failures_alone(trial: Trial) -> None:
    """Every training fails: the search goes on."""
    _survives(trial, 1, inf)


def works_with_many_workers(trial: Trial) -> None:
    """With 1, 2, 3, 5, 8 and 16 workers it gets through as many queries."""
    alone = told(trial.plain)
    for workers in WORKERS[1:]:
        try:
            count = told(trial.run(workers=workers))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise CheckFailed(f"a run with workers = {workers}", said) from error
        if count < alone:
            raise CheckFailed(
                f"{alone} queries with workers = {workers}, as with one",
                f"it stops after {count}: ask gave None with nothing under way",
            )


def takes_answers_in_any_order(trial: Trial) -> None:
    """Up to 16 queries at once, whose answers come last in, first out."""
    strategy = trial.watched(trial.task)
    oracle = trial.task.oracle(stream(0, trial.task.id, 0, "oracle"))
    while told(strategy.events) < trial.limits.queries:
        batch: list[Proposal] = []
        while len(batch) < 16 and (proposal := strategy.ask()) is not None:
            batch.append(proposal)
        if not batch:
            break
        for proposal in reversed(batch):
            strategy.tell(oracle.evaluate(proposal).observation)


def takes_several_losses(trial: Trial) -> None:
    """It declares multi_objective, and works on two and three objectives."""
    for objectives in (("latency",), ("latency", "energy")):
        task = small(trial.task.dataset, *objectives)
        if not told(trial.run(task)):
            raise CheckFailed(f"proposals on {task.id}", "none")


# What the runner must refuse it.


def _refused(trial: Trial, task: Task, workers: int, expected: str) -> None:
    try:
        runner.check_capabilities(trial.factory, trial.name or "strategy", task, workers)
    except ExperimentError:
        return
    raise CheckFailed(expected, "the runner lets it take part")


def refused_several_workers(trial: Trial) -> None:
    """It does not declare asynchronous: the runner gives it one worker."""
    _refused(trial, trial.task, 2, "a refusal of workers = 2")


def refused_several_objectives(trial: Trial) -> None:
    """It does not declare multi_objective: the runner refuses it several."""
    task = small(trial.task.dataset, "latency")
    _refused(trial, task, 1, f"a refusal of the two objectives of {task.id}")


def refused_without_supernet(trial: Trial) -> str:
    """It declares weight_sharing: the runner refuses it tasks that have no supernet."""
    _refused(trial, small("plain"), 1, "a refusal of a task without a supernet")
    return "" if find_spec("torch") else f"no other check: {NO_TORCH}"


# What it may spend.


def bounded_thinking_time(trial: Trial) -> str:
    """The thinking time of a long run, on average over its queries."""
    begin = perf_counter()
    count = told(trial.run(queries=trial.limits.long))
    each = (perf_counter() - begin) / max(count, 1)
    if each > trial.limits.seconds:
        raise CheckFailed(
            f"at most {trial.limits.seconds:g} s a query over {count} queries", f"{each:.3g} s"
        )
    return f"{each * 1e3:.3g} ms a query over {count} queries"


def bounded_memory(trial: Trial) -> str:
    """What a long run allocates at its height in Python and NumPy."""
    trial.run(queries=2)  # what is imported and kept by libraries is not the run's
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        count = told(trial.run(queries=trial.limits.long))
        peak = (tracemalloc.get_traced_memory()[1] - before) / 2**20
    finally:
        if started:
            tracemalloc.stop()
    if peak > trial.limits.megabytes:
        raise CheckFailed(
            f"at most {trial.limits.megabytes:g} MiB over {count} queries", f"{peak:.0f} MiB"
        )
    return f"{peak:.1f} MiB at most over {count} queries"


# Which apply.

Rule = tuple[Callable[[Trial], str | None], Callable[[StrategyInfo], bool]]


def _always(info: StrategyInfo) -> bool:
    return True


RULES: tuple[Rule, ...] = (
    (reproducible.same_seed_same_run, _always),
    (reproducible.same_run_in_another_process, _always),
    (reproducible.keeps_instances_apart, _always),
    (reproducible.resumes_by_replay, _always),
    (access.no_other_randomness, _always),
    (access.no_clock, _always),
    (access.no_files, _always),
    (access.no_network, _always),
    (access.asks_no_table, _always),
    (access.holds_no_table, _always),
    (access.ignores_test_data, _always),
    (asks_for_full_epochs, lambda info: not info.multi_fidelity),
    (names_no_training_seed, _always),
    (survives_failures, _always),
    (survives_nan, _always),
    (survives_failures_alone, _always),
    (works_with_many_workers, lambda info: info.asynchronous),
    (takes_answers_in_any_order, lambda info: info.asynchronous),
    (refused_several_workers, lambda info: not info.asynchronous),
    (takes_several_losses, lambda info: info.multi_objective),
    (refused_several_objectives, lambda info: not info.multi_objective),
    # What supernets take is charged, and no thinking time.
    (bounded_thinking_time, lambda info: not info.weight_sharing),
    (bounded_memory, _always),
)


def rules(
    trial: Trial, task_ids: Iterable[str]
) -> Iterator[tuple[str, str, Callable[[], str | None]]]:
    """Name, place and call of every check that applies to the strategy."""
    if trial.info.weight_sharing:
        name = refused_without_supernet.__name__
        yield name, "small/plain", partial(refused_without_supernet, trial)
        if not find_spec("torch"):
            return  # there is nothing that it could be run on
    for task_id in task_ids:
        check = proposes_valid_architectures
        yield check.__name__, task_id, partial(check, trial, task_id)
    for rule, applies in RULES:
        if rule is reproducible.same_run_in_another_process and trial.name is None:
            continue  # no other process could find it
        if applies(trial.info):
            yield rule.__name__, "the small tasks", partial(rule, trial)
