"""What an architecture is: search spaces, their published tables and their networks."""

from .base import Arch, CellSpace, Condition, Decision, SearchSpace
from .pool import PoolSpace
from .table import Column, MissingPackage, Table, TableBenchmark

__all__ = [
    "Arch",
    "CellSpace",
    "Column",
    "Condition",
    "Decision",
    "MissingPackage",
    "PoolSpace",
    "SearchSpace",
    "Table",
    "TableBenchmark",
]
