"""The folder of imported tables: one folder a benchmark, one Arrow file a dataset.

::

    HOME/<benchmark>/<dataset>.arrow

Every file carries, beside its table, what makes it a task: its space, its columns, where it came
from. A folder is put in place whole: it is written under a name that begins with a dot, which
nobody reads, and renamed.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from . import cache
from .base import Decision, SearchSpace
from .foreign import read_json, typed
from .formats import Imported
from .pool import PoolSpace
from .table import BadFile, Column, Table

SPACES = {
    "nasbench101": "published.nasbench101:SPACE",
    "nasbench201": "published.nasbench201:SPACE",
    "nasbench-graph": "published.nasbench_graph:SPACE",
    "nasbench-graph/proteins": "published.nasbench_graph:PROTEINS",
    "nasbench-macro": "published.nasbench_macro:SPACE",
}
"""The spaces of imported tables that are more than a list of decisions."""

_STAGE = ".importing-"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def home() -> Path:
    """Where imported tables are kept: ``$NASARENA_DATA``, else the user's data folder."""
    if place := os.environ.get("NASARENA_DATA"):
        return Path(place).expanduser()
    from platformdirs import user_data_path

    return user_data_path("nasarena") / "tables"


def check_name(name: str, what: str) -> str:
    """``name``, if it can be part of a task's id.

    Raises:
        BadFile: if it cannot.
    """
    if not _NAME.fullmatch(name):
        raise BadFile(
            f"{what} {name!r}: expected small letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit"
        )
    return name


def names() -> tuple[str, ...]:
    """The benchmarks that have been imported."""
    place = home()
    if not place.is_dir():
        return ()
    found = (path.name for path in place.iterdir() if path.is_dir())
    return tuple(sorted(name for name in found if _NAME.fullmatch(name) and datasets(name)))


def datasets(name: str) -> tuple[str, ...]:
    """The datasets of an imported benchmark, none if there is no such benchmark."""
    return tuple(sorted(path.stem for path in (home() / name).glob("[a-z0-9]*.arrow")))


def file(name: str, dataset: str) -> Path:
    """Where a table lies."""
    return home() / name / f"{dataset}.arrow"


