"""The unit of work: which of them are missing, and how one is run in this process."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from .._base import decoding
from .._base.errors import NasarenaError
from .._base.usage import Usage
from ..core import record, vector_runner
from ..core.contracts import table_of
from ..core.runner import run_seed
from ..experiment import registry
from ..experiment.experiment import Experiment, StrategySpec
from ..experiment.form import lane_form
from ..experiment.identity import run_key
from ..store import failures, store
from ..store.store import Unit
from . import heartbeat
from .containment import UserInterrupt, seed_globals, state_kept


class Job(NamedTuple):
    """All that a worker needs to run a unit; ``experiment`` names no tasks and no strategies.

    It is small, so that it can travel: the worker opens the task's table itself, memory-mapped
    from its machine's cache. ``files`` is where a cluster's worker keeps the user's own files.
    """

    root: Path
    experiment: Experiment
    spec: StrategySpec
    unit: Unit
    files: Path | None = None


def block_size(seeds: int, lanes: bool = False) -> int:
    """Seeds in a unit: few enough to share the work out, enough to be worth a file."""
    return min(1000 if lanes else 50, max(5, -(-seeds // (1 if lanes else 4))))


class Done(NamedTuple):
    """What became of a unit; ``error`` is None if it was finished, else why it was not.

    ``seconds`` are real, ``cpu_seconds`` those of its process and the children that this waited
    for; ``peak_memory`` is the most resident memory of that process in bytes while the unit ran, 0
    where the system does not tell; ``started`` is seconds since 1970. ``worker`` names the process,
    ``seed`` the run that failed, where it was one of several. ``output`` is the end of what the
    unit printed.
    """

    unit: Unit
    queries: int = 0
    seconds: float = 0.0
    error: str | None = None
    traceback: str = ""
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    started: float = 0.0
    worker: str = ""
    seed: int | None = None
    output: str = ""


def missing_units(root: Path, experiment: Experiment) -> Iterator[Unit]:
    """The units without a file, in blocks of seeds."""
    for task in experiment.tasks:
        for spec in experiment.strategies:
            lanes = lane_form(registry.task(task), spec, experiment) is not None
            size = block_size(experiment.seeds, lanes)
            there = store.unit_files(root, task, spec.label)
            for first, last in store.gaps(there, experiment.seeds):
                while first <= last:
                    end = min(last, first // size * size + size - 1)
                    yield Unit(task, spec.label, first, end)
                    first = end + 1


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
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
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # forgets one that was blocked and waits
        signal.signal(signal.SIGALRM, before)


class Watch:
    """Follows a unit's runs: each has its time limit, and ``seed`` is the one under way.

    ``finished`` is told the seconds that one seed took, as runs end.
    """

    def __init__(self, finished: Callable[[float], None] = lambda seconds: None) -> None:
        self.seed: int | None = None
        self._finished = finished

    @contextmanager
    def run(self, seeds: range, timeout: float) -> Iterator[None]:
        """Around the runs of ``seeds``: one, or all lanes. Of several none is named."""
        self.seed = seeds.start if len(seeds) == 1 else None
        begin = perf_counter()
        with time_limit(timeout):
            yield
        self.seed = None
        took = (perf_counter() - begin) / len(seeds)
        heartbeat.seeds_finished(len(seeds), took * len(seeds))
        for _ in seeds:
            self._finished(took)


def facts(experiment: Experiment, spec: StrategySpec, unit: Unit, data: str) -> dict[str, Any]:
    """What a unit's file says of itself; ``data`` is the hash of the task's table.

    It is enough to tell whether the file belongs where it lies, and to make a lost manifest anew.
    """
    return {
        "task": unit.task,
        "strategy": spec.name,
        "label": spec.label,
        "settings": spec.settings,
        "seeds": [unit.first, unit.last],
        "data": data,
        "experiment": decoding.plain(experiment.rules),
    }


def compute(
    experiment: Experiment,
    spec: StrategySpec,
    unit: Unit,
    watch: Watch | None = None,
    failed: list[tuple[object, ...]] | None = None,
) -> Any:
    """Run a unit and return its record (a ``pyarrow.Table``): a pure function but for thinking.

    ``failed`` takes the trainings that failed, as `failures.of` gives them.

    Raises:
        RunFailed: if a run of it fails.
    """
    watch = watch or Watch()
    task = registry.task(unit.task)
    factory = registry.strategy_factory(spec.name)
    about = facts(experiment, spec, unit, task.hash)
    seeds = range(unit.first, unit.last + 1)
    where, table = lane_form(task, spec, experiment), table_of(task)
    if where is not None and table is not None:
        with watch.run(seeds, experiment.timeout * len(seeds)):
            seed_globals(experiment.seed, unit.task, unit.first)
            return vector_runner.compute(
                table,
                registry.load(where),
                spec.settings,
                experiment.rules,
                seeds,
                about,
                label=spec.label,
            )
    shares = factory.info.weight_sharing
    runs = {}
    for seed in seeds:
        with watch.run(range(seed, seed + 1), experiment.timeout):
            seed_globals(experiment.seed, unit.task, seed)
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
                run_key=run_key(task, factory, spec.settings, seed, experiment.seed)
                if shares
                else None,
            )
    if failed is not None:
        failed += failures.of(task, runs)
    return record.to_table(task, runs, about)


def run_unit(job: Job, watch: Watch | None = None, worker: str = "") -> Done:
    """Run a unit and write its file; whatever its strategy does comes back as an error, and what
    that changed in this process is put back.

    That includes ``sys.exit`` and a KeyboardInterrupt: who calls this where Ctrl-C may arrive
    does it within `containment.contained`, which tells them apart.

    Raises:
        StoreError: if the file cannot be written.
    """
    watch = watch or Watch()
    used = Usage()
    registry.use_files(job.files)
    root = job.root.absolute()
    failed: list[tuple[object, ...]] = []
    try:
        with heartbeat.running(job.root, job.unit, worker), state_kept():
            table = compute(job.experiment, job.spec, job.unit, watch, failed)
    except UserInterrupt:
        raise
    except BaseException as error:
        said = str(error) if isinstance(error, NasarenaError) else repr(error)
        done = Done(job.unit, error=said, traceback=traceback.format_exc(), seed=watch.seed)
    else:
        failures.write(root, job.unit, failed)
        store.write_unit(root, job.unit, table)
        done = Done(job.unit, len(table))
    return done._replace(worker=worker, **used.so_far())
