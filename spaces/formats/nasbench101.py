"""NAS-Bench-101's official files of records, read without TensorFlow.

Source: Ying et al., ICML 2019 (arXiv:1902.09635), ``nasbench_full.tfrecord`` (4, 12, 36 and 108
epochs) or ``nasbench_only108.tfrecord``. A record is a JSON list: module hash, epochs, adjacency
matrix, operations, and a Protocol Buffer message of what was measured at the start, half-way and at
the end. Kept is the end: each number of epochs is a training of its own, three times repeated.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import Struct, unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..foreign import read_json, typed
from ..published.nasbench101 import (
    EDGES,
    OPERATIONS,
    SPACE,
    VERTICES,
    Cell,
    halves,
    module_hash,
    spell,
)
from ..table import BadFile, Column, Table
from . import Format, Imported, Progress

CELLS = 423_624
"""How many a whole file has."""
EPOCHS = (4, 12, 36, 108)
REPEATS = 3
_HEAD = Struct("<QI")
_LARGEST = 1 << 20
"""Bytes; a record has a few hundred."""
_FIELDS = {2: "seconds", 3: "train", 4: "validation", 5: "test"}
COLUMNS = (
    Column("validation", "", True, "validation accuracy"),
    Column("test", "", True, "test accuracy"),
    Column("train", "", True, "training accuracy"),
    Column("seconds", "s", False, "training time"),
    Column("parameters", "", False, "parameters", proxy=True),
)


def _castagnoli() -> list[int]:
    """The table of CRC-32C, byte by byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _castagnoli()


def masked_crc(data: bytes) -> int:
    """The checksum that TFRecord files carry: a CRC-32C, rotated and shifted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path, progress: Callable[[float], None]) -> Iterator[bytes]:
    """The records of a TFRecord file. The checksum of each length is compared.

    Raises:
        BadFile: if it is none, or ends in the middle of a record.
    """
    size, done, count = max(path.stat().st_size, 1), 0, 0
    with path.open("rb") as file:
        while head := file.read(12):
            where = f"{path}, record {count + 1}"
            if len(head) < 12:
                raise BadFile(f"{where}: the file ends in the middle: truncated?")
            length, crc = _HEAD.unpack(head)
            if masked_crc(head[:8]) != crc or length > _LARGEST:
                raise BadFile(f"{where}: expected a TFRecord file, got another, or a damaged one")
            data = file.read(length + 4)
            if len(data) < length + 4:
                raise BadFile(f"{where}: the file ends in the middle: truncated?")
            count += 1
            done += 16 + length
            if count % 4096 == 0:
                progress(done / size)
            yield data[:length]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("a number is longer than its message")


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a Protocol Buffer message: int, float or bytes.

    Raises:
        ValueError: if it is none.
    """
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, value
        elif kind == 1:
            if place + 8 > len(data):
                raise ValueError("a field is longer than its message")
            yield number, unpack_from("<d", data, place)[0]
            place += 8
        elif kind == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise ValueError("a field is longer than its message")
            yield number, data[place : place + length]
            place += length
        else:
            raise ValueError(f"field {number} of wire type {kind}")


def _measured(raw: str) -> dict[str, float]:
    """What one training came to at its end, and the parameters.

    Raises:
        ValueError: if it is not a training's message.
    """
    found = list(fields(b64decode(raw, validate=True)))
    evaluations = [value for number, value in found if number == 1 and isinstance(value, bytes)]
    if len(evaluations) != 3:
        raise ValueError(f"expected 3 evaluations, got {len(evaluations)}")
    values = {
        _FIELDS[number]: value
        for number, value in fields(evaluations[2])
        if number in _FIELDS and not isinstance(value, bytes)
    }
    if len(values) < len(_FIELDS):
        raise ValueError(f"expected {', '.join(_FIELDS.values())}, got {', '.join(values)}")
    parameters = dict(found).get(2)
    if not isinstance(parameters, int | float):
        raise ValueError(f"expected a number of parameters, got {parameters!r}")
    return values | {"parameters": parameters}


