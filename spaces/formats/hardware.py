"""HW-NAS-Bench: latency and energy of NAS-Bench-201's cells on six devices.

Source: Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark", ICLR 2021
(arXiv:2103.10584), the official ``HW-NAS-Bench-v1_0.pickle`` or one CSV file a dataset, whose name
ends with the dataset's: ``…_cifar10.csv.gz``. In the CSV a cell is a tuple of six operations on the
edges 0→1, 0→2, 0→3, 1→2, 1→3, 2→3, which is not NAS-Bench-201's own order.

Validation accuracy and training time are those of the packaged NAS-Bench-201, so that latencies and
energies are further objectives: ``hw-nas-bench/cifar10+edgegpu_latency``.
"""

from __future__ import annotations

import ast
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..bounds import bounded
from ..foreign import typed
from ..published.nasbench201 import EDGES, SPACE
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .rows import dataset_in, joined
from .stream import Unpickler

_FILE_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
_PLACE = tuple(_FILE_EDGES.index(edge) for edge in EDGES)
_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_CODE = tuple(SPACE.decisions[0].choices.index(name) for name in _OPERATIONS)
_DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet16-120"}


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(bounded(gzip.open(path), path), "utf-8")
    return path.open(encoding="utf-8")


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, packed or not."""
    try:
        with _opened(path) as file:
            yield from file
    except (EOFError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error) as error:
        raise BadFile(f"{path}: expected a CSV file ({error})") from error


def csv_rows(path: Path, key: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file that must have the column ``key``."""
    rows = csv.DictReader(text_lines(path))
    try:
        names = rows.fieldnames or ()
        if key not in names:
            raise BadFile(f"{path}: expected a column {key!r}, got {', '.join(names)}")
        for row in rows:
            if None in row or None in row.values():
                raise BadFile(f"{path}, line {rows.line_num}: expected {len(names)} values")
            yield row
    except csv.Error as error:
        raise BadFile(f"{path}, line {rows.line_num}: {error}") from error


def arch_of(net: str) -> tuple[int, ...]:
    """The cell that a tuple of the CSV file stands for.

    Raises:
        ValueError: if it is none.
    """
    try:
        codes = ast.literal_eval(net)
    # All that it says of a text that is no literal, or is nested deeply.
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        codes = None
    six = isinstance(codes, tuple) and len(codes) == 6
    if not six or not all(isinstance(code, int) and 0 <= code < 5 for code in codes):
        raise ValueError(f"expected a tuple of six numbers from 0 to 4, got {net}")
    return tuple(_CODE[codes[place]] for place in _PLACE)


def gather(
    path: Path, rows: Iterable[tuple[tuple[int, ...], Mapping[str, float | str]]], whole: bool
) -> dict[str, NDArray[np.float64]]:
    """(spellings,) each column of ``rows``; NaN for cells without a row.

    Raises:
        BadFile: if a cell is there twice, or missing although the table should be ``whole``.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    seen = np.zeros(SPACE.spellings, np.bool_)
    for arch, values in rows:
        number = SPACE.index(arch)
        if seen[number]:
            raise BadFile(f"{path}: the cell {SPACE.describe(arch)} is there twice")
        seen[number] = True
        for name, value in values.items():
            column = columns.setdefault(name, np.full(SPACE.spellings, np.nan))
            column[number] = float(value)
    if not seen.any() or (whole and not seen.all()):
        raise BadFile(f"{path}: expected {SPACE.spellings:,} cells, got {int(seen.sum()):,}")
    return columns


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """One dataset a CSV file, or all three of the official file."""
    for number, path in enumerate(files, 1):
        try:
            if path.suffix == ".pickle":
                yield from _official(path)
            else:
                cells = (_cell(row) for row in csv_rows(path, "net"))
                yield _imported(path, dataset_in(path), gather(path, cells, whole=True))
        except BadFile:
            raise
        except ValueError as error:
            raise BadFile(f"{path}: expected the measurements of HW-NAS-Bench ({error})") from error
        progress(number / len(files))


def _cell(row: dict[str, str]) -> tuple[tuple[int, ...], dict[str, str]]:
    return arch_of(row.pop("net")), row


class _Config(TypedDict):
    arch_str: str


class _Configs(TypedDict):
    config: list[_Config]


class _Official(TypedDict):
    nasbench201: dict[str, dict[str, list[object]]]


def _official(path: Path) -> Iterator[Imported]:
    what = f"{path}: expected the measurements of HW-NAS-Bench"
    with path.open("rb") as file:
        found = typed(Unpickler(file, str(path)).load(), _Official, what)["nasbench201"]
    for name, dataset in _DATASETS.items():
        if name not in found:
            raise BadFile(f"{what}, with the dataset {name}")
        configs = typed(found[name], _Configs, f"{what}, {name}")["config"]
        lists = {key: values for key, values in found[name].items() if key != "config"}
        measured = typed(lists, dict[str, list[float]], f"{what}, {name}")
        archs = [SPACE.parse(config["arch_str"]) for config in configs]
        for key, values in measured.items():
            if len(values) != len(archs):
                raise BadFile(f"{what}, {name}, {key}: {len(archs)} values, got {len(values)}")
        rows = (
            (arch, {key: values[number] for key, values in measured.items()})
            for number, arch in enumerate(archs)
        )
        yield _imported(path, dataset, gather(path, rows, whole=True))


def _imported(path: Path, dataset: str, further: dict[str, NDArray[np.float64]]) -> Imported:
    table, columns = joined(path, dataset, further)
    return Imported(
        "hw-nas-bench",
        dataset,
        table,
        (*columns, *map(_column, further)),
        "nasbench201",
        "Li et al., HW-NAS-Bench, ICLR 2021, arXiv:2103.10584; accuracies: Dong & Yang, ICLR 2020",
    )


def _column(name: str) -> Column:
    unit = {"latency": "ms", "energy": "mJ"}.get(name.rpartition("_")[2], "")
    return Column(name, unit, "intensity" in name, name.replace("_", " "))


FORMAT = Format(
    name="hw-nas-bench",
    title="HW-NAS-Bench, on NAS-Bench-201's cells",
    files="HW-NAS-Bench-v1_0.pickle, or CSV files …_cifar10.csv(.gz)",
    read=read,
)
