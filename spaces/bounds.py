"""Bounds on what files of others may grow into when they are read.

Compression, and encodings that say "this value a billion times", let a file of a kilobyte hold
gigabytes. No table that was measured does: what grows past `most` is refused before it is held.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from .table import BadFile

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

LEAST, RATIO = 1 << 26, 256
"""Bytes that any file may grow to, and how many times its size a larger one."""

UNPACK_ERRORS = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError),
    *(zlib.error, lzma.LZMAError, ValueError, OSError),
)
"""All that a damaged compressed file, or one of a strange kind, can bring Python to say."""


LARGEST_TOML, DOTS = 1 << 20, 2000
"""Bytes of a TOML file, and dots in a line of it: Python's reader takes the square of the time."""


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        BadFile: if it is none, is nested too deeply, or is far larger than any that is meant.
        OSError: if it cannot be read.
    """
    if path.stat().st_size > LARGEST_TOML:
        raise BadFile(f"expected a TOML file of at most {LARGEST_TOML:,} bytes")
    try:
        text = path.read_text(encoding="utf-8")
        if any(line.count(".") > DOTS for line in text.splitlines()):
            raise BadFile(f"expected at most {DOTS:,} dots in a line")
        return tomllib.loads(text)
    except BadFile:
        raise
    except (ValueError, RecursionError) as error:
        raise BadFile(str(error)) from error


def most(size: int) -> int:
    """The bytes that a file of ``size`` bytes may grow to."""
    return LEAST + RATIO * size


class Bounded(io.RawIOBase):
    """What ``file`` gives, up to ``limit`` bytes; a byte more raises `BadFile`."""

    def __init__(self, file: IO[bytes], limit: int, name: str) -> None:
        self._file, self._left, self._name = file, limit, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise BadFile(f"{self._name} unpacks to far more than its size explains: a zip bomb?")
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()


def bounded(file: Any, path: Path) -> io.BufferedReader:
    """What the unpacking ``file`` reads from ``path``, bounded by the size of ``path``."""
    return io.BufferedReader(Bounded(file, most(path.stat().st_size), str(path)))


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file; of a compressed one (gz, bz2, xz, zip of one file), those in it.

    Raises, while they are read:
        BadFile: if they are far more than its size explains.
    """
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, path)
            names = archive.namelist()
            if len(names) != 1:
                raise BadFile(f"{path}: expected a zip archive of one file, got {len(names)}")
            with archive.open(names[0]) as file:
                yield cast(BinaryIO, file)
        return
    ways: dict[str, Callable[[Path], Any]]
    ways = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    opened = ways.get(path.suffix)
    if opened is None:
        with path.open("rb") as plain:
            yield plain
        return
    with bounded(opened(path), path) as file:
        yield cast(BinaryIO, file)


def check_zip(archive: zipfile.ZipFile, path: Path) -> None:
    """Compare the sizes that an archive says its files have with its own.

    `zipfile` never unpacks more of a file than its said size. Nothing is ever unpacked to a path.

    Raises:
        BadFile: if they are far larger.
    """
    said = sum(info.file_size for info in archive.infolist())
    if said > most(path.stat().st_size):
        raise BadFile(f"{path} unpacks to {said:,} bytes: a zip bomb?")


def check_parquet(metadata: Any, size: int, name: str) -> None:
    """Compare what the footer of a Parquet file of ``size`` bytes promises with that size.

    Raises:
        BadFile: if it promises far more: rows, values of lists, or bytes.
    """
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows, columns = sum(group.num_rows for group in groups), metadata.num_columns
    if rows != metadata.num_rows:
        raise BadFile(f"{name} says that it has {metadata.num_rows:,} rows, its parts {rows:,}")
    # Numbers repeated a million times take no room in a file: eight bytes each once read.
    if rows * columns * 8 > most(size):
        raise BadFile(f"{name} says that it has {rows:,} rows in {size:,} bytes")
    lists = [i for i in range(columns) if metadata.schema.column(i).max_repetition_level]
    values = sum(group.column(i).num_values for group in groups for i in lists)
    if values * 8 > most(size):
        raise BadFile(f"{name} says that it has {values:,} values of lists in {size:,} bytes")
    told = sum(group.total_byte_size for group in groups)
    if told > most(size):
        raise BadFile(f"{name} says that it unpacks to {told:,} bytes, from {size:,}")


def read_parquet(path: Path) -> pa.Table:
    """A whole Parquet file, its page checksums verified and its size once read bounded.

    Raises:
        BadFile: if it would take far more memory than its size explains, or it is damaged.
        OSError: if it cannot be read.
    """
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

    size = path.stat().st_size
    try:
        metadata = pq.read_metadata(path)
        check_parquet(metadata, size, str(path))
        schema = metadata.schema
        every = map(schema.column, range(metadata.num_columns))
        texts = [column.path for column in every if column.physical_type == "BYTE_ARRAY"]
        # Texts are read as they lie there, each different one once: one of a megabyte, a million
        # times, would else be a terabyte.
        with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
            table = file.read()
        left = most(size)
        for number, name in enumerate(table.column_names):
            column = table.column(number)
            if pa.types.is_dictionary(column.type):
                left -= sum(map(_decoded, column.chunks))
                if left < 0:
                    raise BadFile(f"{path}: the texts of {name!r} unpack to far more than it")
                table = table.set_column(number, name, column.cast(column.type.value_type))
        return table
    except (BadFile, FileNotFoundError, PermissionError):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        # Messages of Arrow's may have many lines.
        said = str(error).splitlines() or [type(error).__name__]
        raise BadFile(f"{path} is damaged, or no Parquet file ({said[0]})") from error


def _decoded(chunk: Any) -> int:
    """How many bytes the values of a dictionary-encoded array take once spelled out."""
    import pyarrow.compute as pc  # type: ignore[import-untyped, unused-ignore]

    lengths = pc.binary_length(chunk.dictionary)
    total = pc.sum(pc.cast(lengths.take(chunk.indices), "int64")).as_py()
    return int(total or 0) + 8 * len(chunk)
