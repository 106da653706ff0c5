"""What an architecture is: search spaces, their published tables and their networks."""

from .base import Arch, CellSpace, Condition, Decision, SearchSpace
from .table import Column, MissingPackage, Table, TableBenchmark

__all__ = [
    "Arch",
    "CellSpace",
    "Column",
    "Condition",
    "Decision",
    "MissingPackage",
    "SearchSpace",
    "Table",
    "TableBenchmark",
]
