"""Finds strategies, benchmarks and report writers by name; imports them when asked for.

A name is one of the built-in ones below, one that an installed package announces through the
entry-point groups ``nasarena.strategies`` and ``nasarena.benchmarks``, or
``path/to/file.py:attribute``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ..spaces import TableBenchmark
from .errors import NasarenaError, UnknownName
from .task import Task
from .types import StrategyFactory

_SAMPLERS = (
    "random",
    "tpe",
    "gp",
    "cmaes",
    "nsgaii",
    "nsgaiii",
    "qmc",
    "grid",
    "bruteforce",
    "partialfixed",
)
STRATEGIES: dict[str, str] = {
    "random": "nasarena.strategies.random_search:RandomSearch",
    "exhaustive": "nasarena.strategies.exhaustive:Exhaustive",
    "local-search": "nasarena.strategies.local_search:local_search",
    "simulated-annealing": "nasarena.strategies.simulated_annealing:simulated_annealing",
    "regularized-evolution": "nasarena.strategies.regularized_evolution:RegularizedEvolution",
    "genetic": "nasarena.strategies.genetic:Genetic",
    "reinforce": "nasarena.strategies.reinforce:Reinforce",
    "ppo": "nasarena.strategies.ppo:PPO",
    "gradient-descent": "nasarena.strategies.gradient_descent:GradientDescent",
    "bananas": "nasarena.strategies.bananas:Bananas",
    "npenas": "nasarena.strategies.npenas:Npenas",
    "gp": "nasarena.strategies.gaussian_process:GaussianProcess",
    "random-forest": "nasarena.strategies.random_forest:RandomForest",
    "successive-halving": "nasarena.strategies.successive_halving:SuccessiveHalving",
    "hyperband": "nasarena.strategies.hyperband:Hyperband",
    "asha": "nasarena.strategies.asha:ASHA",
    "bohb": "nasarena.strategies.bohb:BOHB",
    "dehb": "nasarena.strategies.dehb:DEHB",
    "zero-cost": "nasarena.strategies.zero_cost:ZeroCost",
    "nsga2": "nasarena.strategies.nsga2:NSGA2",
    "parego": "nasarena.strategies.parego:ParEGO",
    **{f"optuna-{name}": f"nasarena.strategies.optuna_sampler:optuna_{name}" for name in _SAMPLERS},
}
BENCHMARKS: dict[str, str] = {
    "nasbench201": "nasarena.spaces.nasbench201:BENCHMARK",
    "nasbench-graph": "nasarena.spaces.nasbench_graph:BENCHMARK",
    "fcnet": "nasarena.spaces.fcnet:BENCHMARK",
}
REPORT = "nasarena.reports:write_report"
REDRAW = "nasarena.reports.redraw:verify_file"
EXCHANGE = "nasarena.reports.exchange:"


def _announced(group: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=group)}


@cache
def strategy_names() -> dict[str, str]:
    """Every known strategy's name and where it lives."""
    return _announced("nasarena.strategies") | STRATEGIES


@cache
def benchmark_names() -> dict[str, str]:
    """Every known benchmark's name and where it lives."""
    return _announced("nasarena.benchmarks") | BENCHMARKS


@cache
def _module_from_file(path: Path) -> ModuleType:
    # The name carries the path's hash: two files called mine.py stay two modules.
    name = f"nasarena_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NasarenaError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load(where: str) -> Any:
    """The object at ``"package.module:attribute"`` or ``"path/to/file.py:attribute"``.

    Raises:
        NasarenaError: if the file, module or attribute is not there or does not import.
    """
    place, _, attribute = where.rpartition(":")
    try:
        if place.endswith(".py"):
            path = Path(place).expanduser().resolve()
            if not path.is_file():
                raise NasarenaError(f"{where}: there is no file {path}")
            module = _module_from_file(path)
        else:
            module = importlib.import_module(place)
    except NasarenaError:
        raise
    except Exception as error:
        raise NasarenaError(f"{where} does not import: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise UnknownName(f"attribute of {place}", attribute, public)
    return getattr(module, attribute)


def is_file_name(name: str) -> bool:
    """Whether ``name`` has the form ``path/to/file.py:attribute``."""
    return ".py:" in name


def strategy_factory(name: str) -> StrategyFactory:
    """The factory registered under ``name``.

    Raises:
        UnknownName: if there is none.
        NasarenaError: if what is found was not declared with the ``strategy`` decorator.
    """
    known = strategy_names()
    if not is_file_name(name) and name not in known:
        raise UnknownName("strategy", name, known)
    factory = load(known.get(name, name))
    if not hasattr(factory, "info"):
        raise NasarenaError(
            f"strategy {name!r}: expected something declared with "
            f"@nasarena.bench.strategy, got {factory!r}"
        )
    found: StrategyFactory = factory
    return found


def benchmark(name: str) -> TableBenchmark:
    """The benchmark registered under ``name``."""
    known = benchmark_names()
    if not is_file_name(name) and name not in known:
        raise UnknownName("benchmark", name, known)
    found: TableBenchmark = load(known.get(name, name))
    return found


@cache
def task_names() -> tuple[str, ...]:
    """The ids of all known tasks, ``benchmark/dataset``."""
    return tuple(
        f"{name}/{dataset}" for name in benchmark_names() for dataset in benchmark(name).datasets
    )


def select_tasks(patterns: list[str]) -> list[str]:
    """The task ids that the patterns select, in the order of the patterns, each once.

    A pattern is an id, or has ``*`` and ``?`` in it; behind a ``+`` further objectives follow
    (``nasbench201/*+latency``).

    Raises:
        UnknownName: if a pattern selects nothing.
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        stem, plus, objectives = pattern.partition("+")
        if is_file_name(stem):
            place, _, dataset = stem.rpartition("/")
            names = [f"{place}/{d}" for d in benchmark(place).datasets if fnmatchcase(d, dataset)]
        else:
            names = [name for name in task_names() if fnmatchcase(name, stem)]
        if not names:
            raise UnknownName("task", stem, task_names())
        chosen.update(dict.fromkeys(f"{name}{plus}{objectives}" for name in names))
    return list(chosen)


@cache
def task(task_id: str) -> Task:
    """The task with this id; its table is opened once a process."""
    stem, _, objectives = task_id.partition("+")
    name, _, dataset = stem.rpartition("/")
    if not name:
        raise UnknownName("task", task_id, task_names())
    found = benchmark(name)
    if dataset not in found.datasets:
        raise UnknownName("task", stem, (f"{name}/{d}" for d in found.datasets))
    return Task(task_id, found, dataset, tuple(filter(None, objectives.split("+"))))


def random_search(task_id: str, hash: str, column: str) -> dict[str, Any] | None:
    """What random search on a task's table depends on; see `Task.random_search`.

    None where the task or its table is not at hand, or the table is not the one with that hash:
    then nothing is known of it here.
    """
    try:
        found = task(task_id)
        if found.table.hash != hash:
            return None
        return found.random_search(column)
    except (NasarenaError, ImportError, OSError):
        return None
