"""What a unit of work is, so that the vault finds again what was run before.

Two runs are the same if they share the task and its table, the strategy's code and settings, the
rules of the run and the experiment seed. Versions of packages, budget and seeds are kept beside
that and compared when an entry is looked up, so that what does not fit can be named.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._base.errors import NasarenaError
from ..core.contracts import Task, table_of
from ..core.task import TableTask
from ..core.vector_runner import lane_form
from . import registry
from .experiment import Experiment, StrategySpec

RULES = 1
"""Raised by whoever changes the runner, the oracle or a space so that runs come out differently."""

_STRATEGIES = "nasarena.strategies"
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


class Identity(NamedTuple):
    """``facts`` are what the run is, ready for JSON; ``packages`` what it computes with here.

    A package that is not installed here has version None: nothing here can have used it.
    """

    facts: dict[str, Any]
    packages: dict[str, str | None]
    budget_aware: bool

    @property
    def key(self) -> str:
        """16 hexadecimal digits: equal for the same facts."""
        text = json.dumps(self.facts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(task: Task, spec: StrategySpec, experiment: Experiment) -> Identity:
    """What a unit of ``experiment`` with this task and strategy is.

    Raises:
        NasarenaError: if the strategy or its source cannot be found.
    """
    factory = registry.strategy_factory(spec.name)
    where = registry.strategy_names().get(spec.name, spec.name)
    lanes = lane_form(task, spec, experiment)
    where = lanes or where
    source, packages = _code(where.rpartition(":")[0])
    named = {name: _version(name) for name in factory.info.packages}
    facts = {
        "rules": RULES,
        "task": task.id,
        "data": data_hash(task),
        "strategy": where.rpartition(":")[2],
        "settings": spec.settings,
        "source": source,
        "noise": experiment.noise,
        "duplicates": experiment.duplicates,
        "workers": experiment.workers,
        "seed": experiment.seed,
    }
    if lanes:
        facts["form"] = "lanes"
    return Identity(facts, dict(sorted((packages | named).items())), factory.info.budget_aware)


_hashes: dict[int, tuple[Task, str]] = {}


def data_hash(task: Task) -> str:
    """Return a hash of all that the task answers; computed once a process.

    Of a table it is that of all numbers. Of a task without one it is `Task.hash` together with the
    code of the task's class, which an author may forget to count in.

    Raises:
        NasarenaError: if that code cannot be read.
    """
    if id(task) not in _hashes:
        table = table_of(task)
        found = _numbers_hash(table) if table is not None else _answers_hash(task)
        _hashes[id(task)] = task, found  # kept, so that its id stays taken
    return _hashes[id(task)][1]


def _numbers_hash(task: TableTask) -> str:
    table = task.table
    digest = hashlib.sha256(json.dumps([list(table.epochs), list(task.space.sizes)]).encode())
    arrays = {"canonical": table.canonical, "row_of": table.row_of, **table.columns}
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{values.dtype}:{values.shape}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()[:16]


def _answers_hash(task: Task) -> str:
    both = f"{task.hash}/{source_hash(type(task).__module__)}"
    return hashlib.sha256(both.encode()).hexdigest()[:16]


# The code of a strategy: its module, and those of ours or the user's that it imports.


@cache
def _code(where: str) -> tuple[str, dict[str, str | None]]:
    """A hash over the sources that a module consists of, and the packages that they import."""
    if where.endswith(".py"):
        start, package = Path(where).expanduser().resolve(), ""
    else:
        start, package = _origin(where) or Path(where), where.rpartition(".")[0]
    sources: dict[Path, bytes] = {}
    packages: dict[str, str | None] = {}
    waiting = [(start, package)]
    while waiting:
        path, package = waiting.pop()
        if path in sources:
            continue
        try:
            sources[path] = path.read_bytes().replace(b"\r\n", b"\n")
            tree = ast.parse(sources[path])
        except (OSError, SyntaxError, ValueError) as error:
            raise NasarenaError(f"the source of {where} cannot be read: {error}") from error
        for name in sorted(set(_imports(tree, package))):
            root = name.partition(".")[0]
            if not name or root in sys.stdlib_module_names or _is_arena(name):
                continue
            if root != "nasarena" and not _is_own(root):
                packages[root] = _version(root)
            elif (place := _origin(name)) is not None:
                waiting.append((place, name if place.stem == "__init__" else _parent(name)))
    digests = sorted(hashlib.sha256(source).hexdigest() for source in sources.values())
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16], packages


def source_hash(module: str) -> str:
    """A hash over the sources that a strategy's module consists of.

    Raises:
        NasarenaError: if they cannot be read.
    """
    return _code(module)[0]


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _is_arena(name: str) -> bool:
    """Whether a module is the arena itself, whose behaviour `RULES` stands for."""
    return name.startswith("nasarena") and not name.startswith(_STRATEGIES)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The modules that a source may import; a name behind ``from`` may be a module as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _is_own(root: str) -> bool:
    """Whether a top-level module is the user's own source, not an installed package."""
    origin = _origin(root)
    return origin is not None and not any(origin.is_relative_to(place) for place in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    places = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    places |= {place for place in sys.path if place.endswith(("site-packages", "dist-packages"))}
    return tuple(Path(place).resolve() for place in places)


@cache
def _origin(name: str) -> Path | None:
    """The source file of a module; None if there is none. Imports the packages it lies in."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin).resolve()


@cache
def _version(name: str) -> str | None:
    """The installed version of a package by its import name; None if it is not installed."""
    for guess in (_DISTRIBUTIONS.get(name, name), name.replace("_", "-")):
        try:
            return metadata.version(guess)
        except metadata.PackageNotFoundError:
            continue
    found = metadata.packages_distributions().get(name)
    return metadata.version(found[0]) if found else None
