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

from ...spaces import Arch
from .._base.errors import CheckFailed, InvalidProposal, NasarenaError
from ..core.contracts import Task, facts_of, table_of
from ..core.types import MEAN, Oracle, Query
from .members import RULES as TASK_RULES

FEW = 30
DRAWS = 64
"""So many draws leave one of three training seeds out with a chance below 2e-11."""


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
    oracle, problem = _oracle(task), task.problem
    _expect(oracle.problem == problem, "oracle.problem: that of the task", oracle.problem)
    for arch in _archs(task):
        answer = oracle.evaluate(arch)
        query, losses, seconds = answer.observation
        _expect(isinstance(query, Query), "observation.query: a Query", repr(query))
        _expect(query.arch == arch, f"observation.query: as asked, {arch!r}", query)
        _expect(
            query.epochs == problem.epochs[-1],
            f"observation.query: all {problem.epochs[-1]} epochs for a bare architecture",
            query,
        )
        known = isinstance(query.replica, int)
        _expect(known, "observation.query: the training seed filled in", query)
        one_each = isinstance(losses, tuple) and len(losses) == len(problem.objectives)
        _expect(one_each, f"observation.losses: a tuple, one of {problem.objectives}", losses)
        numbers = all(isinstance(loss, float) and not isnan(loss) for loss in losses)
        _expect(numbers, "observation.losses: floats, inf for what failed, never NaN", losses)
        _expect(isfinite(seconds) and seconds > 0, "observation.seconds: above 0", seconds)
        _expect(answer.cost == seconds, "cost: the whole training the first time", answer)
        _expect(answer.epochs == query.epochs, "epochs: all charged the first time", answer)


def same_stream_same_answers(task: Task) -> None:
    """Two oracles with streams from one seed answer alike, whatever was asked before elsewhere."""
    first, second = _oracle(task, 7), _oracle(task, 7)
    for arch in _archs(task):
        a, b = first.evaluate(arch).observation, second.evaluate(arch).observation
        _expect(a == b, f"{a} from both", b)


def keeps_runs_apart(task: Task) -> None:
    """Two oracles that are asked in turns answer as each does alone."""
    archs = _archs(task)
    alone = _oracle(task, 1)
    expected = [alone.evaluate(arch) for arch in archs]
    one, other = _oracle(task, 1), _oracle(task, 2)
    for arch, before in zip(archs, expected, strict=True):
        other.evaluate(arch)
        answer = one.evaluate(arch)
        _expect(answer == before, f"oracle: {before}, as without another oracle", answer)


def refuses_what_is_none(task: Task) -> None:
    """What names no architecture, epochs or training seed is refused, and changes nothing."""
    arch, oracle, plain = task.space.simplest(), _oracle(task), _oracle(task)
    unknown = task.problem.epochs[-1] + 1
    wrong: tuple[Any, ...] = ((*arch, 0), (99, *arch[1:]), Query(arch, unknown), Query(arch, 0), 7)
    for proposal in (*wrong, Query(arch, None, 10**6)):
        try:
            answer = oracle.evaluate(proposal)
        except InvalidProposal:
            continue
        raise CheckFailed(f"evaluate: InvalidProposal for {proposal!r}", repr(answer.observation))
    expected, answer = plain.evaluate(arch), oracle.evaluate(arch)
    _expect(answer == expected, f"evaluate: {expected}, as without what was refused", answer)


def refuses_unknown_policies(task: Task) -> None:
    """A ``noise`` or ``duplicates`` that it does not have is refused while the oracle is made."""
    for policy in ("noise", "duplicates"):
        try:
            task.oracle(Random(0), **{policy: "unheard-of"})
        except NasarenaError:
            continue
        raise CheckFailed(f"oracle: a NasarenaError for {policy}='unheard-of'", "an oracle")


def gives_the_training_seed_asked_for(task: Task) -> None:
    """A query that names a training seed is answered by that one, always the same."""
    for arch in _archs(task)[:5]:
        drawn = _oracle(task).evaluate(arch).observation
        replica = drawn.query.replica
        for seed in range(3):
            named = _oracle(task, seed).evaluate(Query(arch, None, replica)).observation
            _expect(named == drawn, f"evaluate: {drawn} for training seed {replica}", named)


