"""What can be reached from a strategy by following its references, and what its code names."""

from __future__ import annotations

import dis
import gc
import logging
from collections import deque
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ...spaces import Table, TableBenchmark
from ..core.oracle import TableOracle
from ..core.task import TableTask

MAX_OBJECTS = 500_000
_TABLES = (Table, TableBenchmark, TableTask, TableOracle)
_LEADING = (
    "core.task",
    "core.oracle",
    "core.runner",
    "core.record",
    "experiment",
    "store",
    "execute",
    "cache",
)
"""What of `nasarena.bench` leads to a table: none of a strategy's business."""
_STRANGERS = (ModuleType, FrameType, CodeType, logging.Logger, logging.Handler, str, bytes, int)


def within_reach(strategy: object, table: Table) -> str | None:
    """The first thing found that holds a table's numbers, in words; None if there is none.

    Follows what the objects refer to, not the modules that they were written in: of these, only
    what the strategy's own functions name.
    """
    seen: set[int] = set()
    to_see: deque[Any] = deque([strategy, *_code_of(type(strategy))])
    while to_see and len(seen) < MAX_OBJECTS:
        thing = to_see.popleft()
        if id(thing) in seen or isinstance(thing, _STRANGERS):
            continue
        seen.add(id(thing))
        found = _is_table(thing, table)
        if found is not None:
            return found
        if isinstance(thing, FunctionType):
            found = _named(thing)
            if found is not None:
                return found
            cells = [_content(cell) for cell in thing.__closure__ or ()]
            to_see.extend([*cells, *(thing.__defaults__ or ()), thing.__dict__])
        elif isinstance(thing, type):
            to_see.extend(_code_of(thing))
        else:
            to_see.extend(gc.get_referents(thing))
    return None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _is_table(thing: object, table: Table) -> str | None:
    if isinstance(thing, _TABLES):
        return f"it holds {thing!r}"
    if isinstance(thing, np.ndarray):
        for name, column in table.columns.items():
            if np.may_share_memory(thing, column):
                return f"it holds an array of the table's column {name!r}"
    return None


def _code_of(kind: type) -> Iterator[Any]:
    """All that a class of the strategy's holds; nothing of library classes."""
    for parent in kind.__mro__:
        if parent.__module__.partition(".")[0] not in _LIBRARIES:
            yield from vars(parent).values()


_LIBRARIES = frozenset({"builtins", "numpy", "optuna", "torch", "sklearn", "typing", "abc"})


def _named(function: FunctionType) -> str | None:
    """What the function's code names, in its module or by import, that leads to a table."""
    for name in sorted(set(_names(function.__code__))):
        value = function.__globals__.get(name)
        if isinstance(value, _TABLES):
            return f"{function.__qualname__} names {name} = {value!r}"
        module = value.__name__ if isinstance(value, ModuleType) else _home(value)
        if _leads_to_tables(module) or _leads_to_tables(name):
            return f"{function.__qualname__} names {name}, of {module or name}"
    return None


def _home(value: object) -> str:
    return str(value.__module__) if isinstance(value, (FunctionType, type)) else ""


def _names(code: CodeType) -> Iterator[str]:
    """The names of globals that code reads, and of modules that it imports."""
    module = ""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
        elif instruction.opname == "IMPORT_NAME":
            module = instruction.argval
            yield module
        elif instruction.opname == "IMPORT_FROM":
            yield f"{module}.{instruction.argval}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _leads_to_tables(module: str) -> bool:
    places = [f"nasarena.bench.{name}" for name in _LEADING]
    return any(module == place or module.startswith(f"{place}.") for place in places)
