"""Files that are there whole or not at all, and what killed writers leave behind.

A file is written beside its place under a name that begins with a dot and ends in ``.part``,
synced and renamed. Its writer holds a lock on it meanwhile, which the system releases when the
writer dies, however it dies: a ``.part`` file that nobody holds is left over. No clock is asked.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: a file that is open cannot be removed, which tells as much
    fcntl = None  # type: ignore[assignment]

_PART = re.compile(r"\..+\.part")


def replace_file(path: Path, write: Callable[[Path], object], *, sync: bool = True) -> None:
    """Let ``write`` fill a temporary file, sync it and rename it to ``path``.

    Without ``sync`` the file is whole for whoever reads it, and may be lost in a power cut.

    Raises:
        OSError: if the folder is missing or cannot be written, or the disk is full. What was at
            ``path`` before is there still; so it is where ``write`` itself raises.
    """
    handle, temporary = _begin(path)
    try:
        write(temporary)
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        if fcntl is None:
            os.close(handle)
            handle = -1
        temporary.replace(path)
        if sync:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def _begin(path: Path) -> tuple[int, Path]:
    """A temporary file for ``path``, locked: its handle and name."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        # Whoever sweeps may have come between making and locking it; then another one is made.
        if _lock(handle) is not False and os.path.exists(name):
            return handle, Path(name)
        os.close(handle)
        Path(name).unlink(missing_ok=True)


def _lock(handle: int) -> bool | None:
    """Whether the file is now ours; None where the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut, where the system can do that."""
    if fcntl is None:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot; the file itself is synced
    finally:
        os.close(handle)


def parts(folder: Path) -> Iterator[Path]:
    """The temporary files in ``folder`` and below, of living and dead writers."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if _PART.fullmatch(name))


def sweep(folder: Path) -> list[Path]:
    """Remove the temporary files whose writers are dead; returns them.

    Those of living writers stay, and all of them where the file system has no locks.
    """
    return [part for part in parts(folder) if remove_abandoned(part)]


def remove_abandoned(part: Path, *, remove: bool = True) -> bool:
    """Remove a temporary file if its writer is dead; whether it was."""
    try:
        handle = os.open(part, os.O_RDWR)
    except OSError:
        return False  # renamed or removed meanwhile, or not ours to write
    try:
        dead = _lock(handle) is True
        if dead and remove:
            part.unlink(missing_ok=True)
        return dead
    finally:
        os.close(handle)
