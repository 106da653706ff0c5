"""One writer a results folder: a second run waits until the first is done.

The lock is the system's: it goes when the process that holds it goes, however it ends, so a
killed run blocks nobody. ``.in-use.json`` beside it only says who that is; it is believed while
the lock is held, and not otherwise.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from .errors import StoreError

LOCK, HOLDER = ".lock", ".in-use.json"


def tell(line: str) -> None:
    """Say something on the standard error, where it is in nobody's way."""
    print(f"nasarena: {line}", file=sys.stderr, flush=True)


@contextmanager
def held(root: Path, *, wait: bool = True, told: Callable[[str], None] = tell) -> Iterator[None]:
    """Hold the folder ``root``, which is made if it is not there; who holds it may do so again.

    Waits for whoever holds it now and says who that is. Where the file system has no locks, it
    says so and goes on.

    Raises:
        StoreError: if the folder cannot be written, or it is held and ``wait`` is off.
    """
    from filelock import FileLock, Timeout

    try:
        root.mkdir(parents=True, exist_ok=True)
        # One lock object a thread and folder, however often it is asked for.
        lock = FileLock(root.resolve() / LOCK, is_singleton=True, fallback_to_soft=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if not wait:
                raise StoreError(f"{root} is in use by {holder(root)}") from None
            told(f"{root} is in use by {holder(root)}; waiting until it is done")
            lock.acquire(poll_interval=0.2)
    except (OSError, NotImplementedError) as error:
        if not _no_locks(error):
            reason = getattr(error, "strerror", None) or error
            raise StoreError(f"cannot write {root}: {reason}") from error
        told(f"{root} lies on a file system without locks: run only one command on it at a time")
        yield
        return
    outermost = lock.lock_counter == 1
    try:
        if outermost:
            _say(root)
        yield
    finally:
        if outermost:
            (root / HOLDER).unlink(missing_ok=True)
        lock.release()


def _no_locks(error: Exception) -> bool:
    import errno

    lacking = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
    return isinstance(error, NotImplementedError) or (
        isinstance(error, OSError) and error.errno in lacking
    )


def _say(root: Path) -> None:
    """Who holds the folder. It is for people: where it cannot be written, the lock holds too."""
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    about = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
    about["command"] = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    try:
        (root / HOLDER).write_text(json.dumps(about) + "\n", encoding="utf-8")
    except OSError:
        return


def holder(root: Path) -> str:
    """Who holds the folder, in words."""
    try:
        said = json.loads((root / HOLDER).read_text(encoding="utf-8"))
        where = f"process {said['process']} on {said['host']} since {said['since']}"
        return f"{where} ({said['command']})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"


def in_use(root: Path) -> bool:
    """Whether anybody holds the folder now, this process included."""
    from filelock import FileLock, Timeout

    if not (root / LOCK).exists():
        return False
    lock = FileLock(root.resolve() / LOCK, is_singleton=True, fallback_to_soft=False)
    if lock.is_locked:
        return True
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError, NotImplementedError):
        return True
    lock.release()
    return False
