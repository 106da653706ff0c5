"""NAS-Bench-ASR's official files: ``nb-asr-e40-1234.pickle`` and those beside it.

Source: Mehrotra et al., "NAS-Bench-ASR: Reproducible Neural Architecture Search for Speech
Recognition", ICLR 2021: 8,242 networks trained on TIMIT for 40 epochs (or 5, 10) with three seeds,
one file a seed, all imported together; with them, if wanted, the file of parameters
(``nb-asr-info.pickle``) and those of latencies (``nb-asr-bench-….pickle``). A file holds two
pickles: a header, and a list with one row a network. Phoneme error rates are minimized. The files
hold no training time: an epoch costs one second.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base import Arch
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .rows import table_of
from .stream import Unpickler


class _File(NamedTuple):
    path: Path
    header: dict[str, Any]
    rows: dict[str, list[Any]]


def _load(path: Path) -> _File:
    with path.open("rb") as file:
        reader = Unpickler(file, str(path))
        header, rows = reader.load(), reader.load()
    if not isinstance(header, dict) or "dataset_type" not in header or not isinstance(rows, list):
        raise BadFile(f"{path}: expected a header with dataset_type, and rows, of NAS-Bench-ASR")
    try:
        return _File(path, header, {row[0]: list(row[1:]) for row in rows})
    except (TypeError, IndexError, KeyError) as error:
        raise BadFile(f"{path}: expected rows of NAS-Bench-ASR ({error!r})") from error


def _flat(point: Any) -> Arch:
    """``[[op, skip], [op, skip, skip], …]`` as one tuple."""
    return tuple(int(number) for node in point for number in node)


def _decisions(operations: list[str], nodes: int) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in range(1, nodes + 1):
        found.append((f"operation {node}", tuple(operations)))
        found += [(f"skip from {before} to {node}", ("no", "yes")) for before in range(node)]
    return found


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """One dataset, of all seeds."""
    loaded = []
    for number, path in enumerate(files, 1):
        loaded.append(_load(path))
        progress(0.8 * number / len(files))
    try:
        yield _imported(loaded)
    except BadFile:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise BadFile(
            f"{files[0]}: expected files of NAS-Bench-ASR ({type(error).__name__}: {error})"
        ) from error


def _imported(files: list[_File]) -> Imported:
    trained = [file for file in files if file.header["dataset_type"] == "training"]
    if not trained:
        raise BadFile("expected at least one file of trainings, nb-asr-e40-….pickle, got none")
    trained.sort(key=lambda file: int(file.header["seed"]))
    first = trained[0]
    for file in trained[1:]:
        if file.rows.keys() != first.rows.keys() or file.header["epochs"] != first.header["epochs"]:
            raise BadFile(f"{file.path} is of other networks or epochs than {first.path}")
    hashes = list(first.rows)
    epochs = int(first.header["epochs"])
    columns = {
        "validation": np.array([[f.rows[h][0] for f in trained] for h in hashes], np.float64),
        "test": np.array([[f.rows[h][1] for f in trained] for h in hashes], np.float64)[..., None],
    }
    columns = {name: values.transpose(0, 2, 1) for name, values in columns.items()}
    if columns["validation"].shape[1] != epochs:
        raise BadFile(f"{first.path}: expected {epochs} epochs")
    # Only the last epoch was tested.
    tested = np.full_like(columns["validation"], np.nan)
    tested[:, -1] = columns["test"][:, 0]
    columns["test"] = tested
    columns["seconds"] = np.zeros_like(tested) + np.arange(1.0, epochs + 1)[:, None]
    described = [
        Column("validation", "", False, "validation phoneme error rate"),
        Column("test", "", False, "test phoneme error rate"),
        Column("seconds", "s", False, "epochs (the files hold no training time)"),
    ]
    for file in files:
        kind, place = file.header["dataset_type"], file.header["columns"]
        names = {"static": place[1:3], "benchmarking": ["latency"]}.get(kind, [])
        for number, name in enumerate(names):
            values = [file.rows[h][number] for h in hashes]
            device = f"-{file.header['device']}".lower() if kind == "benchmarking" else ""
            columns[name + device] = np.array(values, np.float64).reshape(-1, 1, 1)
            described.append(Column(name + device, "", False, name, proxy=kind == "static"))
    shape = first.header["search_space"]
    decisions = _decisions(shape["ops"], int(shape["nodes"]))
    archs = [_flat(first.rows[h][-1]) for h in hashes]
    table, space = table_of("nasbench-asr", decisions, archs, range(1, epochs + 1), columns)
    return Imported(
        "nasbench-asr",
        f"timit-e{epochs}",
        table,
        tuple(described),
        space,
        "Mehrotra et al., NAS-Bench-ASR, ICLR 2021",
        (f"training seeds: {', '.join(str(file.header['seed']) for file in trained)}",),
    )


FORMAT = Format(
    name="nasbench-asr",
    title="NAS-Bench-ASR",
    files="nb-asr-e40-1234.pickle and its siblings, nb-asr-info.pickle, nb-asr-bench-….pickle",
    read=read,
)
