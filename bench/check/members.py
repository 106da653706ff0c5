"""The checks of a task's members beside its oracle; each message begins with the member's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isinf
from random import Random

import numpy as np
from numpy.typing import NDArray

from ...spaces import SearchSpace
from .._base import decoding
from .._base.decoding import DecodeError
from .._base.errors import CheckFailed, UnknownName
from ..core.contracts import (
    SupportsFacts,
    SupportsFailureReasons,
    SupportsMeasuredProxies,
    Task,
    facts_of,
    is_reproducible,
    missing_members,
    process_limit_of,
    supernets_of,
    table_of,
)
from ..core.supernet_clock import Search
from ..core.task_facts import TaskFacts
from ..core.types import Problem, Query
from ..experiment import registry

FEW = 10


def _expect(kept: bool, expected: str, came: object) -> None:
    if not kept:
        raise CheckFailed(expected, str(came))


def _asked(task: Task) -> list[Query]:
    """Queries that an oracle of the task has answered, at the fewest and at the most epochs."""
    rng, oracle = Random(0), task.oracle(Random(0))
    archs = [task.space.sample(rng) for _ in range(FEW)]
    epochs = dict.fromkeys((task.problem.epochs[0], task.problem.epochs[-1]))
    return [oracle.evaluate(Query(a, e)).observation.query for a in archs for e in epochs]


def has_the_required_members(task: Task) -> None:
    """It has every member of `contracts.Task`, and says its id and hash in words."""
    missing = missing_members(task)
    _expect(not missing, "the members of contracts.Task", f"none of {', '.join(missing)}")
    for name in ("id", "hash"):
        value = getattr(task, name)
        words = isinstance(value, str) and value != "" and value == getattr(task, name)
        _expect(words, f"{name}: a text, always the same", f"{value!r}, {getattr(task, name)!r}")
    _expect(isinstance(task.space, SearchSpace), "space: a SearchSpace", repr(task.space))


def problem_is_complete(task: Task) -> None:
    """Its problem has the task's space, increasing epochs, and validation as first objective."""
    problem = task.problem
    _expect(isinstance(problem, Problem), "problem: a Problem", repr(problem))
    same = problem.space is task.space
    _expect(same, "problem.space: the very object that `space` is", problem.space)
    epochs = problem.epochs
    whole = isinstance(epochs, tuple) and all(isinstance(e, int) and e > 0 for e in epochs)
    increasing = whole and bool(epochs) and list(epochs) == sorted(set(epochs))
    _expect(increasing, "problem.epochs: a tuple of whole numbers above 0, increasing", epochs)
    names = problem.objectives
    first = isinstance(names, tuple) and names[:1] == ("validation",)
    _expect(first, "problem.objectives: a tuple that begins with 'validation'", names)
    _expect(len(set(names)) == len(names), "problem.objectives: no name twice", names)


def made_again_is_the_same(task: Task) -> str:
    """A second task of this id has the same hash, facts and answers."""
    try:
        again = registry.new_task(task.id)
    except UnknownName:
        return "no benchmark is known that makes it"
    for name in ("id", "hash"):
        here, there = getattr(task, name), getattr(again, name)
        _expect(here == there, f"{name}: {here!r} whenever it is made", repr(there))
    here, there = facts_of(task), facts_of(again)
    for key in here.__struct_fields__:
        first, second = getattr(here, key), getattr(there, key)
        _expect(first == second, f"facts: {key} {first!r} again", second)
    rng = Random(0)
    for arch in [task.space.sample(rng) for _ in range(FEW)]:
        first = task.oracle(Random(1)).evaluate(arch).observation
        second = again.oracle(Random(1)).evaluate(arch).observation
        _expect(first == second, f"oracle: {first} from a task made anew", second)
    return ""


def reveals_one_truth_a_query(task: Task) -> str:
    """`reveal` gives one number a query and loss, whatever else is asked beside it."""
    queries = _asked(task)
    truth = _revealed(task, queries)
    expected = "reveal: losses 'validation' and perhaps 'test'"
    _expect({"validation"} <= set(truth) <= {"validation", "test"}, expected, [*truth])
    for name, values in truth.items():
        shape = (len(queries),)
        _expect(values.shape == shape, f"reveal: {name!r} of shape {shape}", values.shape)
    known = not np.isnan(truth["validation"]).all()
    _expect(known, "reveal: 'validation' known for some queries", "NaN for all")
    for number, query in enumerate(queries):
        for name, values in _revealed(task, [query]).items():
            wanted = truth[name][number : number + 1]
            alike = np.array_equal(values, wanted, equal_nan=True)
            _expect(alike, f"reveal: {name!r} {wanted} for {query} alone as among others", values)
    return "" if "test" in truth else "it reveals no test losses"


