"""What the footers of a results folder's unit files say, remembered.

Opening ten thousand files to read a few bytes of each takes seconds. ``RESULTS/.index.json`` keeps
what was read, with the size, time and inode of the file it was read from; a file that is not
exactly that one is opened again. It is a cache: it can be deleted, and nothing that is in it alone
is ever believed. Whether a file is sound is not asked here: its footer is all that is looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .._base.errors import StoreError
from . import manifest as manifests
from . import store, unit_file
from .store import Unit

NAME = ".index.json"
_VERSION = 1


class Part(NamedTuple):
    """A unit as it was written: where its rows lie in ``path``, from row ``start`` on.

    A file that was never compacted has one part, itself.
    """

    unit: Unit
    path: Path
    start: int
    rows: int
    fingerprint: str
    size: int
    """Bytes of the whole file."""


class _Footer(NamedTuple):
    """Parts have first seed, last seed, rows and fingerprint; ``said`` is the rest it says."""

    size: int
    parts: list[tuple[int, int, int, str]]
    said: dict[str, Any]


class UnitIndex:
    """The footers of one results folder; `save` keeps what was read for the next time."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self._manifest = manifests.read(root)
        self._known: dict[str, list[Any]] = _load(self.root / NAME)
        self._met: dict[str, list[Any]] = {}
        self._changed = False

    def parts(self, task: str, label: str) -> Iterator[Part]:
        """The units of a task and strategy as they were written, by first seed.

        Raises:
            StoreError: if a unit's footer is damaged, a file does not belong where it lies, or
                two hold the same seeds.
        """
        for (first, last), path in store.apart(self.root, task, label).items():
            yield from self.parts_of(Unit(task, label, first, last), path)

    def parts_of(self, unit: Unit, path: Path) -> Iterator[Part]:
        """The units in the file of ``unit``: itself, or those that were joined.

        Raises:
            StoreError: if its footer is damaged, or it does not belong where it lies.
        """
        footer = self._footer(path)
        if problem := unit_file.misfit(self._manifest, unit, footer.said):
            raise unit_file.damaged(path, ValueError(problem))
        start = 0
        for first, last, rows, fingerprint in footer.parts:
            one = Unit(unit.task, unit.label, first, last)
            yield Part(one, path, start, rows, fingerprint, footer.size)
            start += rows

    def _footer(self, path: Path) -> _Footer:
        try:
            facts = path.stat()
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
        name = path.relative_to(self.root).as_posix()
        key = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
        known = self._known.get(name)
        if known is None or known[:3] != key:
            known = [*key, *_read(path)]
            self._changed = True
        self._met[name] = known
        return _Footer(key[0], known[3], known[4])

    def save(self) -> None:
        """Keep what was read. A folder that cannot be written is left as it is."""
        if not self._changed:
            return
        text = json.dumps({"version": _VERSION, "files": self._known | self._met})
        try:
            store.write_atomically(self.root / NAME, lambda path: _write(path, text))
        except StoreError:
            return
        self._changed = False


def _load(path: Path) -> dict[str, list[Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        files: dict[str, list[Any]] = found["files"] if found["version"] == _VERSION else {}
        return {name: entry for name, entry in files.items() if len(entry) == 5}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _read(path: Path) -> tuple[list[tuple[int, int, int, str]], dict[str, Any]]:
    """The parts that a unit's file names in its footer, and what else it says of itself.

    Raises:
        StoreError: if the file is damaged, or it does not hold the parts that it names.
    """
    name = store.BLOCK.fullmatch(path.name)
    if name is None:
        raise StoreError(f"{path} is not named as a unit is")
    about, rows = unit_file.footer(path)
    first, last = int(name[1]), int(name[2])
    try:
        parts = [_part(each) for each in about.get("units", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise unit_file.damaged(path, ValueError("it names its units badly")) from error
    parts = parts or [(first, last, rows, str(about.get("fingerprint", "")))]
    if (parts[0][0], parts[-1][1], sum(part[2] for part in parts)) != (first, last, rows):
        raise unit_file.damaged(path, ValueError("it does not hold the units that it names"))
    said = {key: value for key, value in about.items() if key not in ("units", "fingerprint")}
    return parts, said


def _part(said: dict[str, Any]) -> tuple[int, int, int, str]:
    return int(said["first"]), int(said["last"]), int(said["rows"]), str(said["fingerprint"])
