"""Runs an experiment's units, in this process or in local processes, and keeps what is finished."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from . import lane_runner, record, registry, store
from .errors import NasarenaError, RunFailed, StoreError
from .experiment import Experiment, StrategySpec
from .manifest import open_folder
from .runner import run_seed
from .store import Unit

if TYPE_CHECKING:
    from .vault import Vault


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
    """The units without a sound file, in blocks of seeds. Damaged files are set aside."""
    for task in experiment.tasks:
        for spec in experiment.strategies:
            have: set[int] = set()
            for (first, last), path in store.unit_files(root, task, spec.label).items():
                if store.damage(path) is None:
                    have.update(range(first, last + 1))
                else:
                    store.set_aside(path)
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


def compute(experiment: Experiment, spec: StrategySpec, unit: Unit) -> Any:
    """Run a unit and return its record (a ``pyarrow.Table``): a pure function but for thinking.

    Raises:
        RunFailed: if a run of it fails.
    """
    task = registry.task(unit.task)
    factory = registry.strategy_factory(spec.name)
    about = {
        "task": unit.task,
        "strategy": spec.name,
        "label": spec.label,
        "settings": spec.settings,
        "data": task.hash,
    }
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


def run_unit(root: Path, experiment: Experiment, spec: StrategySpec, unit: Unit) -> Done:
    """Run a unit and write its file; whatever its strategy does comes back as an error."""
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


def _spec(experiment: Experiment, unit: Unit) -> StrategySpec:
    return next(spec for spec in experiment.strategies if spec.label == unit.label)


def execute(
    root: Path,
    experiment: Experiment,
    *,
    processes: int | None = None,
    vault: Vault | None = None,
    started: Callable[[int], None] = lambda units: None,
    finished: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Run all units of ``experiment`` that ``root`` does not hold yet.

    ``processes`` defaults to the number of cores; 1 stays in this process. ``started`` is told
    how many units are to run, ``finished`` what became of each. A unit that fails does not stop
    the others; its traceback is kept under ``errors/``. What ``vault`` knows is not run; what was
    run is kept there.

    Raises:
        StoreError: if the folder cannot be used or written (a full disk stops everything;
            what is finished stays).
    """
    open_folder(root, experiment)
    if vault is not None:
        vault.serve(root, experiment)
    units = list(missing_units(root, experiment))
    started(len(units))
    processes = min(processes or os.cpu_count() or 1, max(len(units), 1))
    run = _in_processes if processes > 1 else _in_this_process
    outcomes = []
    for done in run(root, experiment, units, processes):
        if done.error is not None:
            store.write_error(root, done.unit, done.traceback or done.error)
        else:
            store.error_path(root, done.unit).unlink(missing_ok=True)
            if vault is not None:
                vault.keep(root, experiment, _spec(experiment, done.unit), done.unit)
        outcomes.append(done)
        finished(done)
    return outcomes


def _in_this_process(
    root: Path, experiment: Experiment, units: list[Unit], processes: int
) -> Iterator[Done]:
    for unit in units:
        yield run_unit(root, experiment, _spec(experiment, unit), unit)


def _in_processes(
    root: Path, experiment: Experiment, units: list[Unit], processes: int
) -> Iterator[Done]:
    """Spawned, not forked: a fork copies the locks of whatever threads the caller runs."""
    context = multiprocessing.get_context("spawn")
    # What crosses over is small: a spec and a unit. Tables are memory-mapped by each process.
    lean = replace(experiment, tasks=(), strategies=())
    left = list(units)
    while left:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            jobs = {
                pool.submit(run_unit, root, lean, _spec(experiment, unit), unit): unit
                for unit in left
            }
            broken: list[Unit] = []
            try:
                for job in as_completed(jobs):
                    try:
                        done = job.result()
                    except BrokenProcessPool:
                        broken.append(jobs[job])
                        continue
                    left.remove(done.unit)
                    yield done
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if broken:
            left = []
            yield from _one_by_one(root, experiment, broken)


def _one_by_one(root: Path, experiment: Experiment, units: list[Unit]) -> Iterator[Done]:
    """After a process died: each unit left in a process of its own, which shows the guilty."""
    context = multiprocessing.get_context("spawn")
    lean = replace(experiment, tasks=(), strategies=())
    for unit in units:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            job = pool.submit(run_unit, root, lean, _spec(experiment, unit), unit)
            try:
                yield job.result()
            except BrokenProcessPool:
                yield Done(unit, error=str(RunFailed(f"{unit}: its process died without a word")))
