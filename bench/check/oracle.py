"""The checks of a task's oracle, by asking it. Each raises `CheckFailed` or returns a remark.

What is compared with the task's table is left out for a task that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import isfinite, isnan
from random import Random
from typing import Any

import numpy as np

from ...spaces import Arch, Table
from .._base.errors import CheckFailed, InvalidProposal
from ..core.task import Task
from ..core.types import Oracle, Query

FEW = 30


def _archs(task: Task, seed: int = 0) -> list[Arch]:
    """Some architectures, no network twice."""
    rng, space = Random(seed), task.space
    drawn = (space.sample(rng) for _ in range(4 * FEW))
    return list({space.canonical(a): a for a in drawn}.values())[:FEW]


def _oracle(task: Task, seed: int = 0, **more: str) -> Oracle:
    return task.oracle(Random(seed), **more)


def _expect(kept: bool, expected: str, came: object) -> None:
    if not kept:
        raise CheckFailed(expected, str(came))


def answers_are_complete(task: Task) -> None:
    """The query comes back filled in, with a loss an objective, a cost, no NaN."""
    oracle = _oracle(task)
    for arch in _archs(task):
        answer = oracle.evaluate(arch)
        query, losses, seconds = answer.observation
        _expect(query.arch == arch, f"the answer for {arch!r}", query)
        _expect(
            query.epochs == task.problem.epochs[-1], "all epochs for a bare architecture", query
        )
        _expect(query.replica is not None, "the training seed filled in", query)
        _expect(len(losses) == len(task.objectives), f"losses of {task.objectives}", losses)
        _expect(not any(map(isnan, losses)), "inf for what failed, never NaN", losses)
        _expect(isfinite(seconds) and seconds > 0, "seconds above 0", seconds)
        _expect(answer.cost == seconds, "the whole training charged the first time", answer)
        _expect(answer.epochs == query.epochs, "all epochs charged the first time", answer)


def same_stream_same_answers(task: Task) -> None:
    """Two oracles with streams from one seed answer alike, whatever was asked before elsewhere."""
    first, second = _oracle(task, 7), _oracle(task, 7)
    for arch in _archs(task):
        a, b = first.evaluate(arch).observation, second.evaluate(arch).observation
        _expect(a == b, f"{a} from both", b)


def refuses_what_is_none(task: Task) -> None:
    """What names no architecture, or epochs that are not known, is an `InvalidProposal`."""
    arch, oracle = task.space.simplest(), _oracle(task)
    unknown = task.problem.epochs[-1] + 1
    wrong: tuple[Any, ...] = ((*arch, 0), (99, *arch[1:]), Query(arch, unknown), Query(arch, 0), 7)
    for proposal in wrong:
        try:
            answer = oracle.evaluate(proposal)
        except InvalidProposal:
            continue
        raise CheckFailed(f"InvalidProposal for {proposal!r}", repr(answer.observation))


def cost_grows_with_epochs(task: Task) -> str:
    """More epochs take more seconds, from epoch 0 on."""
    for arch in _archs(task):
        before, oracle = 0.0, _oracle(task)
        for epochs in task.problem.epochs:
            seconds = oracle.evaluate(Query(arch, epochs)).observation.seconds
            _expect(
                seconds > before,
                f"more than the {before:g} s of fewer epochs for {arch!r} at {epochs}",
                f"{seconds:g} s",
            )
            before = seconds
    return "" if len(task.problem.epochs) > 1 else "it answers at one number of epochs only"


def resume_adds_up(task: Task) -> str:
    """Going on costs the increment: steps add up to what the last epochs cost at once."""
    for arch in _archs(task):
        oracle = _oracle(task)
        steps = [oracle.evaluate(Query(arch, epochs)) for epochs in task.problem.epochs]
        last = steps[-1].observation
        replicas = {step.observation.query.replica for step in steps}
        _expect(len(replicas) == 1, f"one training of {arch!r} to go on", f"seeds {replicas}")
        whole = sum(step.cost for step in steps)
        same = abs(whole - last.seconds) <= 1e-9 * last.seconds
        _expect(same, f"steps that add up to {last.seconds!r} s for {arch!r}", f"{whole!r} s")
        epochs = sum(step.epochs for step in steps)
        _expect(epochs == last.query.epochs, f"{last.query.epochs} epochs charged", epochs)
        at_once = _oracle(task).evaluate(Query(arch, None, last.query.replica)).observation
        _expect(at_once == last, f"the same in steps as at once: {at_once}", last)
    return "" if len(task.problem.epochs) > 1 else "it answers at one number of epochs only"


def repeats_are_charged_as_agreed(task: Task) -> None:
    """``charge``: the same again, at full price. ``free``: the same again, for nothing."""
    for arch in _archs(task):
        for policy in ("charge", "free"):
            oracle = _oracle(task, duplicates=policy)
            first, again = oracle.evaluate(arch), oracle.evaluate(arch)
            same = first.observation == again.observation
            _expect(same, f"{first.observation} again ({policy})", again.observation)
            price = (0.0, 0) if policy == "free" else (first.cost, first.epochs)
            paid = (again.cost, again.epochs)
            _expect(paid == price, f"{price} charged for a repeat ({policy})", paid)


def validation_is_not_test(task: Task) -> str:
    """Answers come from the validation column, and the test column is another one."""
    table = _table(task)
    if table is None or "test" not in table.columns:
        return "it has no test column"
    validation, test = table.columns["validation"], table.columns["test"]
    apart = not np.shares_memory(validation, test)
    _expect(apart, "a test column of its own", "the validation column under another name")
    known = np.isfinite(validation) & np.isfinite(test)
    alike = float((validation[known] == test[known]).mean()) if known.any() else 0.0
    _expect(alike < 0.5, "test values that differ from validation", f"{alike:.0%} are equal")
    for arch in _archs(task):
        answer = _oracle(task).evaluate(arch)
        place = np.array([answer.place])
        wanted = float(task.values("validation", place)[0])
        got = answer.observation.losses[0]
        right = got == wanted or isnan(wanted)
        _expect(right, f"the validation loss {wanted!r} for {arch!r}", repr(got))
    return ""


def replicas_differ(task: Task) -> str:
    """Where several training seeds are recorded, they differ, and each of them is drawn."""
    table = _table(task)
    if table is None or table.replicas < 2:
        return "it has one training seed"
    losses = table.columns["validation"][:, -1]
    several = np.isfinite(losses).sum(axis=1) > 1
    differ = float((np.nanmax(losses[several], 1) > np.nanmin(losses[several], 1)).mean())
    _expect(differ > 0.5, "training seeds with losses of their own", f"in {differ:.0%} of rows")
    # 64 draws from 2 or 3 seeds leave one out with a chance below 2e-11 an architecture.
    for arch in _archs(task)[:5]:
        oracle = _oracle(task, duplicates="resample")
        drawn = {oracle.evaluate(arch).observation.query.replica for _ in range(64)}
        known = set(task.replicas(int(table.row_of[task.space.index(arch)])))
        _expect(drawn == known, f"each training seed of {sorted(known)} for {arch!r}", drawn)
    return ""


def mean_is_the_mean(task: Task) -> str:
    """With ``noise="mean"`` it answers the average over the training seeds."""
    table = _table(task)
    if table is None:
        return "it has no table"
    for arch in _archs(task):
        got = _oracle(task, noise="mean").evaluate(arch).observation.losses[0]
        wanted = float(task.truth("validation")[table.row_of[task.space.index(arch)]])
        right = abs(got - wanted) <= 1e-9 * abs(wanted) or isnan(wanted)
        _expect(right, f"the average {wanted!r} for {arch!r}", repr(got))
    return ""


def proxies_are_numbers(task: Task) -> str:
    """What is known without training is a number for every architecture, always the same."""
    for name, proxy in task.problem.proxies.items():
        for arch in _archs(task):
            value = proxy(arch)
            same = isinstance(value, float) and (value == proxy(arch) or isnan(value))
            _expect(same, f"{name} of {arch!r} to be one float", repr(value))
    return ", ".join(task.problem.proxies) or "it has no proxy"


def _table(task: Task) -> Table | None:
    table: Table | None = getattr(task, "table", None)
    return table


RULES: tuple[Callable[[Task], str | None], ...] = (
    answers_are_complete,
    same_stream_same_answers,
    refuses_what_is_none,
    cost_grows_with_epochs,
    resume_adds_up,
    repeats_are_charged_as_agreed,
    validation_is_not_test,
    replicas_differ,
    mean_is_the_mean,
    proxies_are_numbers,
)


def rules(task: Task) -> Iterator[tuple[str, str, Callable[[], str | None]]]:
    """Name, place and call of every check of the task's oracle."""
    for rule in RULES:
        yield rule.__name__, task.id, partial(rule, task)
