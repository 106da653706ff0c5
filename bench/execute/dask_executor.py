"""A Dask cluster as an executor: one that is started here, or one that is there to join.

Only some portions of units per thread are handed to the scheduler at a time, whatever the size of
the experiment. What the cluster loses (a worker, its scheduler) is handed out again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

try:
    from distributed import CancelledError, Client, KilledWorker, LocalCluster, as_completed
except ImportError as error:
    raise ImportError(
        f'the dask executor needs {error.name}: pip install "nasarena[dask]"'
    ) from error

from .._base.errors import ClusterError, NasarenaError
from ..core.contracts import is_reproducible
from ..experiment import registry
from ..experiment.experiment import StrategySpec
from ..store import manifest, store
from . import dask_worker
from .batcher import Portions
from .dask_worker import Desk, Outcome, Refusal, Shared
from .time_left import Costs
from .units import Done, Job

AHEAD = 2
"""Portions per thread that the scheduler holds: one that runs and one that follows."""
LOOK = 5.0
"""Seconds after which the cluster is asked again for its workers."""
TRIES = 5
"""How often in a row a scheduler may be lost before a single unit has ended."""
_log = logging.getLogger("nasarena.dask")


class SchedulerLost(Exception):
    """The connection to the scheduler broke; what was under way is to be handed out again."""


class DaskCluster:
    """Units on a Dask cluster.

    Args:
        scheduler: address of the one to join, ``tcp://host:8786``; if None, a cluster is started
            on this machine, reachable from this machine only.
        processes: units at once of a cluster that is started here; all cores if None.
        dashboard: where the dashboard of a cluster that is started here listens, ``host:port``;
            none if None.
        url: where workers put finished units (see `bench.mirror`); if None, they come back
            through the scheduler.
        patience: seconds to wait for a scheduler that cannot be reached.

    Raises:
        ImportError: if distributed is not installed.
    """

    width = None  # workers come and go

    def __init__(
        self,
        scheduler: str | None = None,
        *,
        processes: int | None = None,
        dashboard: str | None = None,
        url: str | None = None,
        patience: float = 300.0,
    ) -> None:
        self._scheduler, self._dashboard, self._url = scheduler, dashboard, url
        self._processes = processes or os.cpu_count() or 1
        self._patience = patience

    def run(self, jobs: list[Job], /) -> Generator[Done, None, None]:
        """Run all jobs; see `bench.execution.Executor`.

        Raises:
            ClusterError: if the cluster cannot be reached, or none of its workers can run a unit.
            StoreError: if the results folder cannot be written.
        """
        left = {job.unit: job for job in jobs}
        if not left:
            return
        shared = shared_by(jobs, self._url)
        with ExitStack() as stack:
            where = self._scheduler or stack.enter_context(self._local_cluster())
            lost = 0
            while left:
                try:
                    with self._connected(where) as client:
                        for done in Campaign(client, shared, list(left.values())).run():
                            del left[done.unit]
                            lost = 0
                            yield done
                except SchedulerLost as error:
                    lost += 1
                    if lost == TRIES:
                        raise ClusterError(
                            f"lost the scheduler {where} {TRIES} times before a unit ended"
                        ) from error
                    _log.warning("lost the scheduler; %d units are handed out again", len(left))

    def _local_cluster(self) -> Any:
        """One worker with a thread a unit: the work is done by the threads' children."""
        return LocalCluster(
            n_workers=1,
            threads_per_worker=self._processes,
            host="127.0.0.1",
            # A port that is free; the dashboard itself is there only if bokeh is installed.
            dashboard_address=self._dashboard or "127.0.0.1:0",
            silence_logs=logging.ERROR,
        )

    def _connected(self, where: Any) -> Client:
        deadline = time.monotonic() + self._patience
        once = max(1.0, min(10.0, self._patience))
        while True:
            try:
                return Client(where, set_as_default=False, name="nasarena", timeout=once)
            except (OSError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"no scheduler answers at {where} within {self._patience:g} s: {error}"
                    ) from error
                time.sleep(0.2)
            except ValueError as error:  # an address of no known kind
                raise ClusterError(f"cannot connect to {where}: {error}") from error


