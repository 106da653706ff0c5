"""Makes a results folder fit to go on with: what cannot be trusted is set aside, never deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .._base import locks
from .._base.errors import StoreError
from . import manifest as manifests
from . import store, unit_file
from .manifest import Manifest
from .store import Unit


class Unsound(NamedTuple):
    """A unit's file that cannot be used, and why."""

    path: Path
    problem: str


def unsound(root: Path, manifest: Manifest, task: str, label: str) -> list[Unsound]:
    """The files of a task and strategy that are damaged, misplaced, or hold seeds twice.

    Of two files that hold the same seed the one with more seeds is kept.
    """
    found = []
    have: set[int] = set()
    files = store.unit_files(root, task, label).items()
    for (first, last), path in sorted(files, key=lambda item: (item[0][0] - item[0][1], item[0])):
        unit = Unit(task, label, first, last)
        problem = problem_of(manifest, unit, path)
        seeds = set(range(first, last + 1))
        if problem is None and not seeds:
            problem = "its first seed is after its last"
        if problem is None and have & seeds:
            problem = "another file holds the same seeds"
        if problem is None:
            have |= seeds
        else:
            found.append(Unsound(path, problem))
    return found


def problem_of(manifest: Manifest, unit: Unit, path: Path) -> str | None:
    """Why a unit's file cannot be used: it is damaged, or belongs elsewhere. Reads all of it."""
    if problem := store.damage(path):
        return problem
    try:
        return store.misfit(manifest, unit, unit_file.about(path))
    except StoreError as error:
        return str(error)


def set_aside_unsound(
    root: Path, pairs: Iterable[tuple[str, str]], told: Callable[[str], None] = locks.tell
) -> list[Unsound]:
    """Set aside what cannot be used of these (task, label) and say so; returns what it was.

    Raises:
        StoreError: if the folder cannot be written, or a file cannot be read now but may be
            sound: out of file handles or memory, say.
    """
    manifest = manifests.read(root)
    with ThreadPoolExecutor(max_workers=4) as pool:  # hashing and reading let go of the GIL
        found = [
            one
            for part in pool.map(lambda pair: unsound(root, manifest, *pair), pairs)
            for one in part
        ]
    for one in found:
        try:
            aside = store.set_aside(one.path)
            told(f"{one.path}: {one.problem}; it is now {aside.name}, and its unit runs again")
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(f"cannot set {one.path} aside: {reason}") from error
    return found
