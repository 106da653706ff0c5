"""What a unit of work is, so that the vault finds again what was run before.

Two runs are the same if they share the task and its table, the strategy's code and settings, the
rules of the run and the experiment seed. Versions of packages, budget and seeds are kept beside
that and compared when an entry is looked up, so that what does not fit can be named.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import sysconfig
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._base.errors import NasarenaError
from ..core.contracts import Task, table_of
from ..core.task import TableTask
from ..core.types import StrategyFactory
from . import registry
from .experiment import Experiment, StrategySpec
from .form import lane_form
from .source_hash import ARENA, digest

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
    source, packages = _code(*where.rsplit(":", 1))
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
def _code(where: str, name: str = "") -> tuple[str, dict[str, str | None]]:
    """Hash the code behind a name of a module; also return the packages that it imports."""
    if where.endswith(".py"):
        start, package = Path(where).expanduser().resolve(), ""
    else:
        start, package = _origin(where) or Path(where), where.rpartition(".")[0]
    try:
        source, imported = digest(start, package, name, _locate)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise NasarenaError(f"the source of {where} cannot be read: {error}") from error
    roots = sorted(imported - {"", ARENA, *sys.stdlib_module_names})
    return source, {root: _version(root) for root in roots if not _is_own(root)}


def source_hash(module: str) -> str:
    """Hash the code that a strategy's module consists of.

    Raises:
        NasarenaError: if it cannot be read.
    """
    return _code(module)[0]


def _locate(name: str) -> Path | str:
    """Return the source of a module whose code counts, else what stands for the module.

    The arena itself is one: `RULES` stands for its behavior. Packages have a version.
    """
    root = name.partition(".")[0]
    if root == ARENA and not f"{name}.".startswith(f"{_STRATEGIES}."):
        return ARENA
    return (_origin(name) if root == ARENA or _is_own(root) else None) or name


def run_key(
    task: Task, factory: StrategyFactory, settings: dict[str, Any], seed: int, experiment_seed: int
) -> str | None:
    """Return what a run's checkpoints are called, other ones if code or settings differ.

    None where the code cannot be read, as in an interactive session: then none are kept.
    """
    module = str(getattr(factory, "__module__", ""))
    try:
        source = source_hash(module)
    except NasarenaError:
        return None
    name = f"{module}:{getattr(factory, '__qualname__', '')}"
    facts = [task.id, name, source, settings, seed, experiment_seed]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@cache
def _is_own(root: str) -> bool:
    """Return whether a top-level module is the user's own source, not an installed package."""
    if root in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, AttributeError, ValueError):
        return False
    # A folder without an __init__.py has no origin.
    places = [spec.origin, *(spec.submodule_search_locations or [])] if spec else []
    paths = [Path(place).resolve() for place in places if place]
    return bool(paths) and not any(
        path.is_relative_to(installed) for path in paths for installed in _installed()
    )


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
