"""Results made elsewhere into a results folder, and a results folder into what others read.

Every format is a module with ``read(source, options)`` and ``write(results, out, options)``. What
they pass around is a frame with one row a query, in the order of the queries of each run:

``task``, ``strategy``, ``seed`` and ``loss`` (minimized, NaN for a failed training), and those of
the record's other columns that the format knows (docs/results-format.md). `complete` fills in the
rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...bench._base.errors import StoreError, UnknownName
from ...bench.store import manifest as manifests
from ...bench.store import store
from ...bench.store.manifest import (
    Budget,
    ColumnFacts,
    Experiment,
    Manifest,
    PerMetric,
    StrategySpec,
    TaskFacts,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FORMATS = {
    "tidy": "a CSV or Parquet table, one row a query",
    "optuna": "studies in an Optuna storage (a URL)",
    "syne-tune": "Syne Tune's experiment folders",
    "carps": "CARP-S's table of logs, CSV or Parquet",
    "ioh": "a folder of IOHprofiler's JSON and .dat files",
    "coco": "a folder of COCO's .info and .dat files",
}
"""The formats there are, in words."""

SEEDS = 50
"""Seeds in a file of the results folder, at most."""

Decisions = Callable[[str], Sequence[tuple[str, Sequence[str]]]]
"""A task's id -> name and choices of each of its decisions; empty where the task is not known."""


@dataclass(frozen=True)
class Options:
    """What a format cannot know by itself.

    ``task`` and ``strategy`` name what a source has no name for; ``pattern`` is a regular
    expression with groups ``task``, ``strategy`` and ``seed`` that finds them in the source's own
    names; ``metric`` is the column that is the loss, ``maximize`` says that more of it is better;
    ``optimum`` maps tasks to the reference of their regret, as a loss.
    """

    task: str | None = None
    strategy: str | None = None
    pattern: str | None = None
    metric: str | None = None
    maximize: bool | None = None
    optimum: dict[str, float] = field(default_factory=dict)
    decisions: Decisions = lambda task: ()


class Runs(NamedTuple):
    """What was read: the frame, and the manifest where the source has one of ours.

    ``optimum`` is what all losses are less, where the format says that they are distances to it.
    """

    frame: pd.DataFrame
    manifest: Manifest | None = None
    optimum: float | None = None


def import_results(
    kind: str,
    source: str,
    out: str | os.PathLike[str],
    options: Options | None = None,
) -> Path:
    """Make the results folder ``out`` from ``source``; returns it.

    Raises:
        UnknownName: if there is no such format.
        StoreError: if ``out`` is there already, or ``source`` is not what the format expects.
    """
    options = options or Options()
    root = Path(out)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise StoreError(f"{root} exists already; choose another --out")
    module = _module(kind)
    try:
        runs = module.read(source, options)
        if runs.frame.empty:
            raise StoreError(f"{source} holds no finished query that could be imported")
        frame = complete(runs.frame)
        manifest = runs.manifest or _manifest(f"{kind}: {source}", frame, runs.optimum, options)
        units = list(_units(frame))
    except _NO_RESULTS as error:
        said = (str(error).splitlines() or [""])[0]
        raise StoreError(
            f"{source} cannot be imported as {kind} ({type(error).__name__}: {said}); expected "
            f"{FORMATS[kind]}"
        ) from error
    for unit, table in units:
        store.write_unit(root, unit, table)
    manifests.write(root, manifest)
    return root


_NO_RESULTS = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError),
    *(ValueError, MemoryError, EOFError, NotImplementedError),
)
"""All that a source of another kind, or half of one, can bring the formats' readers to say.

Errors of pandas, JSON and Arrow about what they were given are ValueErrors.
"""


def export_results(
    kind: str,
    results: str | os.PathLike[str],
    out: str,
    options: Options | None = None,
) -> str:
    """Write the record of ``results`` to ``out`` in another format; returns ``out``.

    Raises:
        UnknownName: if there is no such format.
        StoreError: if ``results`` is no results folder or holds nothing, or ``out`` is taken.
    """
    frame = store.read(results)
    if frame.empty:
        raise StoreError(f"{results} holds no finished run to export")
    frame = frame.astype({"task": str, "strategy": str})
    _module(kind).write(Runs(frame, manifests.read(results)), out, options or Options())
    return out


