"""The results folder: a manifest and one Parquet file a unit of work.

::

    RESULTS/manifest.json
    RESULTS/runs/<task>/<strategy label>/<first seed>-<last seed>.parquet
    RESULTS/errors/<task>/<strategy label>/<first seed>-<last seed>.txt

A file is never overwritten or half-written: it is written beside its place, synced and renamed.
A unit whose file exists is done.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from . import packed
from .errors import StoreError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SCHEMA = 1
_BLOCK = re.compile(r"(\d+)-(\d+)\.parquet")


class Unit(NamedTuple):
    """A unit of work: one task, one strategy, the seeds ``first`` to ``last`` inclusive."""

    task: str
    label: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.task}, {self.label}, seeds {self.first}-{self.last}"


def _folder_name(text: str) -> str:
    """``text`` as one folder name, readable and never a way out of the results folder."""
    name = quote(text, safe=" ,+()=_-.")
    return "%2E" * len(name) if set(name) <= {"."} else name


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


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file, sync it and rename it to ``path``.

    Raises:
        StoreError: if the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


# The manifest.


def write_manifest(root: Path, manifest: dict[str, Any]) -> None:
    """Write or replace the manifest of a results folder."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_atomically(root / "manifest.json", lambda path: _write_text(path, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_error(root: Path, unit: Unit, text: str) -> Path:
    """Keep a failed unit's traceback; returns where."""
    path = error_path(root, unit)
    write_atomically(path, lambda temporary: _write_text(temporary, text))
    return path


def manifest(root: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a results folder, or of the file that one was packed into.

    Raises:
        StoreError: if ``root`` is no results folder, or its manifest is damaged or newer.
    """
    path = Path(root) / "manifest.json"
    try:
        if Path(root).is_file():
            path = Path(root)
            found: Any = json.loads(packed.manifest_text(path))
        else:
            found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{root} is not a results folder: it has no manifest.json") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or "schema" not in found:
        raise StoreError(f"{path} is not a manifest of nasarena")
    if found["schema"] != SCHEMA:
        raise StoreError(f"{path} has schema {found['schema']}, this version reads {SCHEMA}")
    return found


# The record.


def write_unit(root: Path, unit: Unit, record: pa.Table) -> None:
    """Write a finished unit, unless its file is already there."""
    import pyarrow.parquet as pq

    path = unit_path(root, unit)
    if path.exists():
        return
    write_atomically(
        path,
        lambda temporary: pq.write_table(
            record, temporary, compression="zstd", write_page_checksum=True
        ),
    )


def keep_unit(root: Path, unit: Unit, data: bytes) -> None:
    """Write a finished unit's file as it came from elsewhere, in place of a damaged one."""
    path = unit_path(root, unit)
    if path.exists():
        if damage(path) is None:
            return
        set_aside(path)
    write_atomically(path, lambda temporary: _write_bytes(temporary, data))


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def block(name: str) -> tuple[int, int] | None:
    """First and last seed of the unit in a file of this name; None if it is no unit's."""
    match = _BLOCK.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def unit_files(root: Path, task: str, label: str) -> dict[tuple[int, int], Path]:
    """The finished units of a task and strategy: (first seed, last seed) -> file."""
    folder = _unit_folder(root, "runs", task, label)
    found = ((block(path.name), path) for path in folder.glob("*.parquet"))
    return {seeds: path for seeds, path in found if seeds}


def damage(path: Path) -> str | None:
    """What is wrong with a unit's file, in words; None if nothing is. Reads its footer only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        return str(error).splitlines()[0]
    return None


def fingerprints(root: str | os.PathLike[str]) -> dict[Unit, str]:
    """The fingerprint that each finished unit was written with; reads footers only.

    Raises:
        StoreError: if the folder is no results folder or a unit's file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = Path(root)
    experiment = manifest(root)["experiment"]
    found = {}
    for task in experiment["tasks"]:
        for label in (spec["label"] for spec in experiment["strategies"]):
            for (first, last), path in sorted(unit_files(root, task, label).items()):
                try:
                    metadata = pq.read_metadata(path).metadata or {}
                except (OSError, pa.ArrowException) as error:
                    raise _damaged(path, error) from error
                said = json.loads(metadata.get(b"nasarena", b"{}"))
                found[Unit(task, label, first, last)] = str(said.get("fingerprint", ""))
    return found


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that its unit runs again; nothing is deleted."""
    for number in range(1, 1000):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            path.rename(aside)
            return aside
    raise StoreError(f"{path} was damaged too often; remove its .damaged files")


def read_unit(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One unit's record, its page checksums verified.

    Raises:
        StoreError: if the file is damaged, cut off or not a record.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not read_table: for many small files its set-up takes longer than the reading.
        with pq.ParquetFile(path, page_checksum_verification=True, memory_map=True) as file:
            unknown = set(columns or ()) - set(file.schema_arrow.names)
            if unknown:
                raise KeyError(f"no column {', '.join(sorted(unknown))}")
            return file.read(columns=columns, use_threads=False)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StoreError:
    reason = str(error).splitlines()[0]
    return StoreError(
        f"{path} is damaged ({reason}); the same nasarena run sets it aside and runs it again"
    )


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
        StoreError: if the folder is no results folder or a unit's file is damaged.
    """
    from concurrent.futures import ThreadPoolExecutor

    import pandas as pd
    import pyarrow as pa

    root = Path(root)
    experiment = manifest(root)["experiment"]
    all_tasks: list[str] = experiment["tasks"]
    labels: list[str] = [s["label"] for s in experiment["strategies"]]
    wanted = None if columns is None else [c for c in columns if c not in ("task", "strategy")]
    keep_tasks = set(all_tasks if tasks is None else tasks)
    keep_labels = set(labels if strategies is None else strategies)
    if root.is_file():
        return packed.read(root, all_tasks, labels, keep_tasks, keep_labels, wanted)
    files: list[tuple[int, int, Path]] = []
    for t, task in enumerate(all_tasks):
        for s, label in enumerate(labels):
            if task in keep_tasks and label in keep_labels:
                found = unit_files(root, task, label)
                files += [(t, s, found[block]) for block in sorted(found)]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        parts = list(pool.map(lambda file: read_unit(file[2], wanted), files))
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


def _repeat(values: list[int], counts: list[int]) -> NDArray[np.int16]:
    return np.repeat(np.asarray(values, dtype=np.int16), counts)
