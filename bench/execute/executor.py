"""Runs an experiment's units wherever an executor takes them, and keeps what is finished."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._base import atomic, locks
from .._base.errors import StoreError
from ..core.contracts import process_limit_of
from ..experiment import registry
from ..experiment.experiment import Experiment, StrategySpec
from ..store import mirror as mirrors
from ..store import store
from ..store.manifest import check_free, open_folder
from ..store.store import Unit
from ..store.upkeep import set_aside_unsound
from . import run_single
from .containment import contained
from .plan import Plan
from .run_log import RunLog
from .units import Done, Job, Watch, missing_units, run_unit

if TYPE_CHECKING:
    from ..store.mirror import Mirror
    from .execution import Executor, RunCache


def _ignored(unit: Unit, seeds: int, seconds: float) -> None:
    pass


class ThisProcess:
    """One unit after the other, here: for debugging, and where there is one core.

    What a unit changes in the process is put back and what it prints is kept, but what ends or
    blocks a process ends or blocks this one; see docs/reliability.md.
    """

    width = 1

    def __init__(self, saw: Callable[[Unit, int, float], None] = _ignored) -> None:
        self._saw = saw

    def run(self, jobs: list[Job], /) -> Generator[Done, None, None]:
        plan = Plan(jobs)
        while plan:
            job = plan.next()
            taken: list[float] = []
            with contained() as printed:
                done = run_unit(job, Watch(taken.append), worker="this process")
            self._saw(job.unit, len(taken), sum(taken))
            plan.ended(done)
            yield done._replace(output=str(printed))


def local(processes: int, saw: Callable[[Unit, int, float], None] = _ignored) -> Executor:
    """So many processes of this machine; one is this process itself.

    So is any number where processes cannot be contained (Windows).
    """
    if processes == 1 or os.name != "posix":
        return ThisProcess(saw)
    from .processes import LocalProcesses

    return LocalProcesses(processes, saw=saw)


def _width(experiment: Experiment) -> int:
    """Local processes if none are asked for: the cores, or fewer where a task trains on GPUs."""
    limits = (process_limit_of(registry.task(task)) for task in experiment.tasks)
    return min([os.cpu_count() or 1, *(limit for limit in limits if limit is not None)])


def _spec(experiment: Experiment, unit: Unit) -> StrategySpec:
    return next(spec for spec in experiment.strategies if spec.label == unit.label)


def execute(
    root: Path,
    experiment: Experiment,
    *,
    executor: Executor | None = None,
    processes: int | None = None,
    vault: RunCache | None = None,
    mirror: Mirror | None = None,
    started: Callable[[list[Unit], int | None], None] = lambda units, width: None,
    saw: Callable[[Unit, int, float], None] = _ignored,
    finished: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Run all units of ``experiment`` that ``root`` does not hold yet.

    ``executor`` says where; if none is given, so many local ``processes``, by default as many as
    there are cores, or GPUs where a task trains on them. ``started`` is told which units are to
    run and how many at a time (None: not known), ``saw`` how far local processes are with a unit
    (see `LocalProcesses`), ``finished`` what became of each. A unit that fails does not stop the
    others; why it did and how to run it alone is kept under ``errors/``. What ``vault`` knows is
    not run; what was run is kept there. What lies at the ``mirror`` is fetched, not run; what was
    run is put there, or was by its worker: then it is fetched at the end. Files that are damaged
    or do not belong where they lie are set aside and run again. One run holds the folder, another
    one waits for it.

    Raises:
        StoreError: if the folder cannot be used or written (a full disk stops everything;
            what is finished stays).
    """
    check_free(root)
    with locks.held(root):
        open_folder(root, experiment)
        atomic.sweep(root)
        if mirror is not None:
            mirrors.join(mirror, root, experiment)
        pairs = [(task, spec.label) for task in experiment.tasks for spec in experiment.strategies]
        set_aside_unsound(root, pairs)
        if vault is not None:
            vault.serve(root, experiment)
        keepers = (vault, mirror)
        return _execute(root, experiment, executor, processes, keepers, started, saw, finished)


def _execute(
    root: Path,
    experiment: Experiment,
    executor: Executor | None,
    processes: int | None,
    keepers: tuple[RunCache | None, Mirror | None],
    started: Callable[[list[Unit], int | None], None],
    saw: Callable[[Unit, int, float], None],
    finished: Callable[[Done], None],
) -> list[Done]:
    vault, mirror = keepers
    units = list(missing_units(root, experiment))
    # What travels is small: a spec and a unit, and of the experiment what all units share.
    lean = replace(experiment, tasks=(), strategies=())
    jobs = [Job(root, lean, _spec(experiment, unit), unit) for unit in units]
    if executor is None:
        executor = local(min(processes or _width(experiment), max(len(jobs), 1)), saw)
    started(units, executor.width)
    outcomes: list[Done] = []
    elsewhere: list[Unit] = []

    def keep(unit: Unit) -> None:
        store.error_path(root, unit).unlink(missing_ok=True)
        if vault is not None:
            vault.keep(root, experiment, _spec(experiment, unit), unit)

    log = RunLog(root)
    log.started(units, executor.width)
    with closing(executor.run(jobs)) as work, closing(log.following(work)) as ended:
        for done in ended:
            if done.error is not None:
                store.write_error(root, done.unit, run_single.explained(root, done))
            elif mirror is not None and not store.unit_path(root, done.unit).exists():
                elsewhere.append(done.unit)  # its worker has put it at the mirror
            else:
                if mirror is not None:
                    mirror.push(root, done.unit)
                keep(done.unit)
            outcomes.append(done)
            finished(done)
    if mirror is not None and (damaged := mirrors.fetch(mirror, root, elsewhere)):
        raise StoreError(f"{mirror}: {damaged[0]} is damaged there; the same run runs it again")
    for unit in elsewhere:
        keep(unit)
    return outcomes
