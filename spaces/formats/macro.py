"""NAS-Bench-Macro's file: ``nas-bench-macro_cifar10.json``.

It holds test accuracies of three trainings and no validation accuracy, so a search has nothing else
to go by: the column "validation" is the published test accuracy, and there is no column "test". It
holds no training time: a training costs one second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np

from ..foreign import numbers, read_json, typed
from ..published.nasbench_macro import SPACE
from ..table import BadFile, Column, Rows, Table
from . import Format, Imported, Progress

_EPOCHS, _REPEATS = 50, 3
_KEY = re.compile("[0-2]{8}")
COLUMNS = (
    Column("validation", "%", True, "test accuracy (the file holds no validation accuracy)"),
    Column("seconds", "", False, "trainings (the file holds no training time)"),
    Column("parameters", "", False, "parameters", proxy=True),
    Column("flops", "", False, "FLOPs", proxy=True),
)


class _Network(TypedDict):
    """What the file says of a network: accuracies of its trainings, and its size."""

    test_acc: list[float]
    params: float
    flops: float


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """The one dataset."""
    if len(files) != 1:
        raise BadFile(f"expected one file, nas-bench-macro_cifar10.json, got {len(files)}")
    try:
        plain = read_json(files[0].read_bytes(), "the file")
        rows = _rows(typed(plain, dict[str, _Network], "the networks"))
    except BadFile as error:
        raise BadFile(f"{files[0]}: expected the networks of NAS-Bench-Macro ({error})") from error
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


def _rows(found: dict[str, _Network]) -> Rows:
    canonical = np.array([SPACE.index(SPACE.canonical(arch)) for arch in SPACE], np.int32)
    shape = SPACE.spellings, 1, _REPEATS
    values = {name: np.full(shape, np.nan) for name in ("validation", "parameters", "flops")}
    values["seconds"] = np.ones(shape)
    for key, network in found.items():
        if not _KEY.fullmatch(key):
            raise BadFile(f"{key!r} does not name eight operations from 0 to 2")
        row = SPACE.index(tuple(map(int, key)))
        accuracies = numbers(network["test_acc"], f"test_acc of {key}", (_REPEATS,))
        values["validation"][row, 0] = accuracies
        values["parameters"][row] = network["params"]
        values["flops"][row] = network["flops"]
    missing = np.flatnonzero(np.isnan(values["validation"]).any(axis=(1, 2)))
    if len(missing):
        first = SPACE.describe(SPACE.arch(int(missing[0])))
        raise BadFile(f"{len(missing)} networks are missing, the first of them {first}")
    return Rows((_EPOCHS,), values, np.arange(len(canonical), dtype=np.int32), canonical)


FORMAT = Format("nasbench-macro", "NAS-Bench-Macro", "nas-bench-macro_cifar10.json", read)
