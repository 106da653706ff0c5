"""The vault: finished runs, found again by what they are, so that nothing known is run twice.

Entries are looked up in the user's cache folder, in a folder ``nasarena-vault`` of the user's
repository, among the baselines that come with the package, and at a read-only URL. What is found
is data: it is rebuilt from the task's table and its fingerprint compared, and nothing in it is
ever executed. What does not fit is named in ``problems`` and left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .._base import atomic, decoding
from .._base.errors import NasarenaError, StoreError
from ..core import record
from ..core.contracts import is_reproducible, table_of
from ..core.runner import Budget
from ..execute.units import facts
from ..experiment import registry
from ..experiment.experiment import Experiment, StrategySpec
from ..experiment.identity import Identity, identity
from ..store import store
from ..store.manifest import versions
from ..store.store import Unit
from . import cache_entry
from .cache_entry import BadEntry

if TYPE_CHECKING:
    import pyarrow as pa

INDEX = "index.json"
REPOSITORY_FOLDER = "nasarena-vault"
BASELINES = Path(__file__).parent / "bundled"
_NAME = re.compile(r"[\w+-]+\.([0-9a-f]{16})\.[0-9a-f]{8}\.(\d+)-(\d+)\.parquet")


class Place(Protocol):
    """Somewhere that entries lie."""

    def names(self) -> Iterable[str]: ...

    def read(self, name: str) -> bytes: ...


class Folder:
    """A folder of entries."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> Iterable[str]:
        return sorted(path.name for path in self.path.glob("*.parquet"))

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Put an entry there, whole or not at all."""
        store.write_bytes(self.path / name, data)


class Remote:
    """A read-only place at a URL that fsspec knows, with the index that ``export`` writes."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(
                f'a vault at {url} needs fsspec: pip install "nasarena[remote]"'
            ) from error
        self._url = url.rstrip("/")
        self._system, self._root = fsspec.core.url_to_fs(self._url)
        self._digests: dict[str, str] | None = None

    def __str__(self) -> str:
        return self._url

    def _get(self, name: str) -> bytes:
        try:
            found: bytes = self._system.cat_file(f"{self._root}/{name}")
        except Exception as error:  # whatever the file system behind the URL may raise
            raise OSError(f"{self._url}/{name} cannot be read: {error!r}") from error
        return found

    def names(self) -> Iterable[str]:
        if self._digests is None:
            self._digests = {}  # a place that cannot be reached is asked once
            self._digests = read_index(self._get(INDEX))
        return self._digests

    def read(self, name: str) -> bytes:
        data = self._get(name)
        if digest(data) != (self._digests or {}).get(name):
            raise BadEntry("it is not what the index says")
        return data


def digest(data: bytes) -> str:
    """SHA-256 of an entry, as an index holds it."""
    return hashlib.sha256(data).hexdigest()


def read_index(data: bytes) -> dict[str, str]:
    """Names of entries and their digests.

    Raises:
        BadEntry: if it is no index.
    """
    try:
        found = json.loads(data)["entries"]
        return {name: str(found[name]) for name in found if _NAME.fullmatch(name)}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadEntry(f"{INDEX} is no index of a vault") from error


def user_folder() -> Path:
    """Where runs are kept: ``$NASARENA_VAULT``, else the user's cache folder."""
    if place := os.environ.get("NASARENA_VAULT"):
        return Path(place).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("nasarena") / "vault"


