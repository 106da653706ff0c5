"""Trainings as the packages ``nas-bench-201`` and ``nats-bench`` save them: every epoch of each.

What is validation and test, by dataset:

- ``cifar10-valid``: half of the training images; validation is the other half (x-valid), test the
  10,000 test images.
- ``cifar10``: validation and cost as cifar10-valid, since a search may see no more. Test is that
  of the trainings on all training images: the pair that papers report.
- ``cifar100``, ``imagenet16-120``: validation and test are one half each of the original test
  images (x-valid, x-test); ``original-test`` is both together.

``evaluation`` is the time of one pass over the validation images, which the official packages add
to the training time when they simulate a search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..base import SearchSpace
from ..foreign import numbers, typed
from ..table import BadFile, Column, Table
from . import Imported

_SETS = ("x-valid", "x-test", "ori-test")
MOST_EPOCHS = 10_000
"""Epochs of a training at most; the official ones have 200."""


class _Source(NamedTuple):
    """Where a column of a dataset comes from: the trainings on which images, and what of them."""

    trained_on: str
    what: str


_COSTS = {
    name: _Source("", name)
    for name in ("train", "seconds", "evaluation", "latency", "flops", "parameters")
}
_DATASETS: dict[str, tuple[str, dict[str, _Source]]] = {
    "cifar10-valid": (
        "cifar10-valid",
        {
            "validation": _Source("cifar10-valid", "x-valid"),
            "test": _Source("cifar10-valid", "ori-test"),
        },
    ),
    "cifar10": (
        "cifar10-valid",
        {"validation": _Source("cifar10-valid", "x-valid"), "test": _Source("cifar10", "ori-test")},
    ),
    **{
        name.lower(): (
            name,
            {
                "validation": _Source(name, "x-valid"),
                "test": _Source(name, "x-test"),
                "original-test": _Source(name, "ori-test"),
            },
        )
        for name in ("cifar100", "ImageNet16-120")
    },
}
COLUMNS = (
    Column("validation", "%", True, "validation accuracy"),
    Column("test", "%", True, "test accuracy"),
    Column("original-test", "%", True, "accuracy on all original test images"),
    Column("train", "%", True, "training accuracy"),
    Column("seconds", "s", False, "training time"),
    Column("evaluation", "s", False, "time of one validation"),
    Column("latency", "s", False, "inference latency"),
    Column("flops", "M", False, "FLOPs", proxy=True),
    Column("parameters", "M", False, "parameters", proxy=True),
)


class _Trial(NamedTuple):
    """What is kept of one training: values by name, an array of all epochs or one number."""

    seed: int
    trained_on: str
    values: dict[str, Any]


class Collector:
    """Takes the trainings out of the official structure, in whichever order they come."""

    def __init__(self, cells: int, number_of: Callable[[str], int]) -> None:
        self.cells, self._number_of = cells, number_of
        # By (kind, trained on, seed, what): (cells, epochs), or (cells, 1).
        self._values: dict[tuple[str, str, int, str], NDArray[np.float64]] = {}
        self.seen = np.zeros(cells, np.bool_)

    def take(self, filled: dict[Any, Any]) -> None:
        """Called with every dictionary of the file as soon as it is complete."""
        if "eval_acc1es" in filled and "train_acc1es" in filled:
            trial = _trial(typed(filled, _Results, "a training"))
            for part in filled.values():
                if isinstance(part, dict | list):
                    part.clear()
            filled.clear()
            filled["trial"] = trial
        elif "full" in filled and "less" in filled:
            self.cell(filled)
            filled.clear()

    def cell(self, found: dict[Any, Any]) -> None:
        """Take in all trainings of one cell, by their kind.

        Raises:
            ValueError: if they are none, or are there already.
        """
        kinds = typed(found, dict[str, _Kind], "the trainings of a cell")
        text, *others = {results["arch_str"] for results in kinds.values()}
        if others:
            raise BadFile(f"one entry is of the cells {text} and {others[0]}")
        row = self._number_of(text)
        if self.seen[row]:
            raise BadFile(f"the cell {text} is there twice")
        self.seen[row] = True
        for kind, results in kinds.items():
            for (trained_on, seed), result in results["all_results"].items():
                trial = result.pop("trial", None)
                if not isinstance(trial, _Trial):
                    raise BadFile(f"the cell {text}: the training on {trained_on} is incomplete")
                for what, values in trial.values.items():
                    self._array(kind, trained_on, seed, what, len(values))[row] = values

    def _array(
        self, kind: str, trained_on: str, seed: int, what: str, epochs: int
    ) -> NDArray[np.float64]:
        key = kind, trained_on, seed, what
        if key not in self._values:
            self._values[key] = np.full((self.cells, epochs), np.nan)
        values = self._values[key]
        if values.shape[1] != epochs:
            raise BadFile(
                f"{kind} trainings on {trained_on} with seed {seed} have {values.shape[1]} epochs "
                f"for some cells and {epochs} for others"
            )
        return values

    def seeds(self, kind: str, *trained_on: str) -> list[int]:
        """The training seeds that there are of any of these."""
        return sorted({key[2] for key in self._values if key[0] == kind and key[1] in trained_on})

    def column(self, kind: str, source: _Source, seeds: list[int]) -> NDArray[np.float64] | None:
        """(cells, epochs, seeds) values, NaN where there are none; None if there are none at all.

        They are given away: a second call finds nothing, unless the column was copied.
        """
        parts = [self._values.get((kind, source.trained_on, seed, source.what)) for seed in seeds]
        there = [part for part in parts if part is not None]
        if not there:
            return None
        found = np.full((*there[0].shape, len(seeds)), np.nan)
        for number, part in enumerate(parts):
            if part is not None:
                found[:, :, number] = part
        return None if np.isnan(found).all() else found

    def forget(self, kind: str, *trained_on: str) -> None:
        """Free the memory of these trainings."""
        for key in [key for key in self._values if key[0] == kind and key[1] in trained_on]:
            del self._values[key]


class _Results(TypedDict):
    """A training, by the attributes of the official package's ``ResultsCount``."""

    name: str
    seed: int
    epochs: int
    train_acc1es: dict[int, float]
    train_times: dict[int, float] | None
    eval_acc1es: dict[str, float]
    eval_times: dict[str, float] | None
    latency: Any
    flop: Any
    params: Any


