"""Files that are there whole or not at all, with errors that name them; see `spaces.atomic`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...spaces.atomic import parts as parts
from ...spaces.atomic import remove_abandoned as remove_abandoned
from ...spaces.atomic import replace_file
from ...spaces.atomic import sweep as sweep
from .errors import StoreError


def write_atomically(path: Path, write: Callable[[Path], object], *, sync: bool = True) -> None:
    """Let ``write`` fill a temporary file and put it at ``path``, whose folder is made if need be.

    `spaces.atomic.replace_file` says how.

    Raises:
        StoreError: if the folder cannot be written or the disk is full. What was at ``path``
            before is there still.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, write, sync=sync)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file with this content, by `write_atomically`."""
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def write_text(path: Path, text: str) -> None:
    """Write a file with this text in UTF-8, by `write_atomically`."""
    write_bytes(path, text.encode())