def cost_grows_with_epochs(task: Task) -> str:
    """More epochs take more seconds, from epoch 0 on."""
    for arch in _archs(task):
        before, oracle = 0.0, _oracle(task)
        for epochs in task.problem.epochs:
            seconds = oracle.evaluate(Query(arch, epochs)).observation.seconds
            _expect(
                seconds > before,
                f"observation.seconds: more than {before:g} for {arch!r} at {epochs} epochs",
                f"{seconds:g} s",
            )
            before = seconds
    return "" if len(task.problem.epochs) > 1 else "it answers at one number of epochs only"


def resume_adds_up(task: Task) -> str:
    """Going on costs the increment: steps add up to what the last epochs cost at once."""
    table = table_of(task)
    if table is not None and not table.table.resumes:
        return "each number of epochs is a training of its own"
    for arch in _archs(task):
        oracle = _oracle(task)
        steps = [oracle.evaluate(Query(arch, epochs)) for epochs in task.problem.epochs]
        last = steps[-1].observation
        replicas = {step.observation.query.replica for step in steps}
        _expect(
            len(replicas) == 1, f"evaluate: one training of {arch!r} to go on", f"seeds {replicas}"
        )
        whole = sum(step.cost for step in steps)
        same = abs(whole - last.seconds) <= 1e-9 * last.seconds
        _expect(same, f"cost: steps that add up to {last.seconds!r} s for {arch!r}", f"{whole!r} s")
        epochs = sum(step.epochs for step in steps)
        _expect(epochs == last.query.epochs, f"epochs: {last.query.epochs} charged", epochs)
        at_once = _oracle(task).evaluate(Query(arch, None, last.query.replica)).observation
        _expect(at_once == last, f"evaluate: the same in steps as at once: {at_once}", last)
    return "" if len(task.problem.epochs) > 1 else "it answers at one number of epochs only"


def repeats_are_charged_as_agreed(task: Task) -> None:
    """``charge``: the same again, at full price. ``free``: the same again, for nothing."""
    for arch in _archs(task):
        for policy in ("charge", "free"):
            oracle = _oracle(task, duplicates=policy)
            first, again = oracle.evaluate(arch), oracle.evaluate(arch)
            same = first.observation == again.observation
            _expect(same, f"evaluate: {first.observation} again ({policy})", again.observation)
            price = (0.0, 0) if policy == "free" else (first.cost, first.epochs)
            paid = (again.cost, again.epochs)
            _expect(paid == price, f"cost and epochs: {price} for a repeat ({policy})", paid)


def resampling_draws_anew(task: Task) -> str:
    """``resample`` draws a training seed at each repeat, and charges it in full."""
    for arch in _archs(task)[:5]:
        oracle = _oracle(task, duplicates="resample")
        answers = [oracle.evaluate(arch) for _ in range(DRAWS)]
        for answer in answers:
            whole = answer.observation.seconds, answer.observation.query.epochs
            paid = answer.cost, answer.epochs
            _expect(paid == whole, f"cost and epochs: {whole} for a training drawn anew", paid)
        drawn = {answer.observation.query.replica for answer in answers}
        known = _replicas(task, arch)
        if known is not None:
            _expect(drawn == known, f"evaluate: each training seed of {known} for {arch!r}", drawn)
    return ""


def _replicas(task: Task, arch: Arch) -> set[int] | None:
    """The training seeds of an architecture; None if they are not known."""
    table = table_of(task)
    if table is not None:
        return set(table.replicas(int(table.table.row_of[task.space.index(arch)])))
    count = facts_of(task).replicas
    return None if count is None else set(range(count))


def spellings_share_what_is_free(task: Task) -> str:
    """With ``free`` repeats another spelling of a network gets its answer, for nothing."""
    space, tried = task.space, 0
    for arch in _archs(task):
        other = space.canonical(arch)
        if other == arch:
            continue
        tried += 1
        oracle = _oracle(task, duplicates="free")
        first, again = oracle.evaluate(arch), oracle.evaluate(other)
        (_, losses, seconds), query = first.observation, again.observation.query
        same = again.observation[1:] == (losses, seconds) and query.arch == other
        _expect(same, f"evaluate: the answer for {arch!r} to {other!r}", again.observation)
        paid = (again.cost, again.epochs)
        _expect(paid == (0.0, 0), "cost and epochs: nothing for another spelling", paid)
    return "" if tried else "every architecture has one spelling"