def _module(kind: str) -> Any:
    if kind not in FORMATS:
        raise UnknownName("format", kind, FORMATS)
    return import_module(f".{kind.replace('-', '_')}", __package__)


# From what a format knows to the record.


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The record's columns, those that are missing filled in with the least that can be said.

    The truth is the observed loss where no other is known; a query takes one epoch and one unit of
    cost; each row is a network of its own unless ``config`` or ``network`` says otherwise.

    Raises:
        StoreError: if one of the columns that must be there is not.
    """
    missing = [name for name in ("task", "strategy", "seed", "loss") if name not in frame]
    if missing:
        raise StoreError(f"expected columns task, strategy, seed and loss; {missing} are missing")
    run = ["task", "strategy", "seed"]
    made = frame.copy()
    for name in ("task", "strategy"):
        if made[name].isna().any():
            raise StoreError(f"expected a name as {name} in every row, got none in some")
        made[name] = made[name].astype(str)
    seeds = np.asarray(made["seed"], dtype=float)
    if not ((seeds >= 0) & (seeds < 2**31) & (seeds == np.floor(seeds))).all():
        raise StoreError("expected whole seeds from 0 on in every row")
    made["seed"] = seeds.astype(np.int32)
    order = [*run, "step"] if "step" in made else [*run, "finish"] if "finish" in made else run
    made = made.sort_values(order, kind="stable", ignore_index=True)
    step = made.groupby(run, sort=False).cumcount() + 1
    made["step"] = step
    if "finish" not in made:
        made["finish"] = step.astype(float)
    before = made.groupby(run, sort=False)["finish"].shift(fill_value=0.0)
    defaults: dict[str, Any] = {
        "start": before,
        # Not nothing: what is charged nothing is no query.
        "charged": np.maximum(made["finish"] - before, 1e-9),
        "epochs": 1,
        "replica": -1,
        "validation": made["loss"],
        "test": np.nan,
        "thinking": np.nan,
    }
    for name, values in defaults.items():
        if name not in made:
            made[name] = values
    if "network" not in made:
        keys = made["config"] if "config" in made else made.index.to_series()
        made["network"] = keys.groupby(made["task"]).transform(lambda own: own.factorize()[0])
    if "arch" not in made:
        made["arch"] = [[]] * len(made)
    return made.drop(columns="config", errors="ignore")


_TYPES = {
    "seed": "int32",
    "step": "int32",
    "arch": "list<int16>",
    "network": "int64",
    "epochs": "int32",
    "replica": "int16",
}


def _units(frame: pd.DataFrame) -> Iterator[tuple[store.Unit, pa.Table]]:
    """The units of a results folder, each with its record."""
    import pyarrow as pa

    names = [str(name) for name in frame if name not in ("task", "strategy")]
    names.sort(key=lambda name: list(_TYPES).index(name) if name in _TYPES else len(_TYPES))
    types = {"list<int16>": pa.list_(pa.int16())}
    schema = pa.schema(
        [
            (name, types.get(kind) or pa.type_for_alias(kind))
            for name, kind in ((name, _TYPES.get(name, "float64")) for name in names)
        ]
    )
    for (task, label), own in groups(frame, "task", "strategy"):
        seeds = own["seed"].unique()
        for start in range(0, len(seeds), SEEDS):
            block = seeds[start : start + SEEDS]
            rows = own[own["seed"].isin(block)][names]
            table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
            unit = store.Unit(task, label, int(block[0]), int(block[-1]))
            yield unit, table.replace_schema_metadata(None)


def _manifest(
    source: str, frame: pd.DataFrame, optimum: float | None, options: Options
) -> Manifest:
    """A manifest that says what is known, and where the rest came from."""
    from importlib.metadata import version

    unknown = sorted(set(options.optimum) - set(frame["task"]))
    if unknown:
        raise UnknownName("task", unknown[0], frame["task"].unique())
    experiment = Experiment(
        name="imported",
        tasks=tuple(dict.fromkeys(frame["task"])),
        strategies=tuple(StrategySpec(x, x) for x in dict.fromkeys(frame["strategy"])),
        seeds=int(frame["seed"].max()) + 1,
        budget=Budget(queries=int(frame["step"].max())),
        noise="as imported",
        duplicates="as imported",
    )
    return Manifest(
        name=f"imported from {source}",
        experiment=experiment,
        tasks={
            task: _facts(source, own, options.optimum.get(task, optimum))
            for task, own in groups(frame, "task")
        },
        packages={"nasarena": version("nasarena")},
    )


def _facts(source: str, frame: pd.DataFrame, optimum: float | None) -> TaskFacts:
    """What there is to say of a task that is known by its results only."""
    column = ColumnFacts("loss")
    test = bool(frame["test"].notna().any())
    timed = not np.array_equal(frame["finish"], frame["step"])
    networks = int(frame["network"].nunique())
    digest = hashlib.sha256(np.ascontiguousarray(frame["loss"].to_numpy(float)).tobytes())
    return TaskFacts(
        hash=digest.hexdigest()[:16],
        validation=column,
        test=column if test else None,
        cost=ColumnFacts("time", "s") if timed else ColumnFacts("queries"),
        epochs=tuple(sorted(int(epochs) for epochs in frame["epochs"].unique())),
        architectures=networks,
        unique=networks,
        rows=networks,
        optimum=PerMetric(
            validation=float(frame["validation"].min()) if optimum is None else float(optimum),
            test=float(frame["test"].min()) if test else None,
        ),
        reference="the best that any run saw" if optimum is None else "given with the results",
        objectives={"validation": column},
        citation=f"imported from {source}",
    )


# What several formats need.


def groups(frame: pd.DataFrame, *names: str) -> Iterator[tuple[Any, Any]]:
    """The rows of ``frame`` that share their values of ``names``, in order of appearance."""
    yield from frame.groupby(list(names) if len(names) > 1 else names[0], sort=False)


def named(name: str, options: Options, number: int) -> tuple[str, str, int]:
    """Task, strategy and seed of the run that a source calls ``name``, its ``number``-th.

    Raises:
        StoreError: if the pattern is none, does not match, or its seed is no number.
    """
    import re

    found: dict[str, str | None] = {}
    if options.pattern is not None:
        try:
            match = re.search(options.pattern, name)
        except re.error as error:
            raise StoreError(f"--pattern {options.pattern!r}: {error}") from None
        if match is None:
            raise StoreError(f"--pattern {options.pattern!r} does not match {name!r}")
        found = match.groupdict()
    seed = found.get("seed") or str(number)
    if not seed.isdecimal():
        raise StoreError(f"--pattern: expected a whole number as seed of {name!r}, got {seed!r}")
    task = found.get("task") or options.task or name
    return task, found.get("strategy") or options.strategy or "imported", int(seed)


def incumbent_regret(runs: Runs) -> pd.Series[float]:
    """The true regret of the incumbent after each query, NaN before there is one.

    This, and not the least true regret so far, is what a search can be credited with: it does not
    know the truth.
    """
    import pandas as pd

    from ..stats.regret import incumbent_values, incumbents, regret

    assert runs.manifest is not None
    parts = []
    for (task, _, _), own in groups(runs.frame, "task", "strategy", "seed"):
        loss = own["loss"].to_numpy(float)[None]
        chosen = incumbents(loss, own["epochs"].to_numpy()[None])
        truth = incumbent_values(own["validation"].to_numpy(float)[None], chosen)
        best = runs.manifest.tasks[task].optimum.validation
        regrets = regret(truth, np.nan if best is None else best)
        parts.append(pd.Series(regrets[0], index=own.index))
    return pd.concat(parts)


def beside(file: Path, name: str) -> Path:
    """The file ``name`` that ``file`` names, at or below its folder.

    Raises:
        StoreError: if it lies elsewhere: what others wrote has no say in which files are read.
    """
    folder = file.parent.resolve()
    found = (folder / name).resolve()
    if "\0" in name or not found.is_relative_to(folder):
        raise StoreError(f"{file} names {name!r}, which is not in its folder")
    return found


def empty_folder(out: str) -> Path:
    """``out`` as a new folder.

    Raises:
        StoreError: if something is there already.
    """
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StoreError(f"{path} exists already; choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    return path