def shared_by(jobs: list[Job], url: str | None) -> Shared:
    """What all these jobs have in common, as it travels to a worker.

    Raises:
        ClusterError: if a file that a strategy or task is named by cannot be read.
    """
    specs = {job.spec.label: job.spec for job in jobs}
    tasks = dict.fromkeys(job.unit.task for job in jobs)
    places = [registry.file_place(name) for spec in specs.values() for name in _names(spec)]
    places += map(registry.file_place, tasks)
    files = {}
    for place in filter(None, places):
        try:
            files[place] = Path(place).expanduser().read_bytes()
        except OSError as error:
            raise ClusterError(f"cannot send {place} to the workers: {error}") from error
    # Of the user's own code and of what trains a worker makes no task in its own process.
    built = [registry.task(t) for t in tasks if registry.file_place(t) is None]
    tables = {task.id: task.hash for task in built if is_reproducible(task)}
    return Shared(jobs[0].experiment, specs, files, tables, manifest.versions(), url)


def _names(spec: StrategySpec) -> list[str]:
    lanes = registry.strategy_factory(spec.name).info.lanes
    return [spec.name, *([lanes] if lanes else [])]


class Campaign:
    """The units of a run and one connection to a scheduler."""

    desk = Desk
    """What every worker gets."""

    def __init__(self, client: Client, shared: Shared, jobs: list[Job]) -> None:
        self._client, self._shared = client, shared
        self._name = f"nasarena-{uuid4().hex}"
        self._jobs = {job.unit: job for job in jobs}
        live = {unit.task for unit in self._jobs if not is_reproducible(registry.task(unit.task))}
        self._costs = Costs()
        self._plain = Portions((job for job in jobs if job.unit.task not in live), self._costs)
        self._live = Portions((job for job in jobs if job.unit.task in live), self._costs)
        self._suspects: list[Job] = []
        self._alone = False
        self._under_way: dict[Any, list[Job]] = {}
        self._asked: dict[bool, int] = {True: 0, False: 0}
        self._needs_gpu: dict[Any, bool] = {}
        self._unfit: dict[str, str] = {}
        self._workers: dict[str, tuple[int, float]] = {}
        self._has_gpus = False
        self._looked = float("-inf")
        self._had_workers = time.monotonic()
        self._ended = as_completed(loop=client.loop, with_results=True, raise_errors=False)

    def run(self) -> Iterator[Done]:
        """Hand out all units and say what became of each.

        Raises:
            SchedulerLost: if the connection breaks.
            ClusterError: if no worker can run a unit.
        """
        try:
            self._call(self._client.register_plugin, self.desk(self._shared), name=self._name)
            while True:
                self._hand_out()
                if not self._under_way and not (self._plain or self._live or self._suspects):
                    return
                yield from self._collect()
        finally:
            # Also ends what is under way: a worker without its desk ends its children.
            with suppress(Exception):
                self._client.sync(
                    self._client.scheduler.unregister_worker_plugin,
                    name=self._name,
                    callback_timeout=5,
                )

    def _call(self, what: Any, *args: Any, **keys: Any) -> Any:
        try:
            return what(*args, **keys)
        except (OSError, TimeoutError, CancelledError) as error:
            raise SchedulerLost(str(error)) from error
        except ImportError as error:
            raise ClusterError(
                f"the scheduler and all workers need nasarena, and what strategies import: {error}"
            ) from error

    # Handing out.

    def _look(self) -> None:
        """Ask the scheduler for its workers, now and then."""
        now = time.monotonic()
        if now - self._looked < (LOOK if self._workers else 0.2):
            return
        found = self._call(self._client.run_on_scheduler, dask_worker.workers)
        self._workers = {a: w for a, w in found.items() if a not in self._unfit}
        self._looked = time.monotonic()
        if self._workers:
            self._had_workers = now
        elif self._unfit and found:
            address, reason = next(iter(self._unfit.items()))
            raise ClusterError(f"no worker can run this: worker {address}: {reason}")
        elif now - self._had_workers > 30:
            self._had_workers = now
            _log.warning("the cluster has no workers; waiting for one to join")

    def _hand_out(self) -> None:
        """Let the scheduler hold as many portions as the cluster has use for."""
        self._look()
        threads = sum(threads for threads, _ in self._workers.values())
        gpus = int(sum(gpus for _, gpus in self._workers.values()))
        self._has_gpus |= gpus > 0
        self._submit(self._plain, threads, gpu=False)
        self._submit(self._live, gpus if self._has_gpus else threads, gpu=self._has_gpus)
        if self._suspects and not self._under_way and not (self._plain or self._live):
            # One at a time: if a worker dies again, there is no doubt by which unit.
            self._send([[self._suspects.pop()]], gpu=False, alone=True)

    def _submit(self, portions: Portions, places: int, *, gpu: bool) -> None:
        portioned: list[list[Job]] = []
        while portions and self._asked[gpu] + len(portioned) < AHEAD * places:
            portioned.append(portions.take(places))
        if portioned:
            self._send(portioned, gpu=gpu)

    def _send(self, portioned: list[list[Job]], *, gpu: bool, alone: bool = False) -> None:
        keys = [f"nasarena-unit-{uuid4().hex}" for _ in portioned]
        futures = self._call(
            self._client.map,
            dask_worker.work,
            [self._name] * len(portioned),
            [[job.unit for job in jobs] for jobs in portioned],
            key=keys,
            pure=False,
            resources={"GPU": 1} if gpu else None,
            workers=list(self._workers) if self._unfit else None,
        )
        for future, jobs in zip(futures, portioned, strict=True):
            self._under_way[future.key] = jobs
            self._needs_gpu[future.key] = gpu
        self._asked[gpu] += len(futures)
        self._alone = alone
        self._ended.update(futures)

    # Collecting.

    def _collect(self) -> Iterator[Done]:
        """What has ended by now; waits a little if nothing has."""
        if not self._ended.has_ready():
            time.sleep(0.005 if self._client.status == "running" else 0.2)
        for future, result in self._ended.next_batch(block=False):
            jobs = self._under_way.pop(future.key)
            self._asked[self._needs_gpu.pop(future.key)] -= 1
            yield from self._judge(future, jobs, result)

    def _judge(self, future: Any, jobs: list[Job], result: Any) -> Iterator[Done]:
        if future.status == "finished" and isinstance(result, Refusal):
            self._refused(result)
            self._put_back(jobs)
        elif future.status == "finished" and isinstance(result, list):
            yield from self._take(jobs, result)
        elif future.status == "error":
            yield from self._failed(jobs, result[1])
        else:
            raise SchedulerLost(f"{future.key} was {future.status}")

    def _refused(self, refusal: Refusal) -> None:
        if refusal.worker not in self._unfit:
            _log.warning("worker %s gets no more units: %s", refusal.worker, refusal.reason)
        self._unfit[refusal.worker] = refusal.reason
        self._workers.pop(refusal.worker, None)
        self._looked = float("-inf")

    def _put_back(self, jobs: list[Job]) -> None:
        for job in jobs:
            live = not is_reproducible(registry.task(job.unit.task))
            (self._live if live else self._plain).put_back([job])

    def _take(self, jobs: list[Job], outcomes: list[Outcome]) -> Iterator[Done]:
        ended = {outcome.done.unit: outcome for outcome in outcomes}
        self._put_back([job for job in jobs if job.unit not in ended])
        for job in jobs:
            if outcome := ended.get(job.unit):
                if outcome.data is not None:
                    store.keep_unit(job.root, job.unit, outcome.data)
                done = outcome.done
                if done.error is None:
                    self._costs.ended(done.unit, done.seconds, done.queries)
                yield done

    def _failed(self, jobs: list[Job], error: BaseException) -> Iterator[Done]:
        if not isinstance(error, KilledWorker):
            if isinstance(error, NasarenaError):
                raise error
            raise ClusterError(f"a worker could not run its units: {error!r}") from error
        if self._alone:
            for job in jobs:
                text = f"{job.unit}: every worker that ran it died ({error.last_worker.address})"
                yield Done(job.unit, error=text)
        else:
            self._suspects += jobs
