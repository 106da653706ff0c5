"""A results folder's twin at a URL: on shared storage, or in a bucket of S3 or GCS.

The local folder stays what everything reads. Whoever finishes a unit puts its file at the URL, and
what lies there is fetched instead of run. Names there are the same as in the folder.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from .._base.errors import StoreError
from ..experiment.experiment import Experiment
from . import manifest as manifests
from . import store, unit_file
from .manifest import Manifest
from .store import Unit

_WHOLE = {"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "oci", "r2", "s3", "s3a"}
"""File systems whose objects appear whole or not at all, and which cannot rename."""

_AT_ONCE = 16
"""Files that are fetched at a time: each mostly waits for its answer."""


def is_url(text: str) -> bool:
    """Whether ``text`` names a place that fsspec finds, not a path of this machine."""
    return "://" in text


class Mirror:
    """What lies at ``url``, which is anything that fsspec knows: ``s3://bucket/results``.

    Raises:
        ImportError: if fsspec, or the package it needs for that kind of URL, is not installed.
        StoreError: if there is no such kind of URL.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(f'{url} needs fsspec: pip install "nasarena[dask]"') from error
        self.url = url.rstrip("/")
        try:
            self._system, root = fsspec.core.url_to_fs(self.url)
        except ValueError as error:
            raise StoreError(f"{url}: {error}") from error
        self._root: str = root.rstrip("/")
        protocol = self._system.protocol
        kinds = {protocol} if isinstance(protocol, str) else set(protocol)
        self._local = "file" in kinds
        self._whole = bool(kinds & _WHOLE)
        self._system.use_listings_cache = False  # others write there as well

    def __str__(self) -> str:
        return self.url

    # Files by name.

    def exists(self, name: str) -> bool:
        try:
            self._system.invalidate_cache()
            return bool(self._system.exists(f"{self._root}/{name}"))
        except Exception as error:  # whatever the file system behind the URL may raise
            raise self._broken(name, "read", error) from error

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            StoreError: if it cannot be read.
        """
        try:
            found: bytes = self._system.cat_file(f"{self._root}/{name}")
        except Exception as error:
            raise self._broken(name, "read", error) from error
        return found

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, whole or not at all.

        Raises:
            StoreError: if it cannot be written.
        """
        place = f"{self._root}/{name}"
        try:
            if self._local:
                store.write_bytes(Path(place), data)
            elif self._whole:
                self._system.pipe_file(place, data)
            else:
                self._write_and_rename(place, data)
        except StoreError:
            raise
        except Exception as error:
            raise self._broken(name, "written", error) from error

    def _write_and_rename(self, place: str, data: bytes) -> None:
        folder, _, name = place.rpartition("/")
        temporary = f"{folder}/.{name}.{uuid4().hex}.part"
        self._system.makedirs(folder, exist_ok=True)
        try:
            self._system.pipe_file(temporary, data)
            self._system.mv(temporary, place)
        except BaseException:
            if self._system.exists(temporary):
                self._system.rm_file(temporary)
            raise

    def _broken(self, name: str, what: str, error: Exception) -> StoreError:
        reason = (str(error) or repr(error)).splitlines()[0]
        return StoreError(f"{self.url}/{name} cannot be {what}: {reason}")

    # Units.

    def put(self, unit: Unit, data: bytes) -> None:
        """Put a finished unit's file there, unless a sound one is there already."""
        name = _name(unit)
        if not (self.exists(name) and sound(self.read(name))):
            self.write(name, data)

    def fetch(self, root: Path, unit: Unit) -> bool:
        """Copy a unit's file into ``root``; False if what lies there is damaged.

        Raises:
            StoreError: if it cannot be read, or ``root`` not be written.
        """
        data = self.read(_name(unit))
        if not sound(data):
            return False
        store.keep_unit(root, unit, data)
        return True

    def push(self, root: Path, unit: Unit) -> None:
        """Copy a unit's file from ``root``."""
        self.put(unit, store.unit_path(root, unit).read_bytes())

    def manifest(self) -> Manifest | None:
        """The manifest that lies there; None if there is none.

        Raises:
            StoreError: if it is damaged or newer.
        """
        if not self.exists(manifests.NAME):
            return None
        return manifests.parse(self.read(manifests.NAME), f"{self.url}/{manifests.NAME}")

    def units(self, task: str, label: str) -> list[Unit]:
        """The finished units of a task and strategy that lie there, by their names."""
        folder = _name(Unit(task, label, 0, 0)).rpartition("/")[0]
        try:
            self._system.invalidate_cache()
            found = self._system.ls(f"{self._root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._broken(folder, "listed", error) from error
        blocks = (store.block_of(path.rpartition("/")[2]) for path in found)
        return sorted(Unit(task, label, *block) for block in blocks if block)


def _name(unit: Unit) -> str:
    return store.unit_path(Path(), unit).as_posix()


def sound(data: bytes) -> bool:
    """Whether ``data`` is a unit's file, every byte of it as it was written."""
    return unit_file.problem(data) is None


def join(mirror: Mirror, root: Path, experiment: Experiment) -> int:
    """Make ``root`` and the mirror one: how many units were fetched.

    The mirror's manifest takes on what ``experiment`` adds; of its tasks and strategies, units that
    only one side has are copied to the other. Damaged ones there are left out, and run again.

    Raises:
        StoreError: if another experiment's results lie there, or one side cannot be written.
    """
    there = mirror.manifest()
    joined = manifests.new(experiment)
    if there is not None:
        joined = manifests.joined(mirror.url, there, joined)
    if joined != there:
        mirror.write(manifests.NAME, manifests.text(joined).encode())
    fetched = 0
    for task in experiment.tasks:
        for spec in experiment.strategies:
            here = {
                Unit(task, spec.label, *block)
                for block, path in store.unit_files(root, task, spec.label).items()
                if store.damage(path) is None
            }
            far = set(mirror.units(task, spec.label))
            lacking = sorted(far - here)
            fetched += len(lacking) - len(fetch(mirror, root, lacking))
            for unit in sorted(here - far):
                mirror.push(root, unit)
    return fetched


def fetch(mirror: Mirror, root: Path, units: list[Unit]) -> list[Unit]:
    """Copy units into ``root``, several at a time; those that are damaged there come back.

    Raises:
        StoreError: if one cannot be read, or ``root`` not be written.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sound = list(pool.map(lambda unit: mirror.fetch(root, unit), units))
    return [unit for unit, well in zip(units, sound, strict=True) if not well]


def pull(url: str, root: Path) -> tuple[int, list[Unit]]:
    """Copy all that lies at ``url`` into the results folder ``root``: how many units, which not.

    Raises:
        StoreError: if nothing lies there, ``root`` holds something else, or cannot be written.
    """
    mirror = Mirror(url)
    there = mirror.manifest()
    if there is None:
        raise StoreError(f"{url} holds no results: it has no {manifests.NAME}")
    if (root / manifests.NAME).exists():
        manifests.write(root, manifests.joined(root, manifests.read(root), there))
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise StoreError(f"{root} exists and is not a results folder; choose another")
    else:
        manifests.write(root, there)
    units = [
        unit
        for task in there.experiment.tasks
        for spec in there.experiment.strategies
        for unit in mirror.units(task, spec.label)
        if not store.unit_path(root, unit).exists()
    ]
    damaged = fetch(mirror, root, units)
    return len(units) - len(damaged), damaged
