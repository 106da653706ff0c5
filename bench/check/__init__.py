"""Does a plugin play by the rules? The entry to the conformance kit, behind ``nasarena check``.

`checks` makes the list of checks for a strategy, a space or an oracle. Each is called without
arguments; it returns a remark or raises `CheckFailed` with what was expected, what came and how
to see it again.
"""

from __future__ import annotations

import fnmatch
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...spaces import SearchSpace
from .._base.errors import CheckFailed, NasarenaError, UnknownName
from ..core.contracts import Task
from ..core.types import StrategyFactory
from ..experiment import registry
from .tasks import BENCHMARK, DATASETS, SHARED, one_of_each_space
from .tasks import task as task_of
from .trial import FULL, QUICK, Limits, Trial


class Finding(NamedTuple):
    """The outcome of one check.

    ``problem`` is None if it was passed; ``remark`` is what there is to say of it all the same.
    """

    check: str
    problem: str | None = None
    remark: str = ""


@dataclass(frozen=True)
class Check:
    """One rule and what it is tried on. Call it; ``str`` of it is its name."""

    rule: str
    on: str
    reproduce: str
    run: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.rule} on {self.on}"

    def __call__(self) -> str:
        """Returns a remark, often empty.

        Raises:
            AssertionError: in words, if the rule is not kept (a `CheckFailed`).
        """
        try:
            return self.run() or ""
        except CheckFailed as failed:
            raise self._failed(failed.expected, failed.came) from failed
        except Exception as error:
            raise self._failed("no error", _in_words(error)) from error

    def _failed(self, expected: str, came: str) -> CheckFailed:
        failure = CheckFailed(expected, came)
        lines = (f"expected: {expected}", f"came: {came}", f"to see it again: {self.reproduce}")
        failure.args = ("\n        ".join((str(self), *lines)),)
        return failure


def _in_words(error: Exception) -> str:
    if isinstance(error, NasarenaError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"


def checks(
    what: str | StrategyFactory | SearchSpace | Task,
    *,
    settings: dict[str, Any] | None = None,
    tasks: Sequence[str] | None = None,
    limits: Limits | None = None,
    quick: bool = False,
    only: Sequence[str] = (),
) -> list[Check]:
    """The checks that apply to a strategy, a space or an oracle.

    Args:
        what: a strategy's name or ``path/to/file.py:name``; ``space:`` and a benchmark
            (``space:nasbench201``), a task (``space:nasbench-graph/cora``) or a file's space
            (``space:mine.py:SPACE``); ``oracle:`` and a task id or pattern. Or the object itself.
        settings: of the strategy.
        tasks: ids of the tasks on which its proposals are tried, beside the kit's own small
            ones; one of each registered space if left out, none for one that shares weights.
        limits: how much a strategy is tried and what it may spend; `FULL` if left out.
        quick: fewer queries (`QUICK`), for strategies that think long.
        only: names of rules; all if empty.

    Raises:
        UnknownName: if there is nothing of that name.
    """
    kind, subject = _subject(what)
    words = f" {what}" if isinstance(what, str) else f" … # {what!r}"
    command = f"nasarena check{words}{' --quick' * quick}"
    if kind == "space":
        found = _space_checks(subject)
    elif kind == "oracle":
        found = _oracle_checks(subject)
    else:
        trial = Trial(
            subject,
            what if isinstance(what, str) else None,
            settings or {},
            limits or (QUICK if quick else FULL),
        )
        found = _strategy_checks(trial, tasks)
        command += "".join(f" --set {key}={value}" for key, value in trial.settings.items())
    made = [
        Check(rule.replace("_", "-"), on, f"{command} --only {rule.replace('_', '-')}", run)
        for rule, on, run in found
    ]
    known = {check.rule: None for check in made}
    for rule in only:
        if rule not in known:
            raise UnknownName(f"check of {what}", rule, known)
    return [check for check in made if not only or check.rule in only]


Found = Iterator[tuple[str, str, Callable[[], str | None]]]


def _strategy_checks(trial: Trial, tasks: Sequence[str] | None) -> Found:
    from .strategy import rules

    if trial.info.weight_sharing:
        return rules(trial, [f"small/{SHARED}", *(tasks or [])])
    chosen = registry.task_names() if tasks is None else tasks
    registered = one_of_each_space(chosen) if tasks is None else tasks
    return rules(trial, [*(f"small/{dataset}" for dataset in DATASETS), *registered])


def _space_checks(subjects: list[tuple[SearchSpace, list[Task]]]) -> Found:
    from .space import rules

    for space, tasks in subjects:
        yield from rules(space, tasks)


def _oracle_checks(tasks: list[Task]) -> Found:
    from .oracle import rules

    for task in tasks:
        yield from rules(task)


def _subject(what: Any) -> tuple[str, Any]:
    """What kind of thing it is, and the thing."""
    if isinstance(what, SearchSpace):
        return "space", [(what, [])]
    if not isinstance(what, str):
        return ("strategy", what) if hasattr(what, "info") else ("oracle", [what])
    kind, _, name = what.partition(":")
    if kind == "space":
        return kind, _spaces(name)
    if kind == "oracle":
        return kind, _tasks(name)
    return "strategy", registry.strategy_factory(what)


def _tasks(pattern: str) -> list[Task]:
    small = [f"small/{dataset}" for dataset in DATASETS]
    chosen = fnmatch.filter(small, pattern) or registry.select_tasks([pattern])
    return [task_of(task_id) for task_id in chosen]


def _spaces(name: str) -> list[tuple[SearchSpace, list[Task]]]:
    """The spaces, each with its tasks, that a benchmark, a task, a pattern or a file names."""
    inner = name.rpartition(".py:")[2]  # a file's own path may have slashes
    if "/" not in inner:
        found = registry.load(name) if registry.is_file_name(name) else None
        if isinstance(found, SearchSpace):
            return [(found, [])]
        if name != BENCHMARK.name:
            registry.benchmark(name)  # says what there is if there is no such benchmark
        name += "/*"
    spaces: dict[int, tuple[SearchSpace, list[Task]]] = {}
    for task in _tasks(name):
        spaces.setdefault(id(task.space), (task.space, []))[1].append(task)
    return list(spaces.values())


def findings(made: Sequence[Check]) -> Iterator[Finding]:
    """Call the checks, one after the other."""
    for check in made:
        try:
            yield Finding(str(check), None, check())
        except CheckFailed as failed:
            yield Finding(str(check), str(failed))
