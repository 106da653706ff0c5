"""Imports files into the library of tables, and says what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..bench._base.errors import DataError, UnknownName
from ..bench.experiment import registry
from ..spaces import library
from ..spaces.formats import NAMES, Format, Imported, find
from ..spaces.table import BadFile

_READING = 0.2
"""Part of the progress that identifying the files takes."""


class Outcome(NamedTuple):
    """The ids of the tasks that an import has made, and whether they were there already."""

    tasks: list[str]
    already: bool


def format_named(name: str) -> Format:
    """The format of this name.

    Raises:
        UnknownName: if there is none.
    """
    if name not in NAMES:
        raise UnknownName("benchmark format", name, NAMES)
    return find(name)


def import_files(
    name: str,
    files: list[Path],
    describe: Path | None = None,
    progress: Callable[[float], None] = lambda part: None,
) -> Outcome:
    """Read ``files`` as the format ``name`` and keep what is found, whole or not at all.

    The same files, read by the same reader, are not read again. ``progress`` is told how much of
    the work is done, 0 to 1.

    Raises:
        UnknownName: if there is no such format.
        DataError: if a file is missing or not what the format expects, if the name it gives
            itself is taken, or if there is no space left.
    """
    form = format_named(name)
    if not files:
        raise DataError(f"{form.name}: expected {form.files}, got no file")
    if describe is not None and name != "table":
        raise DataError(f"--describe goes with a table of your own, not with {form.name}")
    try:
        sources = _sources([*files, *([describe] if describe else [])], progress)
        identity = hashlib.sha256(f"{form.name} {form.version} {sources}".encode()).hexdigest()
        there = library.imported(identity)
        if there:
            progress(1.0)
            return Outcome(there, True)
        found = form.read(files, describe, lambda part: progress(_READING + part * 0.75))
        about = {
            "identity": identity,
            "format": form.name,
            "reader": form.version,
            "sources": sources,
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        kept = library.add(map(_not_taken, found), about)
    except (BadFile, OSError) as error:
        raise DataError(_in_words(form, error)) from error
    if not kept:
        raise DataError(f"{form.name}: nothing was found in {', '.join(map(str, files))}")
    progress(1.0)
    return Outcome([f"{benchmark}/{dataset}" for benchmark, dataset in kept], False)


def _in_words(form: Format, error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"cannot import {form.title}: {error}; nothing was kept"
    return f"cannot import {form.title}: {error}"


def _not_taken(found: Imported) -> Imported:
    if found.benchmark in registry.built_in_benchmarks():
        raise BadFile(
            f"the name {found.benchmark!r} is that of a benchmark which needs no import: choose "
            "another name"
        )
    return found


def _sources(files: list[Path], progress: Callable[[float], None]) -> list[dict[str, Any]]:
    """Name, size and digest of each file; of a folder, those of all files in it together."""
    found = []
    for number, path in enumerate(files):
        digest = hashlib.sha256()
        parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        if not parts:
            raise BadFile(f"the folder {path} is empty")
        size = 0
        for part in parts:
            with part.open("rb") as file:
                size += _digest(file, digest)
            if path.is_dir():
                digest.update(str(part.relative_to(path)).encode())
        found.append({"name": path.name, "bytes": size, "sha256": digest.hexdigest()})
        progress(_READING * (number + 1) / len(files))
    return found


def _digest(file: BinaryIO, digest: Any) -> int:
    size = 0
    while block := file.read(1 << 20):
        digest.update(block)
        size += len(block)
    return size


def rows() -> list[dict[str, Any]]:
    """What is in the library: one entry a table, ready for JSON."""
    return [
        {
            "task": f"{name}/{dataset}",
            "from": ", ".join(source["name"] for source in about["sources"]),
            "imported": about["imported"],
            "bytes": library.file(name, dataset).stat().st_size,
            "source": about["citation"],
        }
        for name in library.names()
        for dataset, about in library.benchmark(name).about.items()
    ]


def split(task: str) -> tuple[str, str | None]:
    """``BENCHMARK`` or ``BENCHMARK/DATASET`` as its two parts.

    Raises:
        UnknownName: if it is not in the library.
    """
    name, _, dataset = task.partition("/")
    if name not in library.names():
        raise UnknownName("imported benchmark", name, library.names())
    if dataset and dataset not in library.datasets(name):
        known = (f"{name}/{one}" for one in library.datasets(name))
        raise UnknownName("imported table", task, known)
    return name, dataset or None


def tables(task: str | None) -> list[tuple[str, str]]:
    """The (benchmark, dataset) that ``task`` selects, a benchmark or one of its tables."""
    if task is None:
        return [(name, dataset) for name in library.names() for dataset in library.datasets(name)]
    name, dataset = split(task)
    return [(name, dataset)] if dataset else [(name, one) for one in library.datasets(name)]


def info(name: str, dataset: str) -> dict[str, Any]:
    """All that is known of an imported table, ready for JSON.

    Raises:
        DataError: if it is damaged.
    """
    benchmark = library.benchmark(name)
    try:
        table = benchmark.open(dataset)
    except BadFile as error:
        raise DataError(str(error)) from error
    return {
        "task": f"{name}/{dataset}",
        **benchmark.about[dataset],
        "architectures": table.rows,
        "epochs": list(table.epochs),
        "replicas": table.replicas,
        "file": str(library.file(name, dataset)),
        "bytes": library.file(name, dataset).stat().st_size,
    }
