"""NAS-Bench-Graph's full files: every epoch of the trainings with three seeds.

Source: Qin et al., NeurIPS 2022 (arXiv:2206.09166): ``cora0.bench``, ``cora1.bench`` and
``cora2.bench``, and likewise for each dataset; the three of a dataset are imported together. They
hold no training time: an epoch costs the inference latency, so that, as with the packaged table,
the simulated clock orders networks by how fast they run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..foreign import numbers, typed
from ..published.nasbench_graph import BENCHMARK, PROTEINS, arch_of_key, canonical_numbers, space
from ..table import BadFile, Column, Rows, Table
from . import Format, Imported, Progress
from .stream import Unpickler

_NAME = re.compile(r"([a-z]+)(\d)\.bench")
COLUMNS = (
    Column("validation", "", True, "validation accuracy"),
    Column("test", "", True, "test accuracy"),
    Column("train", "", True, "training accuracy"),
    Column("seconds", "s", False, "inference latency, once an epoch"),
    Column("latency", "s", False, "inference latency"),
    Column("parameters", "M", False, "parameters", proxy=True),
)


def _take(filled: dict[Any, Any]) -> None:
    """Keeps of each epoch training, validation and test accuracy, and not the losses."""
    if "dur" in filled and isinstance(filled["dur"], list):
        kinds = set(map(type, filled["dur"]))
        if not kinds <= {list, tuple}:
            raise BadFile(f"expected a list an epoch, got {', '.join(k.__name__ for k in kinds)}")
        every = numbers([epoch[:3] for epoch in filled["dur"]], "the epochs", (None, 3))
        for epoch in filled["dur"]:
            if isinstance(epoch, list):
                epoch.clear()
        filled["dur"].clear()
        filled["dur"] = every


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """One dataset for each three files. Holds the numbers of one dataset at once."""
    groups: dict[str, dict[int, Path]] = {}
    for path in files:
        name = _NAME.fullmatch(path.name)
        if name is None or name[1] not in BENCHMARK.datasets:
            raise BadFile(f"{path}: expected a file named like cora0.bench, after its dataset")
        groups.setdefault(name[1], {})[int(name[2])] = path
    for number, (dataset, paths) in enumerate(groups.items(), 1):
        yield _imported(dataset, [paths[seed] for seed in sorted(paths)])
        progress(number / len(groups))


def _imported(dataset: str, paths: list[Path]) -> Imported:
    rows: dict[int, int] = {}
    parts: list[dict[str, NDArray[np.float64]]] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                networks = _networks(Unpickler(file, str(path), _take).load())
            rows = rows or {key: row for row, key in enumerate(sorted(networks))}
            if networks.keys() != rows.keys():
                raise BadFile(f"{len(networks):,} networks, not those of {paths[0].name}")
            parts.append(_arrays(networks, rows))
        except BadFile as error:
            raise BadFile(f"{path}: expected the networks of NAS-Bench-Graph ({error})") from error
    here = space(dataset)
    canonical = canonical_numbers(here)
    try:
        spelling = canonical[[here.index(arch_of_key(here, key)) for key in rows]]
    except ValueError as error:
        raise BadFile(f"{paths[0]}: {error}") from error
    wanted = len(np.unique(canonical[canonical >= 0]))
    if len(np.unique(spelling)) != wanted:
        raise BadFile(f"{paths[0]}: expected {wanted:,} networks, got {len(rows):,}")
    epochs = parts[0]["validation"].shape[1]
    if any(part["validation"].shape[1] != epochs for part in parts):
        raise BadFile(f"{paths[0]} and its siblings have different numbers of epochs")
    shape = len(rows), epochs, len(parts)
    columns = {
        name: np.broadcast_to(np.stack([part[name] for part in parts], axis=2), shape)
        for name in parts[0]
    }
    found = Rows(tuple(range(1, epochs + 1)), columns, spelling, canonical)
    return Imported(
        "nasbench-graph-full",
        dataset,
        Table.from_rows(found),
        COLUMNS,
        "nasbench-graph/proteins" if here is PROTEINS else "nasbench-graph",
        BENCHMARK.citation,
        (f"training seeds: files {', '.join(path.name for path in paths)}",),
    )


class _Network(TypedDict):
    """What the file says of a network; ``dur`` is what `_take` has made of its epochs."""

    dur: Any
    latency: float
    para: float


def _networks(found: object) -> dict[int, _Network]:
    """By key.

    Raises:
        BadFile: if these are no networks.
    """
    plain = typed(found, dict[Any, _Network], "the networks")
    networks: dict[int, _Network] = {}
    for key, network in plain.items():
        if not isinstance(key, int | str) or not str(key).isdecimal():
            raise BadFile(f"a number as key of each network, got {key!r}")
        if not isinstance(network["dur"], np.ndarray):
            raise BadFile(f"network {key}: its epochs as a list")
        networks[int(key)] = network
    if not networks:
        raise BadFile("there are none")
    return networks


def _arrays(networks: dict[int, _Network], rows: dict[int, int]) -> dict[str, NDArray[np.float64]]:
    """(rows, epochs) accuracies and seconds, (rows, 1) latency and parameters, of one seed."""
    epochs = max(len(network["dur"]) for network in networks.values())
    curves = np.full((3, len(rows), epochs), np.nan)
    single = {name: np.full((len(rows), 1), np.nan) for name in ("latency", "parameters")}
    for key, network in networks.items():
        row = rows[key]
        curves[:, row, : len(network["dur"])] = network["dur"].T
        single["latency"][row], single["parameters"][row] = network["latency"], network["para"]
    train, validation, test = curves
    seconds = single["latency"] * np.arange(1, epochs + 1)
    return {"validation": validation, "test": test, "train": train, "seconds": seconds, **single}


FORMAT = Format(
    name="nasbench-graph",
    title="NAS-Bench-Graph, every epoch",
    files="cora0.bench cora1.bench cora2.bench, and so on for other datasets",
    read=read,
)
