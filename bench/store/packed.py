"""A results folder in one small Parquet file, to be committed as a baseline.

The file holds every column of the record but the thinking time, which is measured, and the start
times; both are read back as NaN. The manifest is kept in the file's metadata. `manifest.read` and
`store.read` take such a file wherever they take a results folder.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._base.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LEFT_OUT = ("start", "thinking")
_KEY = b"nasarena.manifest"


def pack(root: str | os.PathLike[str], file: Path, *, force: bool = False) -> Path:
    """Write the results folder ``root`` to ``file``; the same record gives the same columns.

    Raises:
        StoreError: if ``file`` is there already (unless ``force``), or ``root`` is no results
            folder, is damaged or holds no finished run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from . import manifest as manifests
    from . import store

    if file.exists() and not force:
        raise StoreError(f"{file} is there already; --force replaces it")
    manifest = manifests.read(root)
    frame = store.read(root)
    if frame.empty:
        raise StoreError(f"{root} holds no finished run to pack")
    columns = {
        name: pa.array(frame[name].astype(str) if name in ("task", "strategy") else frame[name])
        for name in frame.columns
        if name not in LEFT_OUT
    }
    table = pa.table(columns).replace_schema_metadata({_KEY: manifests.text(manifest)})
    # Few values come twice in a small file: streams of bytes take less than a dictionary.
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    store.write_atomically(
        file,
        lambda temporary: pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=["task", "strategy", "arch"],
            column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
            write_page_checksum=True,
        ),
    )
    return file


def manifest_text(file: Path) -> str:
    """The manifest's JSON.

    Raises:
        StoreError: if ``file`` is no packed results folder, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"{file} is damaged: {str(error).splitlines()[0]}") from error
    if _KEY not in metadata:
        raise StoreError(f"{file} was not written by nasarena pack: it holds no manifest")
    text: bytes = metadata[_KEY]
    return text.decode(errors="replace")


def _text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def read(
    file: Path,
    tasks: Sequence[str],
    labels: Sequence[str],
    keep_tasks: Collection[str],
    keep_labels: Collection[str],
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    """What `store.read` answers for a packed file.

    Raises:
        StoreError: if the file is damaged.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    from . import store

    table = store.read_parquet(file)
    wrong = [n for n in ("task", "strategy") if table.schema.get_field_index(n) < 0]
    wrong = wrong or [n for n in ("task", "strategy") if not _text(table[n].type)]
    if wrong:
        raise StoreError(f"{file} is damaged (no column {wrong[0]} of names)")
    table = table.filter(
        pc.and_(
            pc.is_in(table["task"], pa.array(list(keep_tasks), pa.string())),
            pc.is_in(table["strategy"], pa.array(list(keep_labels), pa.string())),
        )
    )
    frame: dict[str, object] = {
        "task": pd.Categorical(table["task"].to_pylist(), categories=pd.Index(tasks)),
        "strategy": pd.Categorical(table["strategy"].to_pylist(), categories=pd.Index(labels)),
    }
    there = [name for name in table.column_names if name not in frame]
    for name in [*there, *LEFT_OUT] if columns is None else columns:
        if name in LEFT_OUT:
            frame[name] = np.full(len(table), np.nan)
        elif name in there:
            frame[name] = table[name].to_numpy()
        else:
            raise StoreError(f"{file} is damaged (no column {name})")
    return pd.DataFrame(frame, copy=False)