def validation_is_not_test(task: Task) -> str:
    """Answers come from the validation column, and the test column is another one."""
    found = table_of(task)
    if found is None or "test" not in found.table.columns:
        return "it has no table with a test column"
    validation, test = found.table.columns["validation"], found.table.columns["test"]
    apart = not np.shares_memory(validation, test)
    _expect(apart, "a test column of its own", "the validation column under another name")
    known = np.isfinite(validation) & np.isfinite(test)
    alike = float((validation[known] == test[known]).mean()) if known.any() else 0.0
    _expect(alike < 0.5, "test values that differ from validation", f"{alike:.0%} are equal")
    for arch in _archs(task):
        answer = _oracle(task).evaluate(arch)
        wanted = float(found.values("validation", np.array([answer.place]))[0])
        got = answer.observation.losses[0]
        right = got == wanted or isnan(wanted)
        _expect(right, f"the validation loss {wanted!r} for {arch!r}", repr(got))
    return ""


def replicas_differ(task: Task) -> str:
    """Where several training seeds are recorded, they differ."""
    found = table_of(task)
    if found is None or found.table.replicas < 2:
        return "it has no table with several training seeds"
    losses = found.table.columns["validation"][:, -1]
    several = np.isfinite(losses).sum(axis=1) > 1
    differ = float((np.nanmax(losses[several], 1) > np.nanmin(losses[several], 1)).mean())
    _expect(differ > 0.5, "training seeds with losses of their own", f"in {differ:.0%} of rows")
    return ""


def mean_is_the_mean(task: Task) -> str:
    """With ``noise="mean"`` it answers the average over the training seeds, or refuses to."""
    try:
        _oracle(task, noise="mean")
    except NasarenaError:
        return "it has no averages"
    for arch in _archs(task):
        one, other = (_oracle(task, seed, noise="mean").evaluate(arch) for seed in (0, 1))
        _expect(one == other, f"evaluate: one average for {arch!r}: {one}", other)
        query = one.observation.query
        _expect(query.replica == MEAN, f"observation.query: replica {MEAN} of an average", query)
        wanted, got = _average(task, arch), one.observation.losses[0]
        right = wanted is None or abs(got - wanted) <= 1e-9 * abs(wanted) or isnan(wanted)
        _expect(right, f"evaluate: the average {wanted!r} for {arch!r}", repr(got))
    return ""


def _average(task: Task, arch: Arch) -> float | None:
    """The average over all training seeds; None if these are not known."""
    table, replicas = table_of(task), _replicas(task, arch)
    if table is not None:
        return float(table.truth("validation")[table.table.row_of[task.space.index(arch)]])
    if replicas is None:
        return None
    seen = [_oracle(task).evaluate(Query(arch, None, r)).observation for r in sorted(replicas)]
    losses = [one.losses[0] for one in seen if isfinite(one.losses[0])]
    return sum(losses) / len(losses) if losses else None


def proxies_are_numbers(task: Task) -> str:
    """What is known without training is a number for every architecture, always the same."""
    for name, proxy in task.problem.proxies.items():
        for arch in _archs(task):
            value = proxy(arch)
            same = isinstance(value, float) and (value == proxy(arch) or isnan(value))
            _expect(same, f"problem.proxies: {name} of {arch!r} to be one float", repr(value))
    return ", ".join(task.problem.proxies) or "it has no proxy"


RULES: tuple[Callable[[Task], str | None], ...] = (
    answers_are_complete,
    same_stream_same_answers,
    keeps_runs_apart,
    refuses_what_is_none,
    refuses_unknown_policies,
    gives_the_training_seed_asked_for,
    cost_grows_with_epochs,
    resume_adds_up,
    repeats_are_charged_as_agreed,
    resampling_draws_anew,
    spellings_share_what_is_free,
    validation_is_not_test,
    replicas_differ,
    mean_is_the_mean,
    proxies_are_numbers,
)


def rules(task: Task) -> Iterator[tuple[str, str, Callable[[], str | None]]]:
    """Name, place and call of every check of the task's members, then of its oracle."""
    for rule in (*TASK_RULES, *RULES):
        yield rule.__name__, task.id, partial(rule, task)
