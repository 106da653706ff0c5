"""NAS-Bench-ASR's official files: ``nb-asr-e40-1234.pickle`` and those beside it.

Source: Mehrotra et al., "NAS-Bench-ASR: Reproducible Neural Architecture Search for Speech
Recognition", ICLR 2021: 8,242 networks trained on TIMIT for 40 epochs (or 5, 10) with three seeds,
one file a seed, all imported together; with them, if wanted, the file of parameters
(``nb-asr-info.pickle``) and those of latencies (``nb-asr-bench-….pickle``). A file holds two
pickles: a header, and a list with one row a network. Phoneme error rates are minimized. The files
hold no training time: an epoch costs one second.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Required, TypedDict

import numpy as np

from ..base import Arch
from ..foreign import numbers, typed
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .rows import table_of
from .stream import Unpickler


class _SearchSpace(TypedDict):
    ops: list[str]
    nodes: int


class _Header(TypedDict, total=False):
    """What a file says of itself; a file of trainings has all but ``device``."""

    dataset_type: Required[str]
    seed: int | str
    epochs: int
    columns: list[str]
    search_space: _SearchSpace
    device: str


class _File(NamedTuple):
    path: Path
    header: _Header
    rows: dict[str, tuple[Any, ...]]


_MEMBERS = {
    "training": ("seed", "epochs", "columns", "search_space"),
    "static": ("columns",),
    "benchmarking": ("columns", "device"),
}
"""What the header of each type of file must have."""


def _load(path: Path) -> _File:
    with path.open("rb") as file:
        reader = Unpickler(file, str(path))
        header, rows = reader.load(), reader.load()
    if not isinstance(header, dict) or "dataset_type" not in header or not isinstance(rows, list):
        raise BadFile(f"{path}: expected a header with dataset_type, and rows, of NAS-Bench-ASR")
    what = f"{path}: expected files of NAS-Bench-ASR"
    known = typed(header, _Header, f"{what}, header")
    for name in _MEMBERS.get(known["dataset_type"], ()):
        if name not in known:
            raise BadFile(f"{what}: the header has no {name}")
    named: dict[str, tuple[Any, ...]] = {}
    for row in typed(rows, list[tuple[Any, ...]], f"{what}, rows"):
        if not row or not isinstance(row[0], str):
            raise BadFile(f"{what}: rows that begin with a hash, got {row[:1]}")
        named[row[0]] = row[1:]
    return _File(path, known, named)


def _column(files: list[_File], hashes: list[str], number: int) -> list[list[Any]]:
    """(networks, files) the values at a place of their rows.

    Raises:
        BadFile: if a file lacks one.
    """
    for file in files:
        for key in hashes:
            if len(file.rows.get(key, ())) <= number:
                raise BadFile(f"{file.path}: expected value {number + 1} of the network {key}")
    return [[file.rows[key][number] for file in files] for key in hashes]


def _flat(point: list[list[int]]) -> Arch:
    """``[[op, skip], [op, skip, skip], …]`` as one tuple."""
    return tuple(number for node in point for number in node)


def _decisions(operations: list[str], nodes: int) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in range(1, nodes + 1):
        found.append((f"operation {node}", tuple(operations)))
        found += [(f"skip from {before} to {node}", ("no", "yes")) for before in range(node)]
    return found


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """One dataset, of all seeds."""
    loaded = []
    for number, path in enumerate(files, 1):
        loaded.append(_load(path))
        progress(0.8 * number / len(files))
    yield _imported(loaded)


def _imported(files: list[_File]) -> Imported:
    trained = [file for file in files if file.header["dataset_type"] == "training"]
    if not trained:
        raise BadFile("expected at least one file of trainings, nb-asr-e40-….pickle, got none")
    trained.sort(key=lambda file: str(file.header["seed"]).zfill(20))
    first = trained[0]
    for file in trained[1:]:
        if file.rows.keys() != first.rows.keys() or file.header["epochs"] != first.header["epochs"]:
            raise BadFile(f"{file.path} is of other networks or epochs than {first.path}")
    hashes = list(first.rows)
    epochs, what = first.header["epochs"], str(first.path)
    shape = len(hashes), len(trained)
    validation = numbers(_column(trained, hashes, 0), f"{what}, validation", (*shape, epochs))
    test = numbers(_column(trained, hashes, 1), f"{what}, test", shape)
    columns = {"validation": validation.transpose(0, 2, 1)}
    # Only the last epoch was tested.
    tested = np.full_like(columns["validation"], np.nan)
    tested[:, -1] = test
    columns["test"] = tested
    columns["seconds"] = np.zeros_like(tested) + np.arange(1.0, epochs + 1)[:, None]
    described = [
        Column("validation", "", False, "validation phoneme error rate"),
        Column("test", "", False, "test phoneme error rate"),
        Column("seconds", "s", False, "epochs (the files hold no training time)"),
    ]
    for file in files:
        kind = file.header["dataset_type"]
        static = file.header["columns"][1:3] if kind == "static" else []
        names = {"static": static, "benchmarking": ["latency"]}.get(kind, [])
        for number, name in enumerate(names):
            where = f"{file.path}, {name}"
            values = numbers(_column([file], hashes, number), where, (len(hashes), 1))
            device = f"-{file.header['device']}".lower() if kind == "benchmarking" else ""
            columns[name + device] = values[:, :, None]
            described.append(Column(name + device, "", False, name, proxy=kind == "static"))
    described_space = first.header["search_space"]
    decisions = _decisions(described_space["ops"], described_space["nodes"])
    points = typed([first.rows[key][-1] for key in hashes], list[list[list[int]]], what)
    archs = [_flat(point) for point in points]
    sizes = [len(choices) for _, choices in decisions]
    for arch in archs:
        if len(arch) != len(sizes) or not all(0 <= a < n for a, n in zip(arch, sizes, strict=True)):
            raise BadFile(f"{what}: expected {len(sizes)} choices below {sizes}, got {arch}")
    table, space = table_of("nasbench-asr", decisions, archs, range(1, epochs + 1), columns)
    return Imported(
        "nasbench-asr",
        f"timit-e{epochs}",
        table,
        tuple(described),
        space,
        "Mehrotra et al., NAS-Bench-ASR, ICLR 2021",
        (f"training seeds: {', '.join(str(file.header['seed']) for file in trained)}",),
    )


FORMAT = Format(
    name="nasbench-asr",
    title="NAS-Bench-ASR",
    files="nb-asr-e40-1234.pickle and its siblings, nb-asr-info.pickle, nb-asr-bench-….pickle",
    read=read,
)
