"""Tables from rows that each spell an architecture, whether they are all that there are or some."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import Arch
from ..published.nasbench201 import BENCHMARK, read, source
from ..table import BadFile, Column, Table


def table_of(
    name: str,
    decisions: Sequence[tuple[str, Sequence[str]]],
    archs: Sequence[Arch],
    epochs: Sequence[int],
    columns: dict[str, NDArray[np.float64]],
) -> tuple[Table, dict[str, Any]]:
    """The table of rows (in any order) with broadcast columns, and the description of its space.

    The space is a pool unless every combination of choices has a row.

    Raises:
        BadFile: if two rows spell one architecture, or there are fewer than two.
    """
    codes = np.array(archs, np.int16).reshape(len(archs), len(decisions))
    order = np.lexsort(codes.T[::-1])
    codes = codes[order]
    same = np.flatnonzero((codes[1:] == codes[:-1]).all(axis=1))
    if len(same) or len(codes) < 2:
        what = (
            f"{tuple(codes[same[0]].tolist())} is there twice" if len(same) else "there is one row"
        )
        raise BadFile(f"expected two or more different architectures: {what}")
    pool = len(codes) < prod(len(choices) for _, choices in decisions)
    replicas = max(values.shape[2] for values in columns.values())
    shape = len(codes), len(epochs), replicas
    number = np.arange(len(codes), dtype=np.int32)
    table = Table(
        tuple(epochs),
        {key: np.broadcast_to(values[order], shape) for key, values in columns.items()},
        spelling=number,
        canonical=number,
        row_of=number,
        extra={"members": codes} if pool else {},
    )
    listed = [[key, list(choices)] for key, choices in decisions]
    return table, {"name": name, "decisions": listed, "pool": pool}


DATASETS = ("cifar10", "cifar100", "imagenet16-120")


def joined(
    path: Path, dataset: str, further: dict[str, NDArray[np.float64]]
) -> tuple[Table, tuple[Column, ...]]:
    """The packaged table of NAS-Bench-201 with ``further`` columns, (spellings,) each.

    Raises:
        BadFile: if NAS-Bench-201 has no such dataset.
        MissingPackage: if the package that carries the table is not installed.
    """
    if dataset not in DATASETS:
        raise BadFile(f"{path}: expected a dataset among {', '.join(DATASETS)}, got {dataset!r}")
    plain = Table.from_rows(read(source(dataset), dataset))
    shape = plain.rows, len(plain.epochs), plain.replicas
    added = {
        name: np.broadcast_to(values[plain.spelling][:, None, None], shape)
        for name, values in further.items()
    }
    table = Table(
        plain.epochs,
        plain.columns | added,
        spelling=plain.spelling,
        canonical=plain.canonical,
        row_of=plain.row_of,
    )
    return table, BENCHMARK.columns


def dataset_in(path: Path) -> str:
    """The dataset that a file's name ends with, before its suffixes."""
    return path.name.partition(".")[0].rpartition("_")[2].lower()
