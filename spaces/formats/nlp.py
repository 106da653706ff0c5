"""NAS-Bench-NLP's logs: a zip archive or a folder of JSON files, one a training.

Losses are cross-entropies a word, minimized. A training that broke off (its loss became NaN) is a
failed one from there on; it cost the seconds that it ran. Trainings of one and the same cell are
its replicas, whichever number the benchmark gave it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..base import Arch
from ..bounds import UNPACK_ERRORS, check_zip
from ..published.nasbench_nlp import decisions, in_order, spell
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .rows import table_of

_LOSSES = {"validation": "val_losses", "test": "test_losses", "train": "train_losses"}
COLUMNS = (
    Column("validation", "", False, "validation loss"),
    Column("test", "", False, "test loss"),
    Column("train", "", False, "training loss"),
    Column("seconds", "s", False, "training time"),
    Column("parameters", "", False, "parameters", proxy=True),
)


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
    found: dict[str, list[dict[str, Any]]] = {}
    for number, path in enumerate(files, 1):
        for where, data in _logs(path):
            try:
                log = json.loads(data)
                recipe = log["recipe"] = json.loads(log["recepie"])
                log["nodes"] = len(in_order(recipe))
                dataset = PurePosixPath(log["data"]).name.lower()
                log |= {key: [float(x) for x in log[key]] for key in _LOSSES.values()}
                log["seconds"] = np.cumsum([float(x) for x in log["wall_times"]])
                if not len(log["seconds"]) or int(log["epochs"]) < len(log["seconds"]):
                    raise ValueError(f"{len(log['seconds'])} of {log['epochs']} epochs")
            except (
                *(ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError),
            ) as error:
                raise BadFile(
                    f"{where}: expected a log of NAS-Bench-NLP ({type(error).__name__}: {error})"
                ) from error
            found.setdefault(dataset, []).append(log)
        progress(0.8 * number / len(files))
    for dataset, logs in found.items():
        yield _imported(dataset, logs)


def _imported(dataset: str, logs: list[dict[str, Any]]) -> Imported:
    nodes = max(log["nodes"] for log in logs)
    cells: dict[Arch, list[dict[str, Any]]] = {}
    for log in logs:
        cells.setdefault(spell(log["recipe"], nodes), []).append(log)
    epochs = max(int(log["epochs"]) for log in logs)
    shape = len(cells), epochs, max(map(len, cells.values()))
    values = {name: np.full(shape, np.nan) for name in (*_LOSSES, "seconds")}
    parameters = np.full((len(cells), 1, 1), np.nan)
    failed = 0
    for row, trained in enumerate(cells.values()):
        parameters[row] = trained[0]["num_params"]
        for replica, log in enumerate(trained):
            ran = len(log["seconds"])
            failed += ran < epochs
            values["seconds"][row, :ran, replica] = log["seconds"]
            values["seconds"][row, ran:, replica] = log["seconds"][-1]
            for name, key in _LOSSES.items():
                losses = np.array(log[key][:ran])
                values[name][row, : len(losses), replica] = np.where(
                    np.isfinite(losses), losses, np.nan
                )
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
