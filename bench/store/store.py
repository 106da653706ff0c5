"""The results folder: a manifest and one Parquet file a unit of work.

::

    RESULTS/manifest.json
    RESULTS/runs/<task>/<strategy label>/<first seed>-<last seed>.parquet
    RESULTS/errors/<task>/<strategy label>/<first seed>-<last seed>.txt

A file is never overwritten or half-written: it is written beside its place, synced and renamed.
A unit whose file exists is done. What is read is what was written, or an error: the manifest has
a checksum, each unit's file a seal (see unit_file).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ...spaces import bounds
from ...spaces.table import BadFile
from .._base.atomic import write_atomically as write_atomically
from .._base.atomic import write_bytes as write_bytes
from .._base.atomic import write_text as write_text
from .._base.errors import StoreError
from . import manifest as manifests
from . import packed, unit_file
from .manifest import Manifest
from .unit_file import Unit as Unit
from .unit_file import damage as damage
from .unit_file import misfit as misfit

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BLOCK = re.compile(r"(0|[1-9]\d*)-(0|[1-9]\d*)\.parquet")


_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 200  # bytes; file systems take 255


def _folder_name(text: str) -> str:
    """``text`` as one folder name, readable and never a way out of the results folder.

    Nor one that a file system refuses: what is too long keeps its beginning and a hash.
    """
    name = quote(text, safe=" ,+()=_-.", errors="surrogatepass")
    if not name:
        return "%"  # or a task "a//b" would share the folder of "a/b"
    if set(name) <= {"."}:
        return "%2E" * len(name)
    if name[-1] in ". ":  # Windows drops them
        name = f"{name[:-1]}%{ord(name[-1]):02X}"
    if _RESERVED.fullmatch(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name[: _LONGEST - 17]}~{digest}"
    return name


def _unit_folder(root: Path, kind: str, task: str, label: str) -> Path:
    return root.joinpath(kind, *map(_folder_name, task.split("/")), _folder_name(label))


def unit_path(root: Path, unit: Unit) -> Path:
    """Where the record of ``unit`` lies."""
    folder = _unit_folder(root, "runs", unit.task, unit.label)
    return folder / f"{unit.first}-{unit.last}.parquet"


def error_path(root: Path, unit: Unit) -> Path:
    """Where the traceback of a failed ``unit`` lies."""
    folder = _unit_folder(root, "errors", unit.task, unit.label)
    return folder / f"{unit.first}-{unit.last}.txt"


def _stays_inside(root: Path, path: Path) -> None:
    """Refuse to write through a link within a results folder that leads out of it.

    The folder itself may be a link.
    """
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise StoreError(
            f"{path.parent} is, or lies behind, a link that leads out of {root}: remove the link"
        )


def write_error(root: Path, unit: Unit, text: str) -> Path:
    """Keep a failed unit's traceback; returns where."""
    path = error_path(root, unit)
    _stays_inside(root, path)
    write_text(path, text)
    return path


# The record.


def write_unit(root: Path, unit: Unit, record: pa.Table) -> None:
    """Write a finished unit, unless its file is already there."""
    path = unit_path(root, unit)
    if not path.exists():
        _stays_inside(root, path)
        unit_file.write(path, record)


def keep_unit(root: Path, unit: Unit, data: bytes) -> None:
    """Write a finished unit's file as it came from elsewhere, in place of a damaged one."""
    path = unit_path(root, unit)
    if path.exists():
        if damage(path) is None:
            return
        set_aside(path)
    _stays_inside(root, path)
    write_bytes(path, data)


def block_of(name: str) -> tuple[int, int] | None:
    """First and last seed of the unit in a file of this name; None if it is no unit's."""
    match = BLOCK.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def gaps(blocks: Iterable[tuple[int, int]], seeds: int) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of seeds from 0 to ``seeds - 1`` that no block holds.

    It takes no more memory than the blocks do, however many seeds there are said to be.
    """
    begin = 0
    for first, last in sorted(blocks):
        if begin < min(first, seeds):
            yield begin, min(first, seeds) - 1
        begin = max(begin, last + 1)
    if begin < seeds:
        yield begin, seeds - 1


def unit_files(root: Path, task: str, label: str) -> dict[tuple[int, int], Path]:
    """The finished units of a task and strategy: (first seed, last seed) -> file."""
    from .compaction import superseded

    found = all_unit_files(root, task, label)
    for block in superseded(found):
        del found[block]
    return found


def error_files(root: Path, task: str, label: str) -> dict[tuple[int, int], Path]:
    """The tracebacks of failed units of a task and strategy: (first seed, last seed) -> file."""
    folder = _unit_folder(root, "errors", task, label)
    matches = ((re.fullmatch(r"(\d+)-(\d+)\.txt", path.name), path) for path in folder.glob("*"))
    return {(int(m[1]), int(m[2])): path for m, path in matches if m}


def all_unit_files(root: Path, task: str, label: str) -> dict[tuple[int, int], Path]:
    """`unit_files`, with those that a killed compaction has joined but not removed."""
    folder = _unit_folder(root, "runs", task, label)
    matches = ((BLOCK.fullmatch(path.name), path) for path in folder.glob("*.parquet"))
    return {(int(m[1]), int(m[2])): path for m, path in matches if m}


def apart(root: Path, task: str, label: str) -> dict[tuple[int, int], Path]:
    """`unit_files`, sorted, no two of which hold the same seed."""
    found = dict(sorted(unit_files(root, task, label).items()))
    for (block, path), (following, other) in pairwise(found.items()):
        if following[0] <= block[1]:
            raise StoreError(
                f"{path} and {other.name} hold the same seeds; the same nasarena run or "
                f"nasarena doctor --mend {root} sets one aside"
            )
    return found


def fingerprints(root: str | os.PathLike[str]) -> dict[Unit, str]:
    """The fingerprint that each unit was written with, also before it was compacted.

    Raises:
        StoreError: if the folder is no results folder, a unit's footer is damaged, or a file
            does not belong where it lies.
    """
    from . import scan

    return {part.unit: part.fingerprint for part in scan.units(root)}


def _check_place(manifest: Manifest, unit: Unit, about: dict[str, Any], path: Path) -> None:
    if problem := misfit(manifest, unit, about):
        raise unit_file.damaged(path, ValueError(problem))


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that its unit runs again; nothing is deleted."""
    for number in range(1, 1000):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            path.rename(aside)
            return aside
    raise StoreError(f"{path} was damaged too often; remove its .damaged files")


