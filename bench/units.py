"""The unit of work: which of them are missing, and how one is run in this process."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from . import lane_runner, record, registry, store
from .errors import NasarenaError, StoreError
from .experiment import FIXED, Experiment, StrategySpec
from .runner import run_seed
from .store import Unit


class Job(NamedTuple):
    """All that a worker needs to run a unit; ``experiment`` names no tasks and no strategies.

    It is small, so that it can travel: the worker opens the task's table itself, memory-mapped
    from its machine's cache.
    """

    root: Path
    experiment: Experiment
    spec: StrategySpec
    unit: Unit


def block_size(seeds: int, lanes: bool = False) -> int:
    """Seeds in a unit: few enough to share the work out, enough to be worth a file."""
    return min(1000 if lanes else 50, max(5, -(-seeds // (1 if lanes else 4))))


class Done(NamedTuple):
    """What became of a unit; ``error`` is None if it was finished, else why it was not."""

    unit: Unit
    queries: int = 0
    seconds: float = 0.0
    error: str | None = None
    traceback: str = ""


def missing_units(root: Path, experiment: Experiment) -> Iterator[Unit]:
    """The units without a file, in blocks of seeds."""
    for task in experiment.tasks:
        for spec in experiment.strategies:
            have: set[int] = set()
            for first, last in store.unit_files(root, task, spec.label):
                have.update(range(first, last + 1))
            lanes = lane_runner.lane_form(registry.task(task), spec, experiment) is not None
            size = block_size(experiment.seeds, lanes)
            for start in range(0, experiment.seeds, size):
                block = range(start, min(start + size, experiment.seeds))
                yield from _gaps(task, spec.label, [s for s in block if s not in have])


def _gaps(task: str, label: str, seeds: list[int]) -> Iterator[Unit]:
    start = 0
    for i in range(1, len(seeds) + 1):
        if i == len(seeds) or seeds[i] != seeds[i - 1] + 1:
            yield Unit(task, label, seeds[start], seeds[i - 1])
            start = i


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupts Python code that runs longer. Only a main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError(f"no answer within the time-out of {seconds:g} s (real time)")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def facts(experiment: Experiment, spec: StrategySpec, unit: Unit, data: str) -> dict[str, Any]:
    """What a unit's file says of itself; ``data`` is the hash of the task's table.

    It is enough to tell whether the file belongs where it lies, and to make a lost manifest anew.
    """
    shared = experiment.to_json()
    return {
        "task": unit.task,
        "strategy": spec.name,
        "label": spec.label,
        "settings": spec.settings,
        "seeds": [unit.first, unit.last],
        "data": data,
        "experiment": {key: shared[key] for key in FIXED},
    }


def compute(experiment: Experiment, spec: StrategySpec, unit: Unit) -> Any:
    """Run a unit and return its record (a ``pyarrow.Table``): a pure function but for thinking.

    Raises:
        RunFailed: if a run of it fails.
    """
    task = registry.task(unit.task)
    factory = registry.strategy_factory(spec.name)
    about = facts(experiment, spec, unit, task.hash)
    if (where := lane_runner.lane_form(task, spec, experiment)) is not None:
        seeds = range(unit.first, unit.last + 1)
        with _time_limit(experiment.timeout * len(seeds)):
            return lane_runner.compute(task, where, spec, experiment, seeds, about)
    runs = {}
    for seed in range(unit.first, unit.last + 1):
        with _time_limit(experiment.timeout):
            runs[seed] = run_seed(
                task,
                factory,
                spec.settings,
                seed,
                experiment.budget,
                label=spec.label,
                experiment_seed=experiment.seed,
                workers=experiment.workers,
                noise=experiment.noise,
                duplicates=experiment.duplicates,
            )
    return record.to_table(task, runs, about)


def run_unit(job: Job) -> Done:
    """Run a unit and write its file; whatever its strategy does comes back as an error."""
    root, experiment, spec, unit = job
    begin = perf_counter()
    try:
        table = compute(experiment, spec, unit)
        store.write_unit(root, unit, table)
    except StoreError:
        raise
    except (Exception, SystemExit) as error:
        said = str(error) if isinstance(error, NasarenaError) else repr(error)
        return Done(unit, error=said, traceback=traceback.format_exc())
    return Done(unit, len(table), perf_counter() - begin)
