"""Who runs units, and who keeps what was run: the protocols that `executor.execute` meets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..experiment.experiment import Experiment, StrategySpec
    from ..store.store import Unit
    from .units import Done, Job


class Executor(Protocol):
    """Where units are run: in this process, in local processes, on a cluster.

    One executor may be asked to run several lists of jobs, one after the other, never two at once.
    """

    @property
    def width(self) -> int | None:
        """How many units it runs at a time; None where that is not known."""
        ...

    def run(self, jobs: list[Job], /) -> Generator[Done, None, None]:
        """Run all jobs, in any order, and say what became of each as it ends, once a job.

        Nothing is run before the first outcome is asked for. No jobs give no outcomes. Whatever a
        unit's strategy does, up to killing its process, comes back as the ``error`` of its own job
        and harms no other. A worker that is lost through no fault of the unit is replaced and the
        unit run again. A unit whose outcome has no error lies in the results folder, whole, before
        the outcome is given; or at the mirror, where its worker could put it there. Closing the
        generator ends all work that is under way.

        Raises:
            StoreError: if the results folder cannot be written.
            ClusterError: if the machines cannot be reached or are not fit to run the jobs.
        """
        ...


class RunCache(Protocol):
    """Finished runs, found again by what they are.

    What it gives must be, to the last bit, what running the unit would give, overhead seconds
    aside; what it is not sure of it leaves out. It may be read and filled by several processes at
    once. Whatever goes wrong inside it stops no experiment: then a run is not known, or not kept.
    """

    def serve(self, root: Path, experiment: Experiment, /) -> int:
        """Write into ``root`` all runs of ``experiment`` that are known and not there yet.

        Called once before anything is run, by whoever holds the folder.

        Returns:
            How many runs were known.

        Raises:
            StoreError: if ``root`` cannot be written.
        """
        ...

    def keep(self, root: Path, experiment: Experiment, spec: StrategySpec, unit: Unit, /) -> None:
        """Keep a finished unit that ``root`` holds, or do nothing.

        Called for each unit that was run, as it ends, from one thread.
        """
        ...
