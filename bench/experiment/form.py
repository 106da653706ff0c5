"""Which form of a strategy a unit runs with: all its seeds at once, or one after the other."""

from __future__ import annotations

import inspect

from ...spaces.vectorized import has_lanes
from ..core.contracts import Task, is_reproducible, table_of
from . import registry
from .experiment import Experiment, StrategySpec


def lane_form(task: Task, spec: StrategySpec, experiment: Experiment) -> str | None:
    """Return the import path of the vectorized form that a unit runs with, or None.

    Without one it runs seed by seed. A vectorized run has one worker and one objective, and charges
    repeats. A setting that the vectorized form does not take, and a space that moves in its own
    ways, are left to the sequential form.
    """
    where = registry.strategy_factory(spec.name).info.lanes
    if (
        not (experiment.lanes and where)
        or experiment.workers > 1
        or experiment.duplicates == "free"
        or table_of(task) is None
        or not is_reproducible(task)
        or len(task.problem.objectives) > 1
        or not has_lanes(task.space)
    ):
        return None
    taken = inspect.signature(registry.load(where)).parameters
    return where if set(spec.settings) <= set(taken) else None
