"""Runs an experiment's units wherever an executor takes them, and keeps what is finished."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from . import atomic, locks, registry, store
from .containment import contained
from .experiment import Experiment, StrategySpec
from .manifest import check_free, open_folder
from .run_log import RunLog
from .store import Unit
from .units import Done, Job, missing_units, run_unit
from .upkeep import set_aside_unsound

if TYPE_CHECKING:
    from .vault import Vault


class Executor(Protocol):
    """Where units are run: in this process, in local processes, on a cluster."""

    def run(self, jobs: list[Job], /) -> Iterator[Done]:
        """Run all jobs, in any order, and say what became of each as it ends, once a job.

        Whatever a unit's strategy does, up to killing its process, comes back as the ``error``
        of its own job and harms no other. A worker that is lost through no fault of the unit is
        replaced and the unit run again. Closing the iterator ends all work that is under way.

        Raises:
            StoreError: if the results folder cannot be written.
        """
        ...


class ThisProcess:
    """One unit after the other, here: for debugging, and where there is one core."""

    def run(self, jobs: list[Job], /) -> Iterator[Done]:
        for job in jobs:
            with contained() as printed:
                done = run_unit(job, worker="this process")
            yield done._replace(output=str(printed))


def local(processes: int) -> Executor:
    """So many processes of this machine; one is this process itself."""
    from .processes import LocalProcesses

    return LocalProcesses(processes) if processes > 1 else ThisProcess()


def _width(experiment: Experiment) -> int:
    """Local processes if none are asked for: the cores, or fewer where a task trains on GPUs."""
    limits = (registry.task(task).processes for task in experiment.tasks)
    return min([os.cpu_count() or 1, *(limit for limit in limits if limit is not None)])


def _spec(experiment: Experiment, unit: Unit) -> StrategySpec:
    return next(spec for spec in experiment.strategies if spec.label == unit.label)


def execute(
    root: Path,
    experiment: Experiment,
    *,
    executor: Executor | None = None,
    processes: int | None = None,
    vault: Vault | None = None,
    started: Callable[[int], None] = lambda units: None,
    finished: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Run all units of ``experiment`` that ``root`` does not hold yet.

    ``executor`` says where; if none is given, so many local ``processes``, by default as many as
    there are cores, or GPUs where a task trains on them. ``started`` is told how many units are to
    run, ``finished`` what became of each. A unit that fails does not stop the others; its traceback
    is kept under ``errors/``. What ``vault`` knows is not run; what was run is kept there. Files
    that are damaged or do not belong where they lie are set aside and run again. One run holds the
    folder, another one waits for it.

    Raises:
        StoreError: if the folder cannot be used or written (a full disk stops everything;
            what is finished stays).
    """
    check_free(root)
    with locks.held(root):
        open_folder(root, experiment)
        atomic.sweep(root)
        if vault is not None and vault.own is not None:
            atomic.sweep(vault.own.path)
        pairs = [(task, spec.label) for task in experiment.tasks for spec in experiment.strategies]
        set_aside_unsound(root, pairs)
        if vault is not None:
            vault.serve(root, experiment)
        return _execute(root, experiment, executor, processes, vault, started, finished)


def _execute(
    root: Path,
    experiment: Experiment,
    executor: Executor | None,
    processes: int | None,
    vault: Vault | None,
    started: Callable[[int], None],
    finished: Callable[[Done], None],
) -> list[Done]:
    units = list(missing_units(root, experiment))
    started(len(units))
    # What travels is small: a spec and a unit, and of the experiment what all units share.
    lean = replace(experiment, tasks=(), strategies=())
    jobs = [Job(root, lean, _spec(experiment, unit), unit) for unit in units]
    if executor is None:
        executor = local(min(processes or _width(experiment), max(len(jobs), 1)))
    outcomes = []
    log = RunLog(root)
    log.started(units, getattr(executor, "width", None))
    for done in log.following(executor.run(jobs)):
        if done.error is not None:
            store.write_error(root, done.unit, done.traceback or done.error)
        else:
            store.error_path(root, done.unit).unlink(missing_ok=True)
            if vault is not None:
                vault.keep(root, experiment, _spec(experiment, done.unit), done.unit)
        outcomes.append(done)
        finished(done)
    return outcomes
