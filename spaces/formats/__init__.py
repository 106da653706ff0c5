"""Readers of the benchmarks' official files, and of tables of one's own: one module a format.

A reader turns files into arrays and executes nothing that they hold. What it yields is kept by
`nasarena.spaces.library`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..table import Column, Table

Progress: TypeAlias = Callable[[float], None]
"""Told from time to time how much of the source has been read, 0 to 1."""


@dataclass(frozen=True)
class Imported:
    """One dataset that a reader found.

    ``space`` names a space of `nasarena.spaces.library`, or spells one out: ``{"name": …,
    "decisions": [[name, [choice, …]], …], "pool": whether only the rows exist}``, in which case
    a pool's table has the members in ``extra["members"]``, (rows, decisions).
    """

    benchmark: str
    dataset: str
    table: Table
    columns: tuple[Column, ...]
    space: str | dict[str, Any]
    citation: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """How the files of one benchmark are read: what a module of this package has as ``FORMAT``.

    ``read`` is given the files, the description of a table of one's own (None for all others)
    and whom to tell of its progress. It may yield nothing, or raise `BadFile`, and reads the
    files lazily. ``version`` goes up whenever ``read`` changes what it yields.
    """

    name: str
    title: str
    files: str
    read: Callable[[list[Path], Path | None, Progress], Iterator[Imported]]
    version: int = 1


NAMES: dict[str, str] = {
    "table": "own",
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201",
    "nats-bench": "nats",
    "nasbench-graph": "graph",
    "nasbench-macro": "macro",
    "nasbench-nlp": "nlp",
    "hw-nas-bench": "hardware",
    "zero-cost": "zero_cost",
    "transnas": "transnas",
    "nasbench-asr": "asr",
}
"""What a user calls a format, and its module."""


def find(name: str) -> Format:
    """The format of this name.

    Raises:
        KeyError: if there is none.
    """
    found: Format = importlib.import_module(f".{NAMES[name]}", __package__).FORMAT
    return found