class _Kind(TypedDict):
    """The trainings of one cell by images and seed; each a dictionary with its `_Trial`."""

    arch_str: str
    all_results: dict[tuple[str, int], dict[Any, Any]]


def _trial(found: _Results) -> _Trial:
    """What is kept of one training."""
    epochs = found["epochs"]
    if not 0 < epochs <= MOST_EPOCHS:
        raise BadFile(f"expected 1 to {MOST_EPOCHS} epochs, got {epochs}")
    every = range(epochs)
    values: dict[str, Any] = {"train": [found["train_acc1es"].get(e, math.nan) for e in every]}
    times = found["train_times"]
    if times:
        values["seconds"] = np.cumsum([times.get(e, math.nan) for e in every])
    accuracy = found["eval_acc1es"]
    for name in _SETS:
        last = f"{name}@{epochs - 1}"
        if last in accuracy:
            values[name] = [accuracy.get(f"{name}@{e}", math.nan) for e in every]
    single = {
        "evaluation": [(found["eval_times"] or {}).get(f"x-valid@{e}", math.nan) for e in every],
        "latency": found["latency"],
        "flops": found["flop"],
        "parameters": found["params"],
    }
    for name, one in single.items():
        if isinstance(one, list) and one:
            one = float(numbers(one, name, (None,)).sum() / len(one))
        if isinstance(one, float | int) and one > 0:
            values[name] = [float(one)]
    return _Trial(found["seed"], found["name"], values)


def tables(
    collector: Collector, kind: str, benchmark: str, space: SearchSpace, spelled: Any, citation: str
) -> Iterator[Imported]:
    """The datasets of one kind of training; ``spelled`` is the space as `Imported` wants it."""
    canonical = np.array([space.index(space.canonical(arch)) for arch in space], np.int32)
    number = np.arange(collector.cells, dtype=np.int32)
    row_of = np.where(collector.seen, number, -1).astype(np.int32)
    for dataset, (trained_on, scores) in _DATASETS.items():
        sources = scores | {name: _Source(trained_on, name) for name in _COSTS}
        seeds = collector.seeds(kind, *{source.trained_on for source in scores.values()})
        found = {name: collector.column(kind, source, seeds) for name, source in sources.items()}
        there = {name: values for name, values in found.items() if values is not None}
        if dataset != "cifar10-valid":
            collector.forget(kind, *{source.trained_on for source in scores.values()})
        if not {"validation", "seconds"} <= there.keys():
            continue
        epochs = there["validation"].shape[1]
        shape = (collector.cells, epochs, len(seeds))
        notes = [f"training seeds: {', '.join(map(str, seeds))}"]
        trained = ~np.isnan(there["seconds"][:, -1])
        if never := int((~trained[collector.seen].any(axis=1)).sum()):
            notes.append(f"{never} cells have no training here")
        if failed := int((trained & np.isnan(there["validation"][:, -1])).sum()):
            notes.append(f"{failed} trainings have no validation accuracy: they count as failed")
        if "test" not in there:
            notes.append("this version of the file has no test accuracy here")
        table = Table(
            tuple(range(1, epochs + 1)),
            {name: np.broadcast_to(values, shape) for name, values in there.items()},
            spelling=number,
            canonical=canonical,
            row_of=row_of,
        )
        columns = tuple(column for column in COLUMNS if column.name in there)
        del found, there
        yield Imported(
            benchmark,
            dataset,
            table,
            columns,
            spelled,
            citation,
            tuple(notes),
        )
