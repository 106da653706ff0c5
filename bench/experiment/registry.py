"""Finds strategies and benchmarks by name; imports them when asked for.

A name is one of the built-in ones below, one that an installed package announces through the
entry-point groups ``nasarena.strategies`` and ``nasarena.benchmarks``, or
``path/to/file.py:attribute``. Benchmarks are also those that have been imported.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ...spaces import library
from ...spaces.table import BadFile, Benchmark
from .._base.errors import DataError, ExperimentError, NasarenaError, UnknownName
from ..core.contracts import Task, TaskBenchmark, is_reproducible, missing_members, table_of
from ..core.task import TableTask
from ..core.types import StrategyFactory

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
_PRUNERS = (
    "median",
    "percentile",
    "successive-halving",
    "hyperband",
    "patient",
    "threshold",
    "wilcoxon",
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
    "darts": "nasarena.strategies.darts:darts",
    "gdas": "nasarena.strategies.gdas:gdas",
    "spos": "nasarena.strategies.spos:spos",
    "random-weight-sharing": "nasarena.strategies.random_weight_sharing:random_weight_sharing",
    "nsga2": "nasarena.strategies.nsga2:NSGA2",
    "parego": "nasarena.strategies.parego:ParEGO",
    "nevergrad": "nasarena.strategies.adapters.nevergrad_optimizer:Nevergrad",
    "pymoo": "nasarena.strategies.adapters.pymoo_algorithm:Pymoo",
    "smac": "nasarena.strategies.adapters.smac:SMAC",
    "syne-tune": "nasarena.strategies.adapters.syne_tune_scheduler:SyneTune",
    **{
        f"optuna-{name}": f"nasarena.strategies.adapters.optuna_sampler:optuna_{name}"
        for name in _SAMPLERS
    },
    **{
        f"optuna-{name}": "nasarena.strategies.adapters.optuna_pruner:optuna_"
        + name.replace("-", "_")
        for name in _PRUNERS
    },
}
BENCHMARKS: dict[str, str] = {
    "nasbench201": "nasarena.spaces.published.nasbench201:BENCHMARK",
    "nasbench-graph": "nasarena.spaces.published.nasbench_graph:BENCHMARK",
    "fcnet": "nasarena.spaces.published.fcnet:BENCHMARK",
}
LIVE = {"live": "nasarena.bench.live.benchmark:BENCHMARK"}
"""Benchmarks that train. Their tasks are chosen by name: ``*`` alone starts no training."""


def _announced(group: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=group)}


@cache
def strategy_names() -> dict[str, str]:
    """Every known strategy's name and where it lives."""
    return _announced("nasarena.strategies") | STRATEGIES


@cache
def built_in_benchmarks() -> dict[str, str]:
    """Every benchmark that needs no import: its name and where it lives."""
    return _announced("nasarena.benchmarks") | BENCHMARKS


def benchmark_names() -> tuple[str, ...]:
    """The names of all known benchmarks, the imported ones last."""
    known = built_in_benchmarks()
    return (*known, *(name for name in library.names() if name not in known))


@cache
def _module_from_file(path: Path) -> ModuleType:
    # The name carries the path's hash: two files called mine.py stay two modules.
    name = f"nasarena_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NasarenaError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # No __pycache__ beside a user's file: it would make a clean checkout one with changes.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def file_place(name: str) -> str | None:
    """The file of a name of the form ``path/to/file.py:attribute``, as it is written there."""
    return f"{name.partition('.py:')[0]}.py" if is_file_name(name) else None


def shipped(folder: Path, place: str) -> Path:
    """Where in ``folder`` the copy of a file lies that another machine knows as ``place``."""
    return folder / hashlib.sha256(place.encode()).hexdigest()[:16] / Path(place).name


_shipped: Path | None = None


def use_files(folder: Path | None) -> None:
    """From now on take the users' files from where a cluster's worker keeps them, if it does."""
    global _shipped
    if folder != _shipped:
        _task.cache_clear()  # it holds tasks of the files that were there before
        _shipped = folder


def _path(place: str) -> Path:
    """The file ``place``, or the copy of it that came from another machine."""
    if _shipped is not None and (copy := shipped(_shipped, place)).is_file():
        return copy
    return Path(place).expanduser().resolve()


def load(where: str) -> Any:
    """The object at ``"package.module:attribute"`` or ``"path/to/file.py:attribute"``.

    An error of a module of the package's own comes out as itself: it is no fault of the user's.

    Raises:
        NasarenaError: if the file, module or attribute is not there or does not import.
    """
    place, _, attribute = where.rpartition(":")
    path = _path(place) if place.endswith(".py") else None
    if path is not None and not path.is_file():
        raise NasarenaError(f"{where}: there is no file {path}")
    try:
        module = importlib.import_module(place) if path is None else _module_from_file(path)
    except NasarenaError:
        raise
    except Exception as error:
        if _is_own_fault(error):
            raise
        raise NasarenaError(f"{where} does not import: {_said_of(error)}") from error
    if not hasattr(module, attribute):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise UnknownName(f"attribute of {place}", attribute, public)
    return getattr(module, attribute)


_PACKAGE = f"{__name__.partition('.')[0]}."


