"""A task whose table answers, while supernets train here, on other data if need be.

What a strategy with weight sharing finds is scored by the table. The table's own data are at hand
only where the user brings them: `facts` say what the supernet learned from.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...spaces import Table
from ...spaces.networks import supernet_spaces
from .._base.errors import ExperimentError
from ..core.contracts import SupernetMaker
from ..core.task import TableTask
from ..core.task_facts import SupernetFacts, TaskFacts

if TYPE_CHECKING:
    from .task import LiveTask


class SupernetTask(TableTask):
    """A table with a supernet beside it.

    Args:
        task_id: names it in the record.
        scored_by: the task whose table answers.
        live: the task whose data and settings the supernet trains with; same space.
        objectives: besides validation: columns of the table.

    Raises:
        ExperimentError: if the space has no supernet.
    """

    # Seconds of the search are measured, so that no run comes out twice to the last bit.
    reproducible = False

    def __init__(
        self, task_id: str, scored_by: TableTask, live: LiveTask, objectives: tuple[str, ...] = ()
    ) -> None:
        super().__init__(task_id, scored_by.benchmark, scored_by.dataset, objectives)
        if self.space.name not in supernet_spaces():
            raise ExperimentError(
                f"{task_id}: {scored_by.id} has the space {self.space.name}; "
                f"supernets are there for {' and '.join(supernet_spaces())}"
            )
        self._scored_by, self._live = scored_by, live

    @cached_property
    def table(self) -> Table:
        return self._scored_by.table

    @cached_property
    def hash(self) -> str:
        """Of the table and of all that decides what a supernet comes to."""
        both = f"{self._scored_by.hash}/{self._live.hash}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    def supernets(self) -> SupernetMaker | None:
        """Return what makes the supernets of a run."""
        return self._live.supernets()

    def facts(self) -> TaskFacts:
        """What a reader of results must know of the task."""
        live, table = self._live, super().facts()
        learned = f"supernets learn from {live.dataset.name} ({live.dataset.citation})"
        return replace(
            table,
            citation=f"{table.citation}; {learned}",
            scored_by=self._scored_by.id,
            supernet=SupernetFacts(
                data=live.dataset.name,
                citation=live.dataset.citation,
                training=live.training.facts(),
                device=live.device.type,
            ),
        )
