"""NAS-Bench-Macro's file: ``nas-bench-macro_cifar10.json``.

It holds test accuracies of three trainings and no validation accuracy, so a search has nothing else
to go by: the column "validation" is the published test accuracy, and there is no column "test". It
holds no training time: a training costs one second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..published.nasbench_macro import SPACE
from ..table import BadFile, Column, Rows, Table
from . import Format, Imported, Progress

_EPOCHS, _REPEATS = 50, 3
COLUMNS = (
    Column("validation", "%", True, "test accuracy (the file holds no validation accuracy)"),
    Column("seconds", "", False, "trainings (the file holds no training time)"),
    Column("parameters", "", False, "parameters", proxy=True),
    Column("flops", "", False, "FLOPs", proxy=True),
)


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """The one dataset."""
    if len(files) != 1:
        raise BadFile(f"expected one file, nas-bench-macro_cifar10.json, got {len(files)}")
    try:
        found: dict[str, dict[str, Any]] = json.loads(files[0].read_bytes())
        rows = _rows(found)
    # All that a file of another benchmark, or half a file, can bring JSON and `_rows` to say.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise BadFile(
            f"{files[0]}: expected the networks of NAS-Bench-Macro "
            f"({type(error).__name__}: {error})"
        ) from error
    yield Imported(
        "nasbench-macro",
        "cifar10",
        Table.from_rows(rows),
        COLUMNS,
        "nasbench-macro",
        "Su et al., NAS-Bench-Macro, CVPR 2021, arXiv:2103.11922",
        ("a search selects by the published test accuracy: the file holds no other",),
    )
    progress(1.0)


def _rows(found: dict[str, dict[str, Any]]) -> Rows:
    canonical = np.array([SPACE.index(SPACE.canonical(arch)) for arch in SPACE], np.int32)
    shape = SPACE.spellings, 1, _REPEATS
    values = {name: np.full(shape, np.nan) for name in ("validation", "parameters", "flops")}
    values["seconds"] = np.ones(shape)
    for key, network in found.items():
        arch = tuple(map(int, key))
        if not SPACE.is_valid(arch):
            raise ValueError(f"{key!r} does not name eight operations from 0 to 2")
        row = SPACE.index(arch)
        values["validation"][row, 0] = [float(value) for value in network["test_acc"]]
        values["parameters"][row] = network["params"]
        values["flops"][row] = network["flops"]
    missing = np.flatnonzero(np.isnan(values["validation"]).any(axis=(1, 2)))
    if len(missing):
        first = SPACE.describe(SPACE.arch(int(missing[0])))
        raise ValueError(f"{len(missing)} networks are missing, the first of them {first}")
    return Rows((_EPOCHS,), values, np.arange(len(canonical), dtype=np.int32), canonical)


FORMAT = Format("nasbench-macro", "NAS-Bench-Macro", "nas-bench-macro_cifar10.json", read)
