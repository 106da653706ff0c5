"""Tasks, oracles, the runner and the record: what an experiment is and how it is run."""

from typing import TYPE_CHECKING, Any

from ._base.errors import InvalidProposal
from .core.contracts import Outcome, Task
from .core.strategy import strategy
from .core.types import Answer, Observation, Oracle, Problem, Query, Strategy, StrategyInfo

if TYPE_CHECKING:
    from .check import checks
    from .core.base_task import BaseTask

__all__ = [
    "Answer",
    "BaseTask",
    "InvalidProposal",
    "Observation",
    "Oracle",
    "Outcome",
    "Problem",
    "Query",
    "Strategy",
    "StrategyInfo",
    "Task",
    "checks",
    "strategy",
]


def __getattr__(name: str) -> Any:
    """What needs numpy is imported when it is asked for."""
    if name == "checks":
        from .check import checks

        return checks
    if name == "BaseTask":
        from .core.base_task import BaseTask

        return BaseTask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
