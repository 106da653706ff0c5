"""What runs in a Dask worker: it keeps what units of a run share, and has them run by processes.

What units share (the rules of the experiment, the strategies' settings, the user's own files)
travels once a worker, as a worker plugin, and reaches workers that join later as well. A task of
the scheduler is then a few names. Tables do not travel: a worker opens them from its machine's
cache.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from distributed import WorkerPlugin, get_worker

from .._base.errors import NasarenaError, StoreError, WorkerError
from ..experiment import registry
from ..experiment.experiment import Experiment, StrategySpec
from ..store import manifest, store
from ..store.mirror import Mirror
from ..store.store import Unit
from .processes import LocalProcesses
from .units import Done, Job


class Shared(NamedTuple):
    """What all units of a run share.

    ``files`` are the user's, by the names the run knows them under. ``tables`` are the hashes of
    the tasks' tables, ``packages`` the versions of what a record may depend on: a worker that has
    others would compute other bits. ``url`` is where finished units go; if None, they go back.
    """

    experiment: Experiment
    specs: dict[str, StrategySpec]
    files: dict[str, bytes]
    tables: dict[str, str]
    packages: dict[str, str]
    url: str | None


class Refusal(NamedTuple):
    """A worker that cannot run the units it was given, and why."""

    worker: str
    reason: str
    units: list[Unit]


class Outcome(NamedTuple):
    """What became of a unit, and its finished file if it is not kept elsewhere."""

    done: Done
    data: bytes | None


class Abandoned(Exception):
    """The run is over, and nobody waits for the unit any more."""


class Desk(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """A worker's place for one run: its copy of what units share, and processes to run them.

    They are processes besides the worker's own: it outlives whatever a unit does.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def setup(self, worker: Any) -> None:
        self._worker = str(worker.address)
        self._folder = Path(worker.local_directory) / f"nasarena-{uuid4().hex}"
        self._lock = threading.Lock()
        self._idle: list[LocalProcesses] = []
        self._over = False
        self._mirror: Mirror | None = None
        self._unfit: str | None = _other_packages(self._shared.packages)
        try:
            self._write_files()
        except OSError as error:
            self._unfit = f"it cannot keep the files of the run: {error}"

    def _write_files(self) -> None:
        self._folder.mkdir(parents=True)
        for place, content in self._shared.files.items():
            copy = registry.shipped(self._folder / "files", place)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)

    def teardown(self, worker: Any) -> None:
        with self._lock:
            self._over = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self, *_: Any) -> None:
        """Is told now and then how far a unit is; ends it if nobody waits for it."""
        if self._over:
            raise Abandoned

    @contextmanager
    def _process(self) -> Iterator[LocalProcesses]:
        """A process that no other thread uses; one that was used before is warm."""
        with self._lock:
            process = (
                self._idle.pop() if self._idle else LocalProcesses(1, saw=self._watch, keep=True)
            )
        try:
            yield process
        finally:
            with self._lock:
                over = self._over
                if not over:
                    self._idle.append(process)
            if over:
                process.close()

    def run(self, units: list[Unit]) -> list[Outcome] | Refusal:
        """Run units one after the other; a refusal if this worker cannot."""
        done: list[Outcome] = []
        for unit in units:
            if self._over:
                break
            if reason := self._unfit or self._other_table(unit.task):
                return Refusal(self._worker, reason, units)
            try:
                done.append(self._run(unit))
            except Abandoned:
                break
            except (WorkerError, StoreError, OSError) as error:
                return Refusal(self._worker, str(error), units)
        return done

    def _run(self, unit: Unit) -> Outcome:
        job_folder = Path(tempfile.mkdtemp(dir=self._folder))
        spec = self._shared.specs[unit.label]
        job = Job(job_folder, self._shared.experiment, spec, unit, self._folder / "files")
        try:
            with self._process() as process:
                (done,) = process.run([job])
            done = done._replace(worker=f"{self._worker} {done.worker}")
            if done.error is not None:
                return Outcome(done, None)
            data = store.unit_path(job_folder, unit).read_bytes()
        finally:
            shutil.rmtree(job_folder, ignore_errors=True)
        if self._shared.url is None:
            return Outcome(done, data)
        if self._mirror is None:
            self._mirror = Mirror(self._shared.url)
        self._mirror.put(unit, data)
        return Outcome(done, None)

    def _other_table(self, task: str) -> str | None:
        """Why this worker cannot answer for a task. The user's own code is left to the process."""
        expected = self._shared.tables.get(task)
        if expected is None:
            return None
        try:
            here = registry.task(task).hash
        except (NasarenaError, ImportError, OSError) as error:
            return (
                f"it has not the table of {task}: {error}. Import it there as well, or set "
                "NASARENA_DATA on all workers to a shared folder that has it"
            )
        if here != expected:
            return f"its table of {task} has hash {here}, the run expects {expected}"
        return None


def _other_packages(expected: dict[str, str]) -> str | None:
    here = manifest.versions()
    for name, version in expected.items():
        if name in here and here[name] != version:
            return f"it has {name} {here[name]}, the run expects {version}: install the same"
    return None


def work(name: str, units: list[Unit]) -> list[Outcome] | Refusal:
    """A task of the scheduler: some units, run with what the plugin ``name`` keeps."""
    worker = get_worker()
    desk = worker.plugins.get(name)
    if desk is None:
        return Refusal(str(worker.address), "it was not told what to run", units)
    found: list[Outcome] | Refusal = desk.run(units)
    return found


def workers(dask_scheduler: Any) -> dict[str, tuple[int, float]]:
    """Runs on the scheduler: address of each worker, its threads and its GPUs."""
    return {
        address: (state.nthreads, state.resources.get("GPU", 0.0))
        for address, state in dask_scheduler.workers.items()
    }
