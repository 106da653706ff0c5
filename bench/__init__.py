"""Tasks, oracles, the runner and the record: what an experiment is and how it is run."""

from .strategy import strategy
from .types import Observation, Problem, Query, Strategy, StrategyInfo

__all__ = ["Observation", "Problem", "Query", "Strategy", "StrategyInfo", "strategy"]
