"""The file of one unit: written sealed, read only as it was written.

Every byte is covered: what is read is either what was written or an error. Files from before
there were seals are read whole and compared with the fingerprint in their metadata.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...spaces import bounds
from .._base import decoding
from .._base.atomic import write_bytes
from .._base.errors import StoreError
from . import seal

if TYPE_CHECKING:
    import pyarrow as pa

    from .manifest import Manifest

_COLUMNS = {
    **dict.fromkeys(("seed", "step", "network", "epochs", "replica"), "integer"),
    **dict.fromkeys(("loss", "validation", "test", "charged"), "floating"),
    **dict.fromkeys(("start", "finish", "thinking"), "floating"),
    "arch": "list",
}
"""What every record has, and the kind of it."""

_END = 1 << 16
"""Bytes read at a file's end at first: nearly every footer is shorter."""


class Unit(NamedTuple):
    """A unit of work: one task, one strategy, the seeds ``first`` to ``last`` inclusive."""

    task: str
    label: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.task}, {self.label}, seeds {self.first}-{self.last}"


def sealed_bytes(record: pa.Table, groups: Sequence[int] | None = None) -> bytes:
    """A record as the content of a unit's file; ``groups`` are the rows of each row group."""
    import pyarrow.parquet as pq

    written = io.BytesIO()
    with pq.ParquetWriter(written, record.schema, **_encoding(record.column_names)) as writer:
        start = 0
        for rows in groups or (len(record),):
            writer.write_table(record.slice(start, rows), max(rows, 1))
            start += rows
    return seal.sealed(written.getbuffer())


def _encoding(names: Sequence[str]) -> dict[str, Any]:
    """How columns are written: on the clock nothing repeats, so that a dictionary is wasted."""
    clock = [name for name in names if name in ("start", "finish")]
    # A list's values are told by their path in the file.
    repeating = ["arch.list.element" if n == "arch" else n for n in names if n not in clock]
    return {
        "compression": "zstd",
        "write_page_checksum": True,
        "use_dictionary": repeating,
        "column_encoding": dict.fromkeys(clock, "BYTE_STREAM_SPLIT"),
    }


