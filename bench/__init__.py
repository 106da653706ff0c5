"""Tasks, oracles, the runner and the record: what an experiment is and how it is run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._base.errors import InvalidProposal
from .core.strategy import strategy
from .core.types import Answer, Observation, Oracle, Problem, Query, Strategy, StrategyInfo

if TYPE_CHECKING:
    from .check import checks
    from .core.base_task import BaseTask
    from .core.contracts import Outcome, Task
    from .core.task_facts import ColumnFacts, PerMetric, TaskFacts

__all__ = [
    "Answer",
    "BaseTask",
    "ColumnFacts",
    "InvalidProposal",
    "Observation",
    "Oracle",
    "Outcome",
    "PerMetric",
    "Problem",
    "Query",
    "Strategy",
    "StrategyInfo",
    "Task",
    "TaskFacts",
    "checks",
    "strategy",
]

_LAZY = {
    "BaseTask": ".core.base_task",
    "ColumnFacts": ".core.task_facts",
    "Outcome": ".core.contracts",
    "PerMetric": ".core.task_facts",
    "Task": ".core.contracts",
    "TaskFacts": ".core.task_facts",
    "checks": ".check",
}
"""What needs numpy or msgspec, and is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
