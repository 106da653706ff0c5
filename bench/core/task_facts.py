"""What a reader of results must know of a task: kept in the manifest, beside the results."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class ColumnFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """How values of one kind are shown: ``label``, ``unit``, and whether more is better."""

    label: str
    unit: str = ""
    maximize: bool = False

    @property
    def in_brackets(self) -> str:
        """The unit as it stands behind a label: `` (%)``; nothing where there is none."""
        return f" ({self.unit})" if self.unit else ""

    @property
    def short(self) -> str:
        """The label without what it says in brackets."""
        return self.label.split(" (")[0]


class PerMetric(Struct, frozen=True, forbid_unknown_fields=True):
    """A loss for each of the two metrics; None where it is not known."""

    validation: float | None = None
    test: float | None = None

    def of(self, metric: str) -> float | None:
        """Return the value of ``"validation"`` or ``"test"``."""
        found: float | None = getattr(self, metric)
        return found


class SupernetFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """What a supernet with shared weights learns from."""

    data: str
    citation: str
    training: dict[str, Any]
    device: str


class TaskFacts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What results say of their task, so that they can be read where the task is not known.

    Attributes:
        hash: of the data that the answers come from; two tasks with one hash answer alike.
        validation: the metric that strategies see.
        test: the metric that they do not; None if there is none.
        cost: what the simulated clock counts.
        epochs: the numbers of epochs at which the task answers, increasing.
        replicas: training seeds an architecture was trained with, at most; None if not known.
        architectures: valid architectures of the space, in every encoding.
        unique: networks among them that differ.
        rows: rows of the task's table; None where there is no table.
        optimum: the least seed-averaged losses of the whole space; None where they are not known.
        reference: what stands for the optimum where it is not known, in words; else "".
        noise: the noise floor: standard deviations between trainings of the best networks.
        objectives: name -> how it is shown, the first being what ``loss`` in the record holds.
        citation: where the data come from, for people.
        data: hash of the data set that live training reads.
        training: settings of live training.
        device: kind of the device that it runs on.
        scored_by: the tabular task that scores what a supernet chooses.
        supernet: what the shared weights learn from.
    """

    hash: str = ""
    validation: ColumnFacts = ColumnFacts("validation")
    test: ColumnFacts | None = None
    cost: ColumnFacts = ColumnFacts("training time", "s")
    epochs: tuple[int, ...] = ()
    replicas: int | None = None
    architectures: int = 0
    unique: int = 0
    rows: int | None = None
    optimum: PerMetric = PerMetric()
    reference: str = ""
    noise: PerMetric = PerMetric()
    objectives: dict[str, ColumnFacts] = {}
    citation: str = ""
    data: str | None = None
    training: dict[str, Any] | None = None
    device: str | None = None
    scored_by: str | None = None
    supernet: SupernetFacts | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """``"validation"``, and ``"test"`` where the task has it."""
        return ("validation",) if self.test is None else ("validation", "test")

    def column(self, metric: str) -> ColumnFacts:
        """Return how ``"validation"`` or ``"test"`` is shown.

        Raises:
            LookupError: if the task has no such metric.
        """
        found: ColumnFacts | None = getattr(self, metric)
        if found is None:
            raise LookupError(f"the task has no {metric} column")
        return found

    def best(self, metric: str) -> str:
        """Return the optimum in the metric's own direction and unit; "" if it is not known."""
        optimum = self.optimum.of(metric)
        if optimum is None:
            return ""
        column = self.column(metric)
        value = f"{-optimum if column.maximize else optimum:.6g} {column.unit}".strip()
        return f"{value} ({self.reference})" if self.reference else value