def read_unit(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One unit's record; every byte of its file is verified.

    Raises:
        StoreError: if the file is damaged, cut off or not a record.
    """
    return unit_file.read(path, columns)


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file from elsewhere, of any columns, its size once read bounded.

    Raises:
        StoreError: if it is damaged, or would take far more memory than its size explains.
        OSError: if it cannot be read.
    """
    try:
        return bounds.read_parquet(path)
    except BadFile as error:
        raise StoreError(str(error)) from error


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV file from elsewhere, compressed or not, its size once unpacked bounded.

    Raises:
        StoreError: if it is none, or unpacks to far more than its size explains.
        FileNotFoundError: if there is none.
    """
    import pandas as pd

    try:
        with bounds.unpacked(path) as file:
            return pd.read_csv(file)
    except FileNotFoundError:
        raise
    except bounds.UNPACK_ERRORS as error:
        raise StoreError(f"{path} cannot be read as a table: {error}") from error


def read(
    root: str | os.PathLike[str],
    columns: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
    strategies: Iterable[str] | None = None,
) -> pd.DataFrame:
    """The record of a results folder or of a packed file, one row an answered query.

    Rows are sorted by task, strategy, seed and step. Columns: ``task`` and ``strategy``
    (categories, in the experiment's order), then those of docs/results-format.md, or only
    those named.

    Raises:
        StoreError: if the folder is no results folder, a unit's file is damaged or does not
            belong where it lies, or two hold the same seeds.
    """
    from concurrent.futures import ThreadPoolExecutor

    import pandas as pd
    import pyarrow as pa

    root = Path(root)
    manifest = manifests.read(root)
    all_tasks, labels = list(manifest.experiment.tasks), list(manifest.specs)
    wanted = None if columns is None else [c for c in columns if c not in ("task", "strategy")]
    keep_tasks = set(all_tasks if tasks is None else tasks)
    keep_labels = set(labels if strategies is None else strategies)
    if root.is_file():
        return packed.read(root, all_tasks, labels, keep_tasks, keep_labels, wanted)
    files: list[tuple[int, int, Unit, Path]] = []
    for t, task in enumerate(all_tasks):
        for s, label in enumerate(labels):
            if task in keep_tasks and label in keep_labels:
                found = apart(root, task, label)
                files += [(t, s, Unit(task, label, *block), p) for block, p in found.items()]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        parts = list(pool.map(lambda file: _read_placed(manifest, file[2], file[3], wanted), files))
    rows = [len(part) for part in parts]
    codes = {
        "task": pd.Categorical.from_codes(
            _repeat([f[0] for f in files], rows), pd.Index(all_tasks)
        ),
        "strategy": pd.Categorical.from_codes(
            _repeat([f[1] for f in files], rows), pd.Index(labels)
        ),
    }
    record = pa.concat_tables(parts, promote_options="default") if parts else pa.table({})
    parts.clear()
    frame: dict[str, Any] = dict(codes)
    for name in record.column_names:
        frame[name] = record[name].to_numpy()
        record = record.drop_columns(name)  # so that the record is never held twice
    return pd.DataFrame(frame, copy=False)


def _read_placed(
    manifest: Manifest, unit: Unit, path: Path, columns: Sequence[str] | None
) -> pa.Table:
    """A unit's record, if it belongs where it lies."""
    from ..core.record import about

    table = read_unit(path, columns)
    _check_place(manifest, unit, about(table), path)
    return table


def _repeat(values: list[int], counts: list[int]) -> NDArray[np.int16]:
    return np.repeat(np.asarray(values, dtype=np.int16), counts)
