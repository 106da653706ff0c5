"""The experiment: which tasks, strategies, seeds and budget. Read from TOML, checked key by key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from ...spaces.bounds import read_toml
from ...spaces.table import BadFile
from .._base import decoding
from .._base.decoding import DecodeError
from .._base.errors import ExperimentError, UnknownName
from ..core.oracle import DUPLICATES, NOISE
from ..core.runner import Budget, Rules, check_capabilities
from . import registry

DEFAULT_TASKS = ["nasbench201/*", "nasbench-graph/cora", "fcnet/protein"]
DEFAULT_STRATEGIES = ["random", "regularized-evolution", "local-search", "optuna-tpe"]
MOST_SEEDS = 2**31 - 1
"""Runs of one strategy on one task at most: the record counts them in 32 bits."""


class StrategySpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy by its registered name, with its settings and the label it has in results."""

    name: str
    label: str
    settings: dict[str, Any] = {}


class Experiment(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be run. Every field is a key of the experiment file; see docs/experiment-file.md.

    ``timeout`` is the real time in seconds that one run (one seed) may take, ``memory`` the
    mebibytes that a unit may take on top of its process; 0 is no limit. With ``lanes``
    strategies that have a lane form run all seeds of a unit at once; see docs/compare.md.
    """

    name: str = "default"
    tasks: tuple[str, ...] = tuple(DEFAULT_TASKS)
    strategies: tuple[StrategySpec, ...] = tuple(StrategySpec(n, n) for n in DEFAULT_STRATEGIES)
    seeds: Annotated[int, Meta(ge=1, le=MOST_SEEDS)] = 10
    budget: Budget = field(default_factory=lambda: Budget(queries=200))
    workers: Annotated[int, Meta(ge=1)] = 1
    noise: str = "sampled"
    duplicates: str = "charge"
    seed: Annotated[int, Meta(ge=0)] = 0
    timeout: Annotated[float, Meta(ge=0.001)] = 600.0
    memory: Annotated[float, Meta(ge=0)] = 0.0
    lanes: bool = False

    @property
    def rules(self) -> Rules:
        """What all its runs have in common."""
        return Rules(**{name: getattr(self, name) for name in Rules.__struct_fields__})

    def as_file(self) -> dict[str, Any]:
        """The experiment as an experiment file would hold it: `parse` makes it again."""
        plain = self.to_json()
        plain["budget"] = {k: v for k, v in plain["budget"].items() if v is not None}
        plain["strategies"] = [
            {**s["settings"], "name": s["name"], "label": s["label"]} for s in plain["strategies"]
        ]
        return plain

    def to_json(self) -> dict[str, Any]:
        """The experiment as plain lists and dictionaries: `from_json` makes it again."""
        plain: dict[str, Any] = decoding.plain(self)
        return plain

    def check(self) -> None:
        """Check that every strategy exists, takes its settings and can do what a task asks.

        Raises:
            NasarenaError: naming the first thing that does not fit.
        """
        for key, value, allowed in (
            ("noise", self.noise, NOISE),
            ("duplicates", self.duplicates, DUPLICATES),
        ):
            if value not in allowed:
                raise UnknownName(f"value of {key}:", value, allowed)
        for spec in self.strategies:
            factory = registry.strategy_factory(spec.name)
            _check_settings(spec, factory)
            for task_id in self.tasks:
                check_capabilities(factory, spec.label, registry.task(task_id), self.workers)


def from_json(plain: Any) -> Experiment:
    """The experiment that `Experiment.to_json` gave.

    Raises:
        ExperimentError: naming the field that is missing, unknown or has an unexpected value.
    """
    try:
        return decoding.convert(plain, Experiment, complete=True)
    except DecodeError as error:
        raise ExperimentError(str(error)) from error


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
    """An experiment from the keys of an experiment file; what is left out has its default.

    Raises:
        ExperimentError: if a key is unknown or has an unexpected value.
        UnknownName: if a task, strategy or setting is unknown.
    """
    patterns = _list("tasks", data.get("tasks", DEFAULT_TASKS), list[str])
    strategies = data.get("strategies", DEFAULT_STRATEGIES)
    try:
        rest = {k: _whole(v) for k, v in data.items() if k not in ("tasks", "strategies")}
        given = decoding.convert(rest, Experiment)
    except DecodeError as error:
        raise ExperimentError(str(error)) from error
    tasks = tuple(registry.select_tasks(patterns))
    experiment = replace(given, tasks=tasks, strategies=specs(strategies))
    experiment.check()
    return experiment


def _whole(value: Any) -> Any:
    """``value`` with numbers such as 1e3 as the whole numbers that they are."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _list(key: str, value: Any, kind: Any) -> Any:
    if not isinstance(value, list) or not value:
        raise ExperimentError(f"{key}: expected a list with at least one entry, got {value!r}")
    try:
        return decoding.convert(value, kind, key)
    except DecodeError as error:
        raise ExperimentError(str(error)) from error


def specs(value: Any) -> tuple[StrategySpec, ...]:
    """The strategies in a list of names and tables with a name, as an experiment file has it."""
    found: list[StrategySpec] = []
    for number, entry in enumerate(_list("strategies", value, list[Any])):
        key = f"strategies[{number}]"
        if isinstance(entry, str):
            entry = {"name": entry}
        if not isinstance(entry, dict):
            raise ExperimentError(f"{key}: expected a name or a table with a name, got {entry!r}")
        settings = dict(entry)
        if "name" not in settings:
            raise ExperimentError(f"{key}: expected a table with a name, got {entry!r}")
        name = _text(f"{key}.name", settings.pop("name"))
        label = _text(f"{key}.label", settings.pop("label", None) or label_of(name, settings))
        registry.strategy_factory(name)
        if label in [spec.label for spec in found]:
            raise ExperimentError(f"{key}: the label {label!r} is taken; set another `label`")
        found.append(StrategySpec(name, label, settings))
    return tuple(found)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ExperimentError(f"{key}: expected text, got {value!r}")
    return value


def label_of(name: str, settings: dict[str, Any]) -> str:
    """The label of a strategy that was given none: its name, and its settings if it has any."""
    stem = name.rpartition(":")[2] if registry.is_file_name(name) else name
    if not settings:
        return stem
    return f"{stem} ({', '.join(f'{k}={v}' for k, v in settings.items())})"