def write(path: Path, record: pa.Table, groups: Sequence[int] | None = None) -> None:
    """Write a record whole or not at all; ``groups`` are the rows of each row group.

    Raises:
        StoreError: if it cannot be written.
    """
    write_bytes(path, sealed_bytes(record, groups))


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One unit's record, or the columns named.

    Raises:
        StoreError: if the file is damaged, cut off or not a record.
    """
    import pyarrow as pa

    data = _content(path)
    try:
        return _parse(data, columns)
    except pa.ArrowMemoryError as error:
        raise _unreadable(path, error) from error
    except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def _content(path: Path) -> pa.Buffer:
    """A file's content, memory-mapped.

    Raises:
        StoreError: if it cannot be read now. That is not damage: it may be sound.
    """
    import pyarrow as pa

    try:
        if path.stat().st_size == 0:  # it cannot be mapped
            return pa.py_buffer(b"")
        with pa.memory_map(str(path)) as file:
            return file.read_buffer()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


def _view(data: pa.Buffer) -> memoryview:
    return memoryview(data).cast("B")


def _parse(data: pa.Buffer, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = seal.broken(_view(data))
    if problem is not None and problem != seal.NONE:
        raise ValueError(problem)
    # Not read_table: for many small files its set-up takes longer than the reading.
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=bool(problem)) as file:
        bounds.check_parquet(file.metadata, len(data), "it")
        _check_schema(file.schema_arrow)
        unknown = set(columns or ()) - set(file.schema_arrow.names)
        if unknown:
            raise ValueError(f"no column {', '.join(sorted(unknown))}")
        if problem is None:
            return file.read(columns=columns, use_threads=False)
        table = file.read(use_threads=False)
    _check_fingerprint(table)
    return table if columns is None else table.select(list(columns))


def pieces(
    path: Path, spans: Iterable[tuple[int, int]], columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Of one file the rows of each span (first row, number of rows), verified as by `read`.

    No more than a span's row groups are held at a time.

    Raises:
        StoreError: if the file is damaged, cut off or not a record.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = _content(path)
    try:
        if seal.broken(_view(data)) is not None:
            table = _parse(data, columns)
            yield from (table.slice(start, rows) for start, rows in spans)
            return
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            bounds.check_parquet(file.metadata, len(data), "it")
            _check_schema(file.schema_arrow)
            unknown = set(columns or ()) - set(file.schema_arrow.names)
            if unknown:
                raise ValueError(f"no column {', '.join(sorted(unknown))}")
            for start, rows in spans:
                groups, before = _groups(file.metadata, start, rows)
                table = file.read_row_groups(groups, columns=columns, use_threads=False)
                yield table.slice(start - before, rows)
    except pa.ArrowMemoryError as error:
        raise _unreadable(path, error) from error
    except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def _groups(footer: Any, start: int, rows: int) -> tuple[list[int], int]:
    """The row groups that hold these rows, and how many rows come before the first of them."""
    groups: list[int] = []
    before = at = 0
    for number in range(footer.num_row_groups):
        end = at + footer.row_group(number).num_rows
        if at < start + rows and end > start:
            before = before if groups else at
            groups.append(number)
        at = end
    return groups, before


def _check_schema(schema: pa.Schema) -> None:
    import pyarrow as pa

    for name, kind in _COLUMNS.items():
        if name not in schema.names:
            raise ValueError(f"no column {name}: it is no record")
        found = schema.field(name).type
        if not getattr(pa.types, f"is_{kind}")(found):
            raise ValueError(f"column {name} holds {found}: it is no record")


def _check_fingerprint(table: pa.Table) -> None:
    from ..core import record

    said = record.about(table).get("fingerprint")
    if said is None:
        raise ValueError("it has neither seal nor fingerprint: nasarena did not write it")
    if record.fingerprint(table) != said:
        raise ValueError("its columns do not match the fingerprint it was written with")


def about(path: Path) -> dict[str, Any]:
    """What a unit's file says of itself; reads and verifies its footer only.

    Raises:
        StoreError: if the footer is damaged.
    """
    return footer(path)[0]


def footer(path: Path) -> tuple[dict[str, Any], int]:
    """What a unit's file says of itself, and its rows; reads and verifies its footer only.

    Raises:
        StoreError: if the footer is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    end = _end(path)
    try:
        problem = seal.broken(memoryview(end), footer_only=True)
        if problem == seal.NONE:
            parsed = pq.read_metadata(path)
        elif problem is not None:
            raise ValueError(problem)
        else:
            parsed = pq.read_metadata(pa.BufferReader(end))
        found: Any = json.loads((parsed.metadata or {}).get(b"nasarena", b"{}"))
        if not isinstance(found, dict):
            raise ValueError("its metadata are not what nasarena writes")
        return found, parsed.num_rows
    except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def _end(path: Path) -> bytes:
    """The end of a file: its footer and seal, and more."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _END))
            end = file.read()
            wanted = int.from_bytes(end[-8:-4], "little") + 1024
            if len(end) < wanted and len(end) < size:
                file.seek(max(0, size - wanted))
                end = file.read()
            return end
    except OSError as error:
        raise _unreadable(path, error) from error


def damage(path: Path) -> str | None:
    """What is wrong with a unit's file, in words; None if nothing is. Every byte is verified.

    Raises:
        StoreError: if the file cannot be read now: out of file handles, no permission.
    """
    import pyarrow as pa

    data = _content(path)
    try:
        return problem(data)
    except pa.ArrowMemoryError as error:
        raise _unreadable(path, error) from error


def problem(data: bytes | pa.Buffer) -> str | None:
    """`damage` of a file's content."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = pa.py_buffer(data) if isinstance(data, bytes) else data
    try:
        found = seal.broken(_view(data))
        if found is None:
            _check_schema(pq.read_schema(pa.BufferReader(data)))
        elif found == seal.NONE:
            _parse(data, None)
        else:
            return found
    except pa.ArrowMemoryError:
        raise
    except (OSError, pa.ArrowException, ValueError, RecursionError) as error:
        return reason(error)
    return None


def reason(error: Exception) -> str:
    """The first line of an error."""
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    return (text.splitlines() or [type(error).__name__])[0]


def damaged(path: Path, error: Exception) -> StoreError:
    """The error that names a damaged file and what to do."""
    return StoreError(
        f"{path} is damaged ({reason(error)}); the same nasarena run sets it aside and runs it "
        "again"
    )


def misfit(manifest: Manifest, unit: Unit, said: dict[str, Any]) -> str | None:
    """Why a file does not belong where it lies, in words; None if it does.

    ``said`` is what the file says of itself: it is compared with the place it lies at, and with
    what ``manifest`` says all units were run with. What a file does not say is not compared.
    """
    if (task := said.get("task", unit.task)) != unit.task:
        return f"it holds runs on {task}"
    if (label := said.get("label", unit.label)) != unit.label:
        return f"it holds runs of {label!r}"
    first, last = said.get("seeds", (unit.first, unit.last))
    if (first, last) != (unit.first, unit.last):
        return f"it holds the seeds {first}-{last}"
    spec, facts = manifest.specs.get(unit.label), manifest.tasks.get(unit.task)
    wanted: dict[str, Any] = {"data": facts.hash} if facts else {}
    if spec is not None:
        wanted |= {"strategy": spec.name, "settings": spec.settings}
    for key, value in wanted.items():
        if (came := said.get(key, value)) != value:
            return f"it was run with {key} {came}, the manifest says {value}"
    rules = decoding.plain(manifest.experiment.rules)
    for key, came in said.get("experiment", {}).items():
        value = rules.get(key, came)
        if came != value:
            return f"it was run with {key} {came}, the manifest says {value}"
    return None


def is_sealed(path: Path) -> bool:
    """Whether a file has a seal; it says nothing of whether it holds."""
    return seal.is_sealed(memoryview(_end(path)))