def repository_folder() -> Path | None:
    """The folder ``nasarena-vault`` of the checkout that the user works in; None without one."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / REPOSITORY_FOLDER).is_dir():
            return folder / REPOSITORY_FOLDER
        if (folder / ".git").exists():
            break
    return None


class Vault:
    """Places to look in, in this order; the first is where runs are kept.

    Attributes:
        problems: what was found and left out, and why, for the user to read.
        served: how many runs were known and written into a results folder.
    """

    def __init__(self, places: Iterable[Place], own: Folder | None = None) -> None:
        self.own = own
        self.places: tuple[Place, ...] = (*([own] if own else []), *places)
        self.problems: list[str] = []
        self.served = 0
        self._by_key: dict[str, list[tuple[Place, str, int, int]]] | None = None
        self._refused = refused(own)

    def note(self, problem: str) -> None:
        """Remember a problem, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def _named(self, key: str) -> list[tuple[Place, str, int, int]]:
        """Entries under a key: place, name, first and last seed."""
        if self._by_key is None:
            self._by_key = {}
            for place in self.places:
                try:
                    names = list(place.names())
                except (OSError, BadEntry) as error:
                    self.note(f"vault {place}: {error}; left out")
                    continue
                for name in names:
                    if match := _NAME.fullmatch(name):
                        where = (place, name, int(match[2]), int(match[3]))
                        self._by_key.setdefault(match[1], []).append(where)
        return self._by_key.get(key, [])

    def find(self, what: Identity, budget: Budget, seeds: Iterable[int]) -> dict[int, pa.Table]:
        """The records of those runs that are known, by seed."""
        missing = set(seeds)
        found: dict[int, pa.Table] = {}
        for place, name, first, last in self._named(what.key):
            if missing.isdisjoint(range(first, last + 1)):
                continue
            try:
                runs = self._runs(place.read(name), what, budget)
            except (OSError, BadEntry) as error:
                self.note(f"vault {place}: {name}: {error}; left out")
                continue
            found |= {seed: run for seed, run in runs.items() if seed in missing}
            missing -= set(runs)
        return found

    def _runs(self, data: bytes, what: Identity, budget: Budget) -> dict[int, pa.Table]:
        if reason := self._refused.get(digest(data)):
            raise BadEntry(reason)
        said = cache_entry.about(data)
        check(said, what)
        had = said.limits
        whole = what.budget_aware or what.facts["workers"] > 1
        if whole and had != budget:
            return {}
        task = registry.table_task(said.facts["task"])
        table = cache_entry.unpack(task, data)
        return (
            cache_entry.shorten(table, had, budget, free=said.facts["duplicates"] == "free") or {}
        )

    def serve(self, root: Path, experiment: Experiment, threads: int = 2) -> int:
        """Write into ``root`` all runs of ``experiment`` that are known; how many there were."""
        if self.own is not None:
            atomic.sweep(self.own.path)
        pairs = [(task, spec) for task in experiment.tasks for spec in experiment.strategies]
        self._named("")  # reads the places' lists before threads do
        with ThreadPoolExecutor(threads) as pool:
            served = sum(pool.map(lambda pair: self._serve(root, experiment, *pair), pairs))
        self.served += served
        return served

    def _serve(self, root: Path, experiment: Experiment, task_id: str, spec: StrategySpec) -> int:
        have: set[int] = set()
        for first, last in store.unit_files(root, task_id, spec.label):
            have.update(range(first, last + 1))
        missing = set(range(experiment.seeds)) - have
        what = self._identity(experiment, task_id, spec) if missing else None
        if what is None:
            return 0
        found = self.find(what, experiment.budget, missing)
        for seeds in stretches(found):
            import pyarrow as pa

            table = pa.concat_tables([found[seed] for seed in seeds]).combine_chunks()
            unit = Unit(task_id, spec.label, seeds[0], seeds[-1])
            about = facts(experiment, spec, unit, registry.task(task_id).hash)
            about["vault"] = what.key
            store.write_unit(root, unit, record.described(table, about))
        return len(found)

    def _identity(
        self, experiment: Experiment, task_id: str, spec: StrategySpec
    ) -> Identity | None:
        """Return what a run is; None if its task has no table, is measured, or cannot be told.

        Records are rebuilt from tables: see `entry`.
        """
        task = registry.task(task_id)
        if table_of(task) is None or not is_reproducible(task):
            return None
        try:
            return identity(task, spec, experiment)
        except NasarenaError as error:
            self.note(f"vault: {spec.label} is not looked up: {error}")
            return None

    def keep(self, root: Path, experiment: Experiment, spec: StrategySpec, unit: Unit) -> None:
        """Keep a unit that ``root`` holds; a problem is noted and stops nothing.

        What ran in lanes is not kept: to run it again takes less time than to read it.
        """
        what = self._identity(experiment, unit.task, spec)
        if self.own is None or what is None or what.facts.get("form") == "lanes":
            return
        try:
            table = store.read_unit(store.unit_path(root, unit))
            if len(table):
                name, data = packed(what, spec, experiment, table)
                self.own.write(name, data)
        except (NasarenaError, OSError) as error:
            self.note(f"vault: {unit} is not kept: {error}")