def _is_own_fault(error: Exception) -> bool:
    """Whether a module of this package failed while it was imported, not for want of another's."""
    if isinstance(error, ImportError) and not f"{error.name}.".startswith(_PACKAGE):
        return False
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    modules = (f.f_globals["__name__"] for f in frames if f.f_code.co_name == "<module>")
    return any(str(module).startswith(_PACKAGE) for module in modules)


def _said_of(error: Exception) -> str:
    """The error in words, and the last line that was at work, unless that is the importing."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    known = not last.filename.startswith("<frozen ") and last.filename != __file__
    where = f" ({last.filename}, line {last.lineno})" if known else ""
    return f"{type(error).__name__}: {error}{where}"


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


def benchmark(name: str) -> Benchmark | TaskBenchmark:
    """The benchmark registered under ``name``, or imported.

    Raises:
        UnknownName: if there is none.
    """
    known = built_in_benchmarks() | LIVE
    if is_file_name(name) or name in known:
        found: Benchmark | TaskBenchmark = load(known.get(name, name))
        for member, what in (("datasets", "its tasks by name"), ("task or open", "to make one")):
            if not any(hasattr(found, each) for each in member.split(" or ")):
                raise NasarenaError(
                    f"benchmark {name!r}: expected a member {member} ({what}), got {found!r}; "
                    "docs/extending.md says what a benchmark has"
                )
        return found
    if name not in library.names():
        raise UnknownName("benchmark", name, benchmark_names())
    return library.benchmark(name)


def citation(benchmark: Benchmark | TaskBenchmark) -> str:
    """Where the data of a benchmark come from; empty if it does not say."""
    return str(getattr(benchmark, "citation", ""))


def task_names() -> tuple[str, ...]:
    """The ids of all known tasks that are tables, ``benchmark/dataset``."""
    return tuple(
        f"{name}/{dataset}" for name in benchmark_names() for dataset in benchmark(name).datasets
    )


@cache
def live_task_names() -> tuple[str, ...]:
    """The ids of the built-in tasks that train."""
    return tuple(f"{name}/{dataset}" for name in LIVE for dataset in benchmark(name).datasets)


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
            known = live_task_names() if stem.partition("/")[0] in LIVE else task_names()
            names = [name for name in known if fnmatchcase(name, stem)]
        if not names:
            raise UnknownName("task", stem, (*task_names(), *live_task_names()))
        chosen.update(dict.fromkeys(f"{name}{plus}{objectives}" for name in names))
    return list(chosen)


def task(task_id: str) -> Task:
    """The task with this id; its table is opened once a process.

    Raises:
        UnknownName: if there is none, or it has no such objective.
        DataError: if it is of an imported table, which is damaged.
    """
    stem = task_id.partition("+")[0]
    name, _, dataset = stem.rpartition("/")
    if not name:
        raise UnknownName("task", task_id, task_names())
    try:
        found = benchmark(name)
    except UnknownName:
        raise UnknownName("task", stem, task_names()) from None
    if dataset not in found.datasets:
        raise UnknownName("task", stem, (f"{name}/{d}" for d in found.datasets))
    return _task(task_id, found if isinstance(found, library.ImportedBenchmark) else None)


def new_task(task_id: str) -> Task:
    """A new task with this id, which shares nothing with the one that `task` gives.

    Raises:
        UnknownName: if there is none.
    """
    return _made(task_id, None)


@cache
def _task(task_id: str, imported: library.ImportedBenchmark | None) -> Task:
    return _made(task_id, imported)


def _made(task_id: str, imported: library.ImportedBenchmark | None) -> Task:
    stem, _, objectives = task_id.partition("+")
    name, _, dataset = stem.rpartition("/")
    found = benchmark(name) if imported is None else imported
    further = tuple(filter(None, objectives.split("+")))
    if isinstance(found, TaskBenchmark):
        made = found.task(task_id, dataset, further)
        if missing := missing_members(made):
            raise NasarenaError(
                f"task {task_id}: expected the members of nasarena.bench.core.contracts.Task, got "
                f"{made!r} without {', '.join(missing)}"
            )
        if made.id != task_id:
            raise NasarenaError(f"task {task_id}: expected that as its id, got {made.id!r}")
        return made
    try:
        return TableTask(task_id, found, dataset, further)
    except BadFile as error:
        raise DataError(str(error)) from error


def table_task(task_id: str) -> TableTask:
    """The task with this id, whose answers are all in a table.

    Raises:
        UnknownName: if there is no such task.
        ExperimentError: if its answers come from elsewhere.
    """
    found = table_of(task(task_id))
    if found is None:
        raise ExperimentError(f"{task_id} answers from no table; expected the id of one that does")
    return found


def random_search(task_id: str, hash: str, column: str) -> dict[str, Any] | None:
    """What random search on a task's table depends on; see `TableTask.random_search`.

    None where the task or its table is not at hand, or the table is not the one with that hash:
    then nothing is known of it here.
    """
    try:
        found = table_of(task(task_id))
        if found is None or not is_reproducible(found) or found.hash != hash:
            return None
        return found.random_search(column)
    except (NasarenaError, ImportError, OSError):
        return None