class ImportedBenchmark:
    """A benchmark of the library, as it was when it was opened."""

    def __init__(self, name: str, place: Path) -> None:
        self.name = name
        self._place = place
        self.datasets = tuple(sorted(path.stem for path in place.glob("[a-z0-9]*.arrow")))
        self._opened: dict[str, tuple[Table, SearchSpace]] = {}

    @cached_property
    def about(self) -> dict[str, About]:
        """What is known of each dataset's table; see `add`. Of a damaged one, nothing but that."""
        return {name: _about(self._place / f"{name}.arrow") for name in self.datasets}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Those of all datasets, each once."""
        every = (Column(**c) for about in self.about.values() for c in about["columns"])
        return tuple({column.name: column for column in every}.values())

    @property
    def citation(self) -> str:
        return "; ".join(dict.fromkeys(about["citation"] for about in self.about.values()))

    def space(self, dataset: str) -> SearchSpace:
        return self._open(dataset)[1]

    def open(self, dataset: str, cache_dir: Path | None = None) -> Table:
        return self._open(dataset)[0]

    def _open(self, dataset: str) -> tuple[Table, SearchSpace]:
        if dataset not in self._opened:
            path = self._place / f"{dataset}.arrow"
            try:
                table, plain = Table.kept_in(path, check=False)
                self._opened[dataset] = _complete(table, typed(plain, About, "what it says"))
            except ValueError as error:
                raise BadFile(
                    f"the imported table {path} is damaged ({error}): remove it with "
                    f"`nasarena data remove {self.name}/{dataset}` and import it again"
                ) from error
        return self._opened[dataset]


class _Column(TypedDict):
    """The fields of a `Column`."""

    name: str
    unit: str
    maximize: bool
    label: str
    proxy: bool


class _Source(TypedDict):
    name: str
    bytes: int
    sha256: str


class _Space(TypedDict):
    """A space that is spelled out; see `formats.Imported`."""

    name: str
    decisions: list[tuple[str, list[str]]]
    pool: bool
    cells: NotRequired[str]


class About(TypedDict):
    """What a file of the library says of its table.

    ``identity`` is a digest of the ``sources`` and of the reader (``format`` and ``reader``, its
    version); ``imported`` is when, as ISO text.
    """

    benchmark: str
    dataset: str
    columns: list[_Column]
    space: str | _Space
    citation: str
    notes: list[str]
    identity: str
    format: str
    reader: int
    sources: list[_Source]
    imported: str


def _about(path: Path) -> About:
    try:
        return typed(cache.about(path), About, str(path))
    except (OSError, ValueError):
        return {
            "benchmark": path.parent.name,
            "dataset": path.stem,
            "columns": [],
            "space": "",
            "citation": "damaged: see nasarena data verify",
            "notes": [],
            "identity": "",
            "format": "",
            "reader": 0,
            "sources": [],
            "imported": "",
        }


def _complete(table: Table, about: About) -> tuple[Table, SearchSpace]:
    """The table with its space.

    Raises:
        ValueError: if there is no such space.
    """
    spelled = about["space"]
    if isinstance(spelled, str):
        if spelled not in SPACES:
            raise BadFile(f"it is of the space {spelled!r}, which is not known")
        module, _, attribute = SPACES[spelled].partition(":")
        space: SearchSpace = getattr(importlib.import_module(f".{module}", __package__), attribute)
        # A space with more spellings than an array can number finds rows in its own way.
        complete = getattr(space, "complete", None)
        return (table if complete is None else complete(table)), space
    decisions = [Decision(name, tuple(choices)) for name, choices in spelled["decisions"]]
    if not spelled["pool"]:
        return table, SearchSpace(spelled["name"], decisions)
    if "members" not in table.extra:
        raise BadFile("it is of a pool, and has no members")
    members = map(tuple, table.extra["members"].tolist())
    if spelled.get("cells") == "recurrent":
        from .published.nasbench_nlp import RecurrentCells

        return table, RecurrentCells(spelled["name"], decisions, members)
    return table, PoolSpace(spelled["name"], decisions, members)


@lru_cache(maxsize=32)
def _benchmark(
    name: str, place: Path, files: tuple[tuple[str, int, int], ...]
) -> ImportedBenchmark:
    return ImportedBenchmark(name, place)


def benchmark(name: str) -> ImportedBenchmark:
    """The imported benchmark of this name, opened once as long as nothing is imported anew.

    Raises:
        KeyError: if there is none.
    """
    place = home() / name
    if not datasets(name):
        raise KeyError(name)
    found = [(path.name, path.stat()) for path in sorted(place.glob("[a-z0-9]*.arrow"))]
    return _benchmark(name, place, tuple((n, s.st_mtime_ns, s.st_size) for n, s in found))


def _record(identity: str) -> Path:
    return home() / ".imports" / f"{identity}.json"


def imported(identity: str) -> list[str]:
    """The tasks that an import of this identity made, if all of them are there still; else none."""
    try:
        text = _record(identity).read_text(encoding="utf-8")
        tasks = typed(read_json(text, "the record"), list[str], "the record")
    except (OSError, ValueError):
        return []
    for task in tasks:
        name, _, dataset = task.partition("/")
        if dataset not in datasets(name):
            return []
        if benchmark(name).about[dataset]["identity"] != identity:
            return []
    return tasks


def add(found: Iterable[Imported], about: dict[str, Any]) -> list[tuple[str, str]]:
    """Keep all that is ``found``, or nothing; replaces tables of the same name.

    ``about`` goes into each file: at least ``identity``, a hex digest of the sources and of the
    reader, from which each table takes its hash. Returns the (benchmark, dataset) kept.

    Raises:
        OSError: if the folder cannot be written or there is no space left.
        BadFile: if a name cannot be part of a task's id, or whatever else a reader raises.
    """
    place = home()
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    stage = Path(tempfile.mkdtemp(prefix=f"{_STAGE}{os.getpid()}-", dir=place))
    kept = []
    try:
        for one in found:
            folder = stage / check_name(one.benchmark, "benchmark")
            folder.mkdir(exist_ok=True)
            table = one.table
            table.hash = f"{about['identity'][:12]}-{one.dataset}"
            facts = about | {
                "benchmark": one.benchmark,
                "dataset": check_name(one.dataset, "dataset"),
                "columns": [vars(column) for column in one.columns],
                "space": one.space,
                "citation": one.citation,
                "notes": list(one.notes),
            }
            cache.write(table, folder / f"{one.dataset}.arrow", facts)
            kept.append((one.benchmark, one.dataset))
        for folder in sorted(stage.iterdir()):
            _publish(folder, place / folder.name, stage)
        record = _record(about["identity"])
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps([f"{name}/{dataset}" for name, dataset in kept]))
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return kept


def _publish(new: Path, place: Path, stage: Path) -> None:
    """Put the folder ``new`` at ``place``, with those datasets of the old one that it lacks."""
    if not place.exists():
        new.rename(place)
        return
    for path in place.glob("*.arrow"):
        if not (new / path.name).exists():
            os.link(path, new / path.name)
    old = stage / f"{place.name}.old"
    place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        old.rename(place)
        raise


def _sweep(place: Path) -> None:
    """Remove what interrupted imports have left: those whose process is gone."""
    if os.name == "nt":
        return  # signal 0 asks nothing there: it would end the process
    for left in place.glob(f"{_STAGE}*"):
        process = int(left.name.removeprefix(_STAGE).partition("-")[0])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            continue


def remove(name: str, dataset: str | None = None) -> list[str]:
    """Remove a benchmark, or one of its datasets; returns the datasets removed.

    Raises:
        KeyError: if there is no such table.
    """
    gone = datasets(name) if dataset is None else (dataset,)
    if not gone or not set(gone) <= set(datasets(name)):
        raise KeyError(f"{name}/{dataset}" if dataset else name)
    for one in gone:
        file(name, one).unlink()
    if not datasets(name):
        shutil.rmtree(home() / name)
    return list(gone)


def damage(name: str, dataset: str) -> str | None:
    """What is wrong with a table, read whole; None if nothing is."""
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    try:
        table, plain = Table.kept_in(file(name, dataset))
        about = typed(plain, About, "what it says")
        _, space = _complete(table, about)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    if (about["benchmark"], about["dataset"]) != (name, dataset):
        return f"it is the table of {about['benchmark']}/{about['dataset']}"
    if len(table.row_of) == 0 and len(table.spelling) == table.rows:
        return None  # the space finds the rows
    if int(table.row_of.max(initial=-1)) >= table.rows:
        return "its index names rows that it does not have"
    if len(table.row_of) != space.spellings:
        return f"its index has {len(table.row_of)} entries, its space {space.spellings} spellings"
    return None
