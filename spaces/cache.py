"""Keeps tables as Arrow files that open by memory-mapping.

One file holds one table, as a single record whose columns are lists: the file stays readable
with any Arrow tool, and every list is one buffer that NumPy can view in place. An axis along which
a column only repeats itself (see `numpy.broadcast_to`) takes one place in the file and in memory.
"""

from __future__ import annotations

import json
import os
import warnings
import zlib
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from .atomic import replace_file, sweep

FORMAT = 2
"""Version of the file's layout, part of its name."""

_INDEX = ("spelling", "canonical", "row_of")


class Arrays(NamedTuple):
    """What a table is made of: the arguments that make one."""

    epochs: tuple[int, ...]
    columns: dict[str, NDArray[np.float64]]
    spelling: NDArray[np.int32]
    canonical: NDArray[np.int32]
    row_of: NDArray[np.int32]
    extra: dict[str, NDArray[Any]]
    resumes: bool
    hash: str


class Kept(Protocol):
    """What can be kept: `Arrays`, and a table that was made of them."""

    @property
    def epochs(self) -> tuple[int, ...]: ...
    @property
    def columns(self) -> dict[str, NDArray[np.float64]]: ...
    @property
    def spelling(self) -> NDArray[np.int32]: ...
    @property
    def canonical(self) -> NDArray[np.int32]: ...
    @property
    def row_of(self) -> NDArray[np.int32]: ...
    @property
    def extra(self) -> dict[str, NDArray[Any]]: ...
    @property
    def resumes(self) -> bool: ...
    @property
    def hash(self) -> str: ...


def folder(chosen: Path | None = None) -> Path:
    """Where tables are kept: ``chosen``, else ``$NASARENA_CACHE``, else the user's cache folder."""
    if chosen is not None:
        return Path(chosen)
    if place := os.environ.get("NASARENA_CACHE"):
        return Path(place).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("nasarena") / "tables"


def _path(place: Path, name: str) -> Path:
    return place / f"{name}-v{FORMAT}.arrow"