def _revealed(task: Task, queries: list[Query]) -> dict[str, NDArray[np.float64]]:
    found = task.reveal(queries)
    _expect(isinstance(found, Mapping), "reveal: a mapping of losses", repr(found))
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def test_is_not_validation(task: Task) -> str:
    """The test losses that it reveals are not the validation losses under another name."""
    truth = _revealed(task, _asked(task))
    if "test" not in truth or np.isnan(truth["test"]).all():
        return "it reveals no test losses"
    known = np.isfinite(truth["validation"]) & np.isfinite(truth["test"])
    alike = float((truth["validation"][known] == truth["test"][known]).mean()) if known.any() else 0
    _expect(alike < 0.5, "reveal: test losses that differ from validation", f"{alike:.0%} equal")
    return ""


def facts_are_complete(task: Task) -> None:
    """Its facts are of the types that `TaskFacts` says, and agree with its problem."""
    own = task.facts() if isinstance(task, SupportsFacts) else TaskFacts()
    _expect(isinstance(own, TaskFacts), "facts: a TaskFacts", repr(own))
    try:
        back = decoding.decode(decoding.encode(own), TaskFacts)
    except (TypeError, DecodeError) as error:
        raise CheckFailed("facts: what the manifest can hold", str(error)) from error
    _expect(back == own, "facts: the same when read from the manifest", repr(back))
    facts = facts_of(task)
    wanted = list(task.problem.objectives)
    _expect(list(facts.objectives) == wanted, f"facts: objectives {wanted}", facts.objectives)
    epochs = tuple(task.problem.epochs)
    _expect(facts.epochs == epochs, f"facts: epochs {epochs}", repr(facts.epochs))
    _expect(facts.hash == task.hash, f"facts: hash {task.hash!r}", repr(facts.hash))
    for key in ("architectures", "unique", "replicas"):
        count = getattr(facts, key)
        right = count is None or count > 0
        _expect(right, f"facts: {key} as a whole number above 0", repr(count))


def nothing_is_better_than_the_optimum(task: Task) -> str:
    """No truth that it reveals is below the optimum of its facts; there is test data or none."""
    facts, truth = facts_of(task), _revealed(task, _asked(task))
    has_test = "test" in truth and not np.isnan(truth["test"]).all()
    said = facts.test is not None
    _expect(said == has_test, f"facts: test {'a column' if has_test else None}", facts.test)
    remarks = []
    for name, values in truth.items():
        least = facts.optimum.of(name)
        if least is None:
            remarks.append(f"no optimum of {name} is known")
            continue
        lowest = float(np.nanmin(values)) if not np.isnan(values).all() else least
        enough = lowest >= least - 1e-9 * abs(least)
        _expect(
            enough, f"facts: an optimum of {name} that no truth is below", f"{lowest} < {least}"
        )
    return ", ".join(remarks)


def optional_members_keep_their_word(task: Task) -> str:
    """What it has besides is of the kind that `contracts` says."""
    said = is_reproducible(task)
    _expect(isinstance(said, bool), "reproducible: True or False", repr(said))
    limit = process_limit_of(task)
    right = limit is None or (isinstance(limit, int) and limit > 0)
    _expect(right, "process_limit: a whole number above 0, or None", repr(limit))
    table = table_of(task)
    same = table is None or table.id == task.id
    _expect(same, f"as_table: the task {task.id} itself, or None", repr(table))
    makes = supernets_of(task)
    _expect(makes is None or callable(makes), "supernets: what makes them, or None", repr(makes))
    if isinstance(task, SupportsMeasuredProxies):
        proxies = task.measured_proxies(Search())
        names = sorted(task.problem.proxies)
        right = isinstance(proxies, Mapping) and sorted(proxies) == names
        _expect(right, f"measured_proxies: those of the problem, {names}", repr(proxies))
    if isinstance(task, SupportsFailureReasons):
        _check_reasons(task, task.failure_reason)
    members = ("as_table", "supernets", "measured_proxies", "failure_reason", "process_limit")
    return ", ".join(name for name in members if hasattr(task, name))


def _check_reasons(task: Task, reason_of: Callable[[Query], str]) -> None:
    oracle, rng = task.oracle(Random(0)), Random(0)
    for _ in range(FEW):
        seen = oracle.evaluate(task.space.sample(rng)).observation
        reason, failed = reason_of(seen.query), any(map(isinf, seen.losses))
        right = isinstance(reason, str) and bool(reason) == failed
        expected = "why it failed" if failed else "nothing, it did not fail"
        _expect(right, f"failure_reason: {expected} ({seen})", repr(reason))


RULES: tuple[Callable[[Task], str | None], ...] = (
    has_the_required_members,
    problem_is_complete,
    made_again_is_the_same,
    reveals_one_truth_a_query,
    test_is_not_validation,
    facts_are_complete,
    nothing_is_better_than_the_optimum,
    optional_members_keep_their_word,
)
