"""The experiment: which tasks, strategies, seeds and budget. Read from TOML, checked key by key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...spaces.bounds import read_toml
from ...spaces.table import BadFile
from .._base.errors import ExperimentError, UnknownName
from ..core.oracle import DUPLICATES, NOISE
from ..core.runner import Budget, check_capabilities
from . import registry

DEFAULT_TASKS = ["nasbench201/*", "nasbench-graph/cora", "fcnet/protein"]
DEFAULT_STRATEGIES = ["random", "regularized-evolution", "local-search", "optuna-tpe"]


@dataclass(frozen=True)
class StrategySpec:
    """A strategy by its registered name, with its settings and the label it has in results."""

    name: str
    label: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """What is to be run. Every field is a key of the experiment file; see docs/experiment-file.md.

    ``timeout`` is the real time in seconds that one run (one seed) may take, ``memory`` the
    mebibytes that a unit may take on top of its process; 0 is no limit. With ``lanes``
    strategies that have a lane form run all seeds of a unit at once; see docs/compare.md.
    """

    name: str = "default"
    tasks: tuple[str, ...] = tuple(DEFAULT_TASKS)
    strategies: tuple[StrategySpec, ...] = tuple(StrategySpec(n, n) for n in DEFAULT_STRATEGIES)
    seeds: int = 10
    budget: Budget = field(default_factory=lambda: Budget(queries=200))
    workers: int = 1
    noise: str = "sampled"
    duplicates: str = "charge"
    seed: int = 0
    timeout: float = 600.0
    memory: float = 0.0
    lanes: bool = False

    def as_file(self) -> dict[str, Any]:
        """The experiment as an experiment file would hold it: `parse` makes it again."""
        plain = self.to_json()
        plain["budget"] = {k: v for k, v in plain["budget"].items() if v is not None}
        plain["strategies"] = [
            {**s["settings"], "name": s["name"], "label": s["label"]} for s in plain["strategies"]
        ]
        return plain

    def to_json(self) -> dict[str, Any]:
        """The experiment as plain lists and dictionaries."""
        plain = asdict(self)
        plain["tasks"] = list(self.tasks)
        plain["strategies"] = list(plain["strategies"])
        return plain

    def check(self) -> None:
        """Check that every strategy exists, takes its settings and can do what a task asks.

        Raises:
            NasarenaError: naming the first thing that does not fit.
        """
        for spec in self.strategies:
            factory = registry.strategy_factory(spec.name)
            _check_settings(spec, factory)
            for task_id in self.tasks:
                check_capabilities(factory, spec.label, registry.task(task_id), self.workers)


def _check_settings(spec: StrategySpec, factory: Callable[..., Any]) -> None:
    parameters = inspect.signature(factory).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return  # an adapter, which checks them against what it wraps when it is made
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for name in spec.settings:
        if name not in known:
            raise UnknownName(f"setting of strategy {spec.name!r}", name, known)


def load(path: Path) -> Experiment:
    """The experiment in a TOML file.

    Raises:
        ExperimentError: if the file is missing or malformed (with line and column), or a key
            is unknown or has an unexpected value.
        UnknownName: if a task, strategy or setting is unknown.
    """
    try:
        return parse(read_toml(path))
    except FileNotFoundError:
        raise ExperimentError(f"there is no experiment file {path}") from None
    except (OSError, BadFile) as error:
        raise ExperimentError(f"{path}: {error}") from error
    except ExperimentError as error:
        raise ExperimentError(f"{path}: {error}") from error


def parse(data: dict[str, Any]) -> Experiment:
    """An experiment from plain data, as TOML or JSON give it; what is left out has its default."""
    _known_keys(data, [f.name for f in fields(Experiment)], "")
    given: dict[str, Any] = {}
    for key in ("name", "noise", "duplicates"):
        if key in data:
            given[key] = _typed(key, data[key], str, "a string")
    for key, least in (("seeds", 1), ("workers", 1), ("seed", 0)):
        if key in data:
            given[key] = _number(key, data[key], int, least)
    if "lanes" in data:
        if not isinstance(data["lanes"], bool):
            raise ExperimentError(f"lanes: expected true or false, got {data['lanes']!r}")
        given["lanes"] = data["lanes"]
    if "timeout" in data:
        given["timeout"] = _number("timeout", data["timeout"], float, 0.001)
    if "memory" in data:
        given["memory"] = _number("memory", data["memory"], float, 0)
    for key, allowed in (("noise", NOISE), ("duplicates", DUPLICATES)):
        if key in given and given[key] not in allowed:
            raise UnknownName(f"value of {key}:", given[key], allowed)
    if "budget" in data:
        given["budget"] = _budget(data["budget"])
    patterns = _list("tasks", data.get("tasks", DEFAULT_TASKS))
    for number, pattern in enumerate(patterns):
        _typed(f"tasks[{number}]", pattern, str, "a task id or pattern")
    given["tasks"] = tuple(registry.select_tasks(patterns))
    given["strategies"] = specs(data.get("strategies", DEFAULT_STRATEGIES))
    experiment = Experiment(**given)
    experiment.check()
    return experiment


FIXED: dict[str, Any] = {
    "budget": None,
    "workers": 1,
    "noise": None,
    "duplicates": None,
    "seed": 0,
    "lanes": False,
}
"""What all units of a results folder have in common, and what a manifest without it means."""


def from_manifest(written: dict[str, Any]) -> Experiment:
    """The experiment that a manifest keeps under its key ``experiment``."""
    plain = dict(written)
    plain["budget"] = {k: v for k, v in written["budget"].items() if v is not None}
    plain["strategies"] = [
        {**s["settings"], "name": s["name"], "label": s["label"]} for s in written["strategies"]
    ]
    return parse(plain)


def _known_keys(data: dict[str, Any], known: list[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise UnknownName(f"key{where}", key, known)


def _typed(key: str, value: Any, kind: type, expected: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ExperimentError(f"{key}: expected {expected}, got {value!r}")
    return value


def _number(key: str, value: Any, kind: type, least: float) -> Any:
    wanted = "a whole number" if kind is int else "a number"
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or (kind is int and not float(value).is_integer())
        or not value >= least
    ):
        raise ExperimentError(f"{key}: expected {wanted} of at least {least}, got {value!r}")
    return kind(value)


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ExperimentError(f"{key}: expected a list with at least one entry, got {value!r}")
    return value


def _budget(value: Any) -> Budget:
    _typed("budget", value, dict, "a table with queries, epochs or seconds")
    _known_keys(value, ["queries", "epochs", "seconds"], " of [budget]")
    kinds = {"queries": int, "epochs": int, "seconds": float}
    least = {"queries": 1, "epochs": 1, "seconds": 1e-9}
    given = {k: _number(f"budget.{k}", v, kinds[k], least[k]) for k, v in value.items()}
    return Budget(**given)


def specs(value: Any) -> tuple[StrategySpec, ...]:
    """The strategies in a list of names and tables with a name, as an experiment file has it."""
    found: list[StrategySpec] = []
    for number, entry in enumerate(_list("strategies", value)):
        key = f"strategies[{number}]"
        if isinstance(entry, str):
            entry = {"name": entry}
        settings = dict(_typed(key, entry, dict, "a name or a table with a name"))
        if "name" not in settings:
            raise ExperimentError(f"{key}: expected a table with a name, got {entry!r}")
        name = _typed(f"{key}.name", settings.pop("name"), str, "a strategy's name")
        label = settings.pop("label", None) or label_of(name, settings)
        _typed(f"{key}.label", label, str, "a string")
        registry.strategy_factory(name)
        if label in [spec.label for spec in found]:
            raise ExperimentError(f"{key}: the label {label!r} is taken; set another `label`")
        found.append(StrategySpec(name, label, settings))
    return tuple(found)


def label_of(name: str, settings: dict[str, Any]) -> str:
    """The label of a strategy that was given none: its name, and its settings if it has any."""
    stem = name.rpartition(":")[2] if registry.is_file_name(name) else name
    if not settings:
        return stem
    return f"{stem} ({', '.join(f'{k}={v}' for k, v in settings.items())})"
