"""A plain table, one row a query: CSV or Parquet, with the manifest in or beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench._base.errors import StoreError
from ...bench.store import manifest as manifests
from ...bench.store import store
from ...bench.store.manifest import Manifest
from .formats import Options, Runs

if TYPE_CHECKING:
    import pandas as pd

_KEY = b"nasarena-manifest"


def read(source: str, options: Options) -> Runs:
    """The table at ``source``. Its manifest counts only if it fits the table's tasks."""
    frame, manifest = load_table(source)
    metric = options.metric or "loss"
    if metric not in frame:
        raise StoreError(f"{source} has no column {metric!r}; it has {', '.join(map(str, frame))}")
    if options.metric or options.maximize:
        sign = -1.0 if options.maximize else 1.0
        frame["loss"] = sign * frame[metric].astype(float)
        manifest = None
    for name, value in (("task", options.task), ("strategy", options.strategy), ("seed", 0)):
        if value is not None and name not in frame:
            frame[name] = value
    if "arch" in frame:
        frame["arch"] = [_choices(text) for text in frame["arch"]]
    own = {"task", "strategy", "seed", "step", "arch", "network", "epochs", "replica", "config"}
    numbers = {"validation", "test", "start", "finish", "charged", "thinking"}
    keep = [name for name in frame if name in own | numbers or str(name).startswith("loss")]
    if manifest is not None and not _fits(manifest, frame):
        manifest = None
    return Runs(frame[keep], manifest)


def _fits(manifest: Manifest, frame: pd.DataFrame) -> bool:
    """Whether it is the manifest of these tasks and strategies."""
    return {"task", "strategy"} <= set(frame) and (
        set(frame["task"]) <= set(manifest.experiment.tasks)
        and set(frame["strategy"]) <= set(manifest.specs)
    )


def write(runs: Runs, out: str, options: Options) -> None:
    """Every column of the record; a file of this name is replaced."""
    path = Path(out)
    if path.suffix == ".parquet":
        store.write_atomically(path, lambda temporary: _parquet(runs, temporary))
        return
    if path.suffix != ".csv":
        raise StoreError(f"{out}: expected a name that ends in .csv or .parquet")
    frame = runs.frame.copy()
    frame["arch"] = [" ".join(map(str, arch)) for arch in frame["arch"]]
    store.write_atomically(path, lambda temporary: frame.to_csv(temporary, index=False))
    assert runs.manifest is not None
    store.write_text(_beside(path), manifests.text(runs.manifest))


def _parquet(runs: Runs, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert runs.manifest is not None
    table = pa.Table.from_pandas(runs.frame, preserve_index=False)
    about = {_KEY: manifests.text(runs.manifest).encode()}
    pq.write_table(table.replace_schema_metadata(about), path, compression="zstd")


def load_table(source: str) -> tuple[pd.DataFrame, Manifest | None]:
    """The table and our manifest, if it has one.

    Raises:
        StoreError: if it cannot be read, or its manifest is damaged.
    """
    path = Path(source)
    try:
        if path.suffix == ".parquet":
            table = store.read_parquet(path)
            text = (table.schema.metadata or {}).get(_KEY)
            found = manifests.parse(text, f"the manifest in {source}") if text else None
            return table.to_pandas(ignore_metadata=True), found
        frame = store.read_csv(path)
        beside = _beside(path)
        if not beside.is_file():
            return frame, None
        return frame, manifests.parse(beside.read_bytes(), str(beside))
    except (OSError, ValueError) as error:
        raise StoreError(f"{source} cannot be read as a table: {error}") from error


def _beside(path: Path) -> Path:
    return path.with_suffix(".manifest.json")


def _choices(value: Any) -> list[int]:
    """An architecture as choice indices, from a list or from numbers with spaces between."""
    if isinstance(value, str):
        return [int(part) for part in value.replace(",", " ").strip("()[] ").split()]
    if isinstance(value, float | int):  # one decision alone, or none (NaN)
        return [] if np.isnan(value) else [int(value)]
    return [int(choice) for choice in value]