def check(said: cache_entry.About, what: Identity) -> None:
    """Compare what an entry says of itself with what is looked for.

    Raises:
        BadEntry: naming what differs.
    """
    if said.key != what.key or said.facts != json.loads(json.dumps(what.facts, default=str)):
        raise BadEntry("it holds other runs than its name says")
    for package, version in said.packages.items():
        here = what.packages.get(package)
        if here is not None and here != version:
            raise BadEntry(f"it was made with {package} {version or 'missing'}, here is {here}")


def stretches(seeds: Iterable[int]) -> Iterator[list[int]]:
    """Runs of consecutive numbers."""
    stretch: list[int] = []
    for seed in sorted(seeds):
        if stretch and seed != stretch[-1] + 1:
            yield stretch
            stretch = []
        stretch.append(seed)
    if stretch:
        yield stretch


def packed(
    what: Identity,
    spec: StrategySpec,
    experiment: Experiment,
    table: pa.Table,
    *,
    level: int = 3,
    made: dict[str, Any] | None = None,
) -> tuple[str, bytes]:
    """A record as an entry: its name and its content, compressed at this level.

    ``made`` says when and with what it was made, if not here and now.
    """
    task = registry.table_task(what.facts["task"])
    budget = decoding.plain(experiment.budget)
    about: dict[str, Any] = {
        "key": what.key,
        "facts": json.loads(json.dumps(what.facts, default=str)),
        "packages": what.packages,
        "budget": budget,
        "name": spec.name,
        "made": made or {"at": datetime.now(UTC).isoformat(timespec="seconds"), **versions()},
    }
    data = cache_entry.pack(task, table, about, level=level)
    said = cache_entry.about(data)
    variant = digest(json.dumps([what.packages, budget], sort_keys=True).encode())[:8]
    stem = re.sub(r"[^\w+-]+", "_", f"{Path(spec.name).name} {task.id[-60:]}").strip("_")
    return f"{stem}.{what.key}.{variant}.{said.first}-{said.last}.parquet", data


# Entries that did not run again to the same bits.


def _refused_path(own: Folder) -> Path:
    return own.path / "refused.json"


def refused(own: Folder | None) -> dict[str, str]:
    """Digest of each entry that was found to be wrong, and why."""
    try:
        found = json.loads(_refused_path(own).read_text(encoding="utf-8")) if own else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{own}/refused.json cannot be read: {error}; remove it") from error
    if not isinstance(found, dict):
        raise StoreError(f"{own}/refused.json holds no list of refused entries; remove it")
    return {str(name): str(reason) for name, reason in found.items()}


def refuse(own: Folder, data: bytes, reason: str) -> None:
    """Leave an entry out from now on, wherever it lies."""
    text = json.dumps(refused(own) | {digest(data): reason}, indent=1)
    store.write_text(_refused_path(own), text)


def default(*further: str) -> Vault:
    """The vault of this user: cache, repository, baselines in the box, then URLs and folders.

    ``further`` are looked in as well, and so is ``$NASARENA_VAULT_URL``.
    """
    repository = repository_folder()
    urls = [*further, *filter(None, [os.environ.get("NASARENA_VAULT_URL")])]
    places: list[Place] = [Folder(repository)] if repository else []
    places.append(Folder(BASELINES))
    places += [place_at(url) for url in urls]
    return Vault(places, Folder(user_folder()))


def place_at(where: str) -> Place:
    """A folder by its path, or what lies at a URL."""
    return Remote(where) if "://" in where else Folder(Path(where).expanduser())
