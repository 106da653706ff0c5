"""NAS-Bench-NLP's logs: a zip archive or a folder of JSON files, one a training.

Losses are cross-entropies a word, minimized. A training that broke off (its loss became NaN) is a
failed one from there on; it cost the seconds that it ran. Trainings of one and the same cell are
its replicas, whichever number the benchmark gave it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..base import Arch
from ..bounds import UNPACK_ERRORS, check_zip
from ..foreign import numbers, read_json, typed
from ..published.nasbench_nlp import Node, decisions, in_order, spell
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .rows import table_of

COLUMNS = (
    Column("validation", "", False, "validation loss"),
    Column("test", "", False, "test loss"),
    Column("train", "", False, "training loss"),
    Column("seconds", "s", False, "training time"),
    Column("parameters", "", False, "parameters", proxy=True),
)


class _Plain(TypedDict):
    """What a file holds; ``recepie`` is JSON in itself."""

    recepie: str
    data: str
    epochs: int | str
    num_params: float
    val_losses: list[float | str]
    test_losses: list[float | str]
    train_losses: list[float | str]
    wall_times: list[float | str]


class _Log(NamedTuple):
    """A training: ``nodes`` of its cell, ``losses`` by column and cumulative ``seconds``."""

    recipe: dict[str, Node]
    nodes: int
    dataset: str
    epochs: int
    parameters: float
    losses: dict[str, NDArray[np.float64]]
    seconds: NDArray[np.float64]


def _log(data: bytes) -> _Log:
    """A file's content.

    Raises:
        ValueError: if it is no log.
    """
    log = typed(read_json(data, "the log"), _Plain, "the log")
    recipe = typed(read_json(log["recepie"], "recepie"), dict[str, Node], "recepie")
    nodes = len(in_order(recipe))
    spell(recipe, nodes)
    losses = {
        "validation": numbers(log["val_losses"], "val_losses", (None,)),
        "test": numbers(log["test_losses"], "test_losses", (None,)),
        "train": numbers(log["train_losses"], "train_losses", (None,)),
    }
    seconds = np.cumsum(numbers(log["wall_times"], "wall_times", (None,)))
    epochs = int(log["epochs"])
    if not len(seconds) or epochs < len(seconds):
        raise BadFile(f"{len(seconds)} of {epochs} epochs")
    dataset = PurePosixPath(log["data"]).name.lower()
    return _Log(recipe, nodes, dataset, epochs, log["num_params"], losses, seconds)


def _logs(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield str(file), file.read_bytes()
        return
    if not zipfile.is_zipfile(path):
        raise BadFile(f"{path}: expected a zip archive or a folder of JSON logs: truncated?")
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, path)
            for name in sorted(archive.namelist()):
                if name.endswith(".json"):
                    yield f"{path}/{name}", archive.read(name)
    except BadFile:
        raise
    except UNPACK_ERRORS as error:
        raise BadFile(f"{path}: expected a zip archive of JSON logs ({error})") from error


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """One dataset for each text that the language models were trained on."""
    found: dict[str, list[_Log]] = {}
    for number, path in enumerate(files, 1):
        for where, data in _logs(path):
            try:
                log = _log(data)
            except ValueError as error:
                raise BadFile(f"{where}: expected a log of NAS-Bench-NLP ({error})") from error
            found.setdefault(log.dataset, []).append(log)
        progress(0.8 * number / len(files))
    for dataset, logs in found.items():
        yield _imported(dataset, logs)


def _imported(dataset: str, logs: list[_Log]) -> Imported:
    nodes = max(log.nodes for log in logs)
    cells: dict[Arch, list[_Log]] = {}
    for log in logs:
        cells.setdefault(spell(log.recipe, nodes), []).append(log)
    epochs = max(log.epochs for log in logs)
    shape = len(cells), epochs, max(map(len, cells.values()))
    values = {name: np.full(shape, np.nan) for name in ("validation", "test", "train", "seconds")}
    parameters = np.full((len(cells), 1, 1), np.nan)
    failed = 0
    for row, trained in enumerate(cells.values()):
        parameters[row] = trained[0].parameters
        for replica, log in enumerate(trained):
            ran = len(log.seconds)
            failed += ran < epochs
            values["seconds"][row, :ran, replica] = log.seconds
            values["seconds"][row, ran:, replica] = log.seconds[-1]
            for name, losses in log.losses.items():
                known = np.where(np.isfinite(losses[:ran]), losses[:ran], np.nan)
                values[name][row, : len(known), replica] = known
    spelled = [(decision.name, decision.choices) for decision in decisions(nodes)]
    table, space = table_of(
        "nasbench-nlp",
        spelled,
        list(cells),
        range(1, epochs + 1),
        values | {"parameters": parameters},
    )
    return Imported(
        "nasbench-nlp",
        dataset,
        table,
        COLUMNS,
        {**space, "cells": "recurrent"},
        "Klyuchnikov et al., NAS-Bench-NLP, 2020, arXiv:2006.07116",
        (f"{len(logs)} trainings of {len(cells)} different cells; {failed} broke off",),
    )


FORMAT = Format(
    name="nasbench-nlp",
    title="NAS-Bench-NLP",
    files="a zip archive or folder of log_stats_model_….json",
    read=read,
)