def cell_of(adjacency: str, operations: str) -> tuple[int, ...]:
    """The spelling of a published cell: its matrix, row by row, and its operations.

    Raises:
        ValueError: if it is no cell of the space.
    """
    names = operations.split(",")
    count = len(names)
    if len(adjacency) != count * count or not 2 <= count <= VERTICES:
        raise ValueError(f"{count} operations and a matrix of {len(adjacency)} entries")
    edges = frozenset(divmod(place, count) for place, on in enumerate(adjacency) if on == "1")
    arch = spell(Cell(tuple(map(OPERATIONS.index, names[1:-1])), edges))
    if not SPACE.is_valid(arch) or sum(arch[: len(EDGES)]) != len(edges):
        raise ValueError("not a cell of at most nine edges from input to output")
    return arch


class _Rows:
    """Gathers the trainings of each cell."""

    def __init__(self) -> None:
        self.row_of: dict[str, int] = {}
        self.archs: list[int] = []
        shape = CELLS, len(EPOCHS), REPEATS
        self.columns = {name: np.full(shape, np.nan) for name in _FIELDS.values()}
        self.columns["parameters"] = np.full((CELLS, 1, 1), np.nan)
        self.count = np.zeros((CELLS, len(EPOCHS)), np.int8)

    def add(self, record: bytes) -> None:
        """Take in one training.

        Raises:
            ValueError: if it is no record of the benchmark.
        """
        plain = read_json(record, "the record")
        # Hash, epochs, adjacency matrix, operations, and a message in base 64.
        found = typed(plain, tuple[str, int, str, str, str], "the record")
        key, epochs, adjacency, operations, raw = found
        row = self.row_of.get(key)
        if row is None:
            arch = cell_of(adjacency, operations)
            if module_hash(arch) != key:
                raise ValueError(f"the cell {SPACE.describe(arch)} does not have the hash {key!r}")
            row = self.row_of[key] = len(self.row_of)
            if row >= CELLS:
                raise ValueError(f"more than {CELLS:,} cells")
            self.archs.append(SPACE.index(arch))
        place = EPOCHS.index(epochs)
        repeat = self.count[row, place]
        if repeat == REPEATS:
            raise ValueError(f"more than {REPEATS} trainings of the cell {key} for {epochs} epochs")
        self.count[row, place] += 1
        values = _measured(raw)
        self.columns["parameters"][row] = values.pop("parameters")
        for name, value in values.items():
            self.columns[name][row, place, repeat] = value


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """The one dataset. Holds the numbers twice: about 500 MB."""
    if len(files) != 1:
        raise BadFile(f"expected one file, nasbench_full.tfrecord, got {len(files)}")
    path, gathered = files[0], _Rows()
    for number, record in enumerate(records(path, lambda part: progress(0.9 * part)), 1):
        try:
            gathered.add(record)
        except ValueError as error:
            raise BadFile(
                f"{path}, record {number}: expected one of NAS-Bench-101 ({error})"
            ) from error
    if len(gathered.row_of) != CELLS:
        raise BadFile(f"{path}: expected {CELLS:,} cells, got {len(gathered.row_of):,}: truncated?")
    yield _arrange(gathered)
    progress(1.0)


def _arrange(gathered: _Rows) -> Imported:
    there = [place for place in range(len(EPOCHS)) if gathered.count[:, place].any()]
    hashes: list[tuple[int, int]] = [halves(key) for key in gathered.row_of]
    keys = np.array(hashes, np.uint64).T
    order = np.argsort(keys[0], kind="stable")
    shape = len(order), len(there), REPEATS
    columns: dict[str, NDArray[np.float64]] = {}
    for name in list(gathered.columns):
        values = gathered.columns.pop(name)
        values = values[order] if values.shape[1] == 1 else values[order][:, there]
        columns[name] = np.broadcast_to(values, shape)
    short = int((gathered.count[:, there] < REPEATS).any(axis=1).sum())
    empty = np.zeros(0, np.int32)
    table = Table(
        tuple(EPOCHS[place] for place in there),
        columns,
        spelling=np.array(gathered.archs, np.int32)[order],
        canonical=empty,
        row_of=empty,
        extra={"hash": np.ascontiguousarray(keys[:, order])},
        resumes=False,
    )
    return Imported(
        "nasbench101",
        "cifar10",
        table,
        COLUMNS,
        "nasbench101",
        "Ying et al., NAS-Bench-101, ICML 2019, arXiv:1902.09635",
        (f"{short} cells have fewer than {REPEATS} trainings",) if short else (),
    )


FORMAT = Format(
    name="nasbench101",
    title="NAS-Bench-101",
    files="nasbench_full.tfrecord or nasbench_only108.tfrecord",
    read=read,
)
