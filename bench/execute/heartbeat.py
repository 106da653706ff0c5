"""What a worker is at, for whoever asks while it runs: ``RESULTS/status/<host>-<process>.json``.

Written beside its place and renamed, removed when the unit ends. Nothing depends on it: where it
cannot be written, the unit runs all the same. One whose process is dead is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ...spaces.atomic import replace_file
from ..store.store import Unit

FOLDER = "status"
EVERY = 1.0
"""Seconds between two writes, at least."""


class _Current:
    """The unit that this process runs."""

    path: Path | None = None
    facts: dict[str, Any]
    written = 0.0


_current = _Current()


@contextmanager
def running(root: Path, unit: Unit, worker: str = "") -> Iterator[None]:
    """Around a unit's run: tells that it is under way, and takes what `report_progress` says."""
    before = _current.path
    # Absolute: a strategy may change the folder it runs in.
    path = root.absolute() / FOLDER / f"{this_process()}.json"
    if before is None and (root / "manifest.json").exists():
        _current.path = path
        _current.facts = {
            "unit": unit._asdict(),
            "worker": worker,
            "host": host(),
            "process": os.getpid(),
            "born": born(os.getpid()),
            "since": time.time(),
        }
        _write()
    try:
        yield
    finally:
        if before is None and _current.path is not None:
            with contextlib.suppress(OSError):
                _current.path.unlink(missing_ok=True)
            _current.path = None


def report_progress(**facts: Any) -> None:
    """Tell how far the unit under way is: any of ``query``, ``epoch``, ``loss``, …; what is JSON.

    What was told before stays unless it is told anew. Costs nothing to speak of: it is written
    at most once in `EVERY` seconds, and not at all outside of a run.
    """
    if _current.path is None or _current.facts["process"] != os.getpid():
        return
    _current.facts.setdefault("progress", {}).update(facts)
    if time.monotonic() - _current.written >= EVERY:
        _write()


def seeds_finished(count: int, seconds: float) -> None:
    """So many more of the unit's seeds are finished and took so long together."""
    if _current.path is None:
        return
    said = _current.facts.get("progress", {})
    report_progress(
        seeds=said.get("seeds", 0) + count, seconds=round(said.get("seconds", 0.0) + seconds, 6)
    )


def _write() -> None:
    path = _current.path
    if path is None:
        return
    _current.written = time.monotonic()
    with contextlib.suppress(OSError, TypeError, ValueError):
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(_current.facts | {"time": time.time()})
        replace_file(path, lambda part: part.write_text(text, encoding="utf-8"), sync=False)


class Under(NamedTuple):
    """A unit under way; ``progress`` is what `report_progress` was told last, at ``time``."""

    unit: Unit
    worker: str
    host: str
    process: int
    since: float
    time: float
    progress: dict[str, Any]


def under_way(root: Path) -> list[Under]:
    """The units under way, by worker; those of processes that are dead are left out."""
    found = []
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            one = Under(
                Unit(**said["unit"]),
                str(said["worker"]),
                str(said["host"]),
                int(said["process"]),
                float(said["since"]),
                float(said["time"]),
                dict(said.get("progress", {})),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if alive(one.host, one.process, said.get("born")) is not False:
            found.append(one)
    return found


def sweep(root: Path) -> None:
    """Remove what dead processes of this machine left."""
    there = {f"{_name(one.host, one.process)}.json" for one in under_way(root)}
    for path in (root / FOLDER).glob("*.json"):
        if path.name not in there:
            with contextlib.suppress(OSError):
                path.unlink()


# Processes.


def this_process() -> str:
    """This machine and process, as a part of a file's name."""
    return _name(host(), os.getpid())


def _name(where: str, process: int) -> str:
    return re.sub(r"[^\w.-]", "_", f"{where}-{process}")


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def born(process: int) -> int | None:
    """When a process of this machine began, in the system's own count; None where it has none.

    A number that was given to another process meanwhile is told apart by it.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text()
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def alive(where: str, process: int, since: int | None = None) -> bool | None:
    """Whether a process lives; None if it is on another machine and cannot be seen from here."""
    if where != host():
        return None
    if since is not None and (now := born(process)) is not None:
        return now == since
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
