"""The live tasks that come with the package, and how to declare more.

```python
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training

BENCHMARK = LiveBenchmark({"mine": LiveSetup("text:mine.csv", training=Training(epochs=(1, 4)))})
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from ...spaces import SearchSpace
from ...spaces.networks import DEFAULTS
from .._base.errors import UnknownName
from ..core.contracts import Task
from ..core.task import TableTask
from .supernet_task import SupernetTask
from .task import LiveTask
from .training import Training


@dataclass(frozen=True)
class LiveSetup:
    """What a live task trains on, in which space, and how.

    Args:
        dataset: as `nasarena.bench.live.data.dataset` takes it: ``digits``, ``text:mine.csv``.
        space: ``"module:attribute"`` of the search space; by the kind of data if left out.
        training: settings.
        table: id of a task whose table answers in place of training; only supernets train here.
    """

    dataset: str
    space: str | None = None
    training: Training = field(default_factory=Training)
    table: str | None = None


KINDS = {"tweets": "text", "reviews": "text", "text": "text"} | {
    "gettext": "pairs",
    "lines": "pairs",
    "tsv": "pairs",
}


class LiveBenchmark:
    """Live tasks by name. ``root`` is where trainings are kept (the user's cache folder)."""

    citation = "trained here, by torch"

    def __init__(
        self, setups: Mapping[str, LiveSetup], *, name: str = "live", root: Path | None = None
    ) -> None:
        self.name, self.setups, self._root = name, dict(setups), root

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of its tasks."""
        return tuple(self.setups)

    def space(self, dataset: str) -> SearchSpace:
        """The search space of a task."""
        setup = self.setups[dataset]
        if setup.table is not None:
            return _scored_by(setup.table).space
        kind = KINDS.get(setup.dataset.partition(":")[0], "images")
        module, _, attribute = (setup.space or DEFAULTS[kind]).partition(":")
        found: SearchSpace = getattr(import_module(module), attribute)
        return found

    def task(self, task_id: str, dataset: str, objectives: tuple[str, ...] = (), /) -> Task:
        """The task with this name.

        Raises:
            UnknownName: if there is none.
        """
        if dataset not in self.setups:
            raise UnknownName("live task", dataset, self.setups)
        setup = self.setups[dataset]
        space, root = self.space(dataset), self._root
        if setup.table is not None:
            live = LiveTask(task_id, setup.dataset, space, setup.training, (), root)
            return SupernetTask(task_id, _scored_by(setup.table), live, objectives)
        return LiveTask(task_id, setup.dataset, space, setup.training, objectives, root)


def _scored_by(task_id: str) -> TableTask:
    from ..experiment import registry

    return registry.table_task(task_id)


# Small settings finish on two CPU cores in minutes; ``-large`` ones are for a GPU. Rates are such
# that the simplest network comes near its best: what is found is better, not only sooner trained.
_MNIST = Training(epochs=(1, 2, 4))
_TEXT = Training(
    epochs=(1, 2, 4),
    optimizer="adam",
    learning_rate=5e-3,
    weight_decay=1e-2,
    longest=32,
    examples=6000,
    measured=1500,
)
_LARGE_TEXT = replace(_TEXT, epochs=(1, 3, 9), longest=48, examples=None, measured=None, batch=128)
_PAIRS = Training(
    epochs=(3, 9),
    metric="bleu",
    batch=16,
    optimizer="adam",
    learning_rate=2e-3,
    weight_decay=1e-2,
    label_smoothing=0.1,
    vocabulary=2000,
    longest=24,
)
BENCHMARK = LiveBenchmark(
    {
        "digits": LiveSetup("digits"),
        "mnist5k": LiveSetup("mnist5k", training=_MNIST),
        "mnist5k-large": LiveSetup(
            "mnist5k", training=replace(_MNIST, epochs=(3, 9, 27), augment=True)
        ),
        "digits-cells": LiveSetup("digits", space="nasarena.spaces.published.nasbench201:SPACE"),
        "nasbench201-digits": LiveSetup("digits", table="nasbench201/cifar10"),
        "tweets": LiveSetup("tweets", training=_TEXT),
        "tweets-large": LiveSetup("tweets", training=_LARGE_TEXT),
        "reviews": LiveSetup("reviews", training=_TEXT),
        "gettext-de": LiveSetup("gettext:django,de", training=_PAIRS),
        "gettext-de-large": LiveSetup(
            "gettext:django,de", training=replace(_PAIRS, epochs=(9, 27, 81))
        ),
    }
)
