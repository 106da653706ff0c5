"""The checks of a strategy that ask whether its runs come out the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .._base.errors import CheckFailed
from ..core.runner import stream
from ..core.types import Observation, Problem, Query
from .process import run_elsewhere
from .trial import Event, Trial, same


def same_seed_same_run(trial: Trial) -> None:
    """Two runs from one seed are equal to the last bit."""
    same("two runs from seed 0 that are equal", trial.plain, trial.run(), "they")


def same_run_in_another_process(trial: Trial) -> None:
    """So is a run in a new interpreter that hashes strings differently, imports watched."""
    events, trespasses = run_elsewhere(trial)
    if trespasses:
        raise CheckFailed(
            "no file but code opened, and no connection, while it is imported and run",
            "; ".join(trespasses),
        )
    which = "this process and the other (sets of strings come in another order there)"
    same("the same run in another process", [*map(str, trial.plain)], events, which)


def keeps_instances_apart(trial: Trial) -> None:
    """Two instances at work in turns behave as each does alone."""
    alone = [trial.plain, trial.run(seed=1)]
    together = [trial.watched(trial.task, seed) for seed in (0, 1)]
    oracles = [trial.task.oracle(stream(0, trial.task.id, seed, "oracle")) for seed in (0, 1)]
    going = [True, True]
    for _ in range(trial.limits.queries):
        for number, (strategy, oracle) in enumerate(zip(together, oracles, strict=True)):
            if going[number]:
                proposal = strategy.ask()
                going[number] = proposal is not None  # None with nothing under way: it is done
                if proposal is not None:
                    strategy.tell(oracle.evaluate(proposal).observation)
    for seed, before, beside in zip((0, 1), alone, together, strict=True):
        which = f"seed {seed} alone and beside another instance"
        same("an instance that does as it does alone", before, beside.events, which)


def resumes_by_replay(trial: Trial) -> None:
    """A new instance that is told the record of a run, read from JSON, asks what the first did.

    No table stands behind it. It is tried with the orders of one worker and, if declared, of 4.
    """
    task = trial.task
    here = task.problem
    there = Problem(here.space, here.epochs, here.objectives, dict(here.proxies))
    for workers in (1, 4) if trial.info.asynchronous else (1,):
        record = trial.plain if workers == 1 else trial.run(workers=workers)
        again = trial.watched(task, problem=there)
        for event in _from_json(_to_json(record)):
            if isinstance(event, Observation):
                again.tell(event)
            else:
                again.ask()
        which = f"with {workers} worker{'s' * (workers > 1)}, the run and its replay"
        same("a replay that asks what the run asked", record, again.events, which)


def _to_json(events: Iterable[Event]) -> str:
    return json.dumps([event.value if event.kind == "told" else None for event in events])


def _from_json(text: str) -> Iterator[Observation | None]:
    """The observations; None stands for a question."""
    for value in json.loads(text):
        if value is None:
            yield None
        else:
            (arch, epochs, replica), losses, seconds = value
            yield Observation(Query(tuple(arch), epochs, replica), tuple(losses), seconds)
