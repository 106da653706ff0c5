"""Tasks, oracles, the runner and the record: what an experiment is and how it is run."""

from typing import TYPE_CHECKING, Any

from .core.strategy import strategy
from .core.types import Observation, Problem, Query, Strategy, StrategyInfo

if TYPE_CHECKING:
    from .check import checks

__all__ = ["Observation", "Problem", "Query", "Strategy", "StrategyInfo", "checks", "strategy"]


def __getattr__(name: str) -> Any:
    """The conformance kit is imported when it is asked for."""
    if name == "checks":
        from .check import checks

        return checks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