def _checksum(arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> int:
    """Over the numbers and over all that says what they mean."""
    crc = zlib.crc32(json.dumps([facts, list(arrays)]).encode())
    for array in arrays.values():
        crc = zlib.crc32(array.data, crc)
    return crc


def load(place: Path, name: str) -> Arrays | None:
    """Return the arrays kept as ``name``, memory-mapped; None if there is no sound file of it."""
    path = _path(place, name)
    if not path.is_file():
        return None
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    try:
        arrays, _ = read(path)
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        return None
    return arrays if arrays.hash == name else None


def read(path: Path, *, check: bool = True) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of the table in the file ``path``, memory-mapped, and what `write` was told of it.

    ``check=False`` leaves the numbers unread, so that opening takes the same milliseconds for a
    table of any size.

    Raises:
        ValueError: if it is none, or the content does not match its checksum.
        OSError: if the file cannot be read.
        pyarrow.ArrowException: if it is no Arrow file, or a damaged one.
    """
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source)
        if file.num_record_batches != 1:
            raise ValueError(f"{path}: expected one batch, got {file.num_record_batches}")
        batch = file.get_batch(0)
    if check:
        batch.validate(full=True)
    if batch.num_rows != 1:
        raise ValueError(f"{path}: expected one record, got {batch.num_rows}")
    arrays: dict[str, NDArray[Any]] = {
        field.name: _view(values) for field, values in zip(batch.schema, batch.columns, strict=True)
    }
    plain, facts = _facts(batch.schema, path)
    if check and _checksum(arrays, plain) != facts["checksum"]:
        raise ValueError(f"{path}: the content does not match its checksum")
    shapes = facts["shapes"]
    wanted = {*_INDEX, *shapes}
    if wanted != arrays.keys() or not {*facts["extra"]} < shapes.keys():
        raise ValueError(f"{path}: expected the arrays {sorted(wanted)}, got {sorted(arrays)}")
    index: dict[str, Any] = {key: arrays.pop(key) for key in _INDEX}
    arrays = {key: values.reshape(shapes[key]) for key, values in arrays.items()}
    extra = {key: arrays.pop(key) for key in facts["extra"]}
    shape = tuple(facts["shape"])
    columns = {key: np.broadcast_to(values, shape) for key, values in arrays.items()}
    made = Arrays(
        tuple(facts["epochs"]),
        columns,
        **index,
        extra=extra,
        resumes=facts["resumes"],
        hash=facts["hash"],
    )
    return made, facts["about"]


class _Facts(TypedDict):
    """What `write` says of the arrays, in the schema's metadata."""

    epochs: list[int]
    shape: list[int]
    shapes: dict[str, list[int]]
    extra: list[str]
    resumes: bool
    hash: str
    about: dict[str, Any]
    checksum: int


def _facts(schema: Any, path: Path) -> tuple[dict[str, Any], _Facts]:
    """As they stand in the file, without their checksum; and checked.

    Raises:
        BadFile: if they are not what `write` says.
    """
    from .foreign import read_json, typed

    text = (schema.metadata or {}).get(b"nasarena", b"")
    plain = read_json(text, f"{path}, metadata")
    facts = typed(plain, _Facts, f"{path}, metadata")
    return {key: value for key, value in plain.items() if key != "checksum"}, facts


def _view(lists: Any) -> NDArray[Any]:
    """The one list of plain numbers in an Arrow array as a NumPy array.

    Arrow's own way would import pandas first.
    """
    import pyarrow as pa

    if not pa.types.is_large_list(lists.type) or not pa.types.is_primitive(lists.type.value_type):
        raise ValueError(f"expected a list of numbers, got {lists.type}")
    values = lists.values
    if values.null_count:
        raise ValueError("a list of numbers with holes")
    kind = np.dtype(values.type.to_pandas_dtype())
    buffer = values.buffers()[1]
    if buffer is None:
        return np.zeros(0, kind)
    return np.frombuffer(buffer, kind, len(values), values.offset * kind.itemsize)


def about(path: Path) -> dict[str, Any]:
    """What `write` was told of the table in the file ``path``; the table is not read.

    Raises as `read` does.
    """
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    with pa.memory_map(str(path)) as source:
        _, facts = _facts(pa.ipc.open_file(source).schema, path)
    return facts["about"]


def save(table: Kept, place: Path) -> None:
    """Keep ``table`` in the folder ``place``, whole or not at all, in place of older versions.

    Where that cannot be done, a warning names the folder.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        path = _path(place, table.hash)
        write(table, path)
        for old in place.glob("*.arrow"):
            if old != path:
                old.unlink(missing_ok=True)
        sweep(place)
    except OSError as error:
        warnings.warn(
            f"cannot keep a table in {place} ({error}); it is read anew each time. "
            "Set NASARENA_CACHE to a folder that can be written",
            stacklevel=3,
        )


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    """``values`` with one entry along every axis on which they only repeat themselves."""
    once = tuple(slice(0, 1) if step == 0 else slice(None) for step in values.strides)
    return np.ascontiguousarray(values[once])


def write(table: Kept, path: Path, about: dict[str, Any] | None = None) -> None:
    """Write ``table`` and what is to be known ``about`` it to ``path``, whole or not at all.

    Raises:
        OSError: if there is no space left, or the folder cannot be written.
    """
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    arrays: dict[str, NDArray[Any]] = {key: getattr(table, key) for key in _INDEX}
    further = {key: _compact(values) for key, values in (table.columns | table.extra).items()}
    arrays |= {key: values.reshape(-1) for key, values in further.items()}
    facts: dict[str, Any] = {
        "epochs": table.epochs,
        "shape": next(iter(table.columns.values())).shape,
        "shapes": {key: values.shape for key, values in further.items()},
        "extra": list(table.extra),
        "resumes": table.resumes,
        "hash": table.hash,
        "about": about or {},
    }
    facts["checksum"] = _checksum(arrays, facts)
    lists = [
        pa.LargeListArray.from_arrays(pa.array([0, len(a)], pa.int64()), pa.array(a))
        for a in arrays.values()
    ]
    batch = pa.RecordBatch.from_arrays(lists, names=list(arrays))
    batch = batch.replace_schema_metadata({"nasarena": json.dumps(facts)})

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)

    replace_file(path, fill)
