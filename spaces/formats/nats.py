"""NATS-Bench's official folders: one compressed pickle a network.

Source: Dong, Liu, Musial & Gabrys, "NATS-Bench: Benchmarking NAS Algorithms for Architecture
Topology and Size", TPAMI 2021 (arXiv:2009.00437), ``NATS-tss-v1_0-3ffb9-simple`` (topology: the
cells of NAS-Bench-201) and ``NATS-sss-v1_0-50262-simple`` (size: five layers of 8 to 64 channels),
as its package ``nats-bench`` reads them. The numbers of epochs are trainings of their own:
``nats-tss-hp12``, ``nats-tss-hp200``, ``nats-sss-hp01``, ``nats-sss-hp12``, ``nats-sss-hp90``.
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base import Decision, SearchSpace
from ..bounds import bounded
from ..published.nasbench201 import SPACE as TOPOLOGY
from ..table import BadFile
from . import Format, Imported, Progress
from .stream import Unpickler
from .trainings import Collector, tables

CHANNELS = tuple(str(channels) for channels in range(8, 65, 8))
SIZE = SearchSpace("nats-sss", [Decision(f"layer {n}", CHANNELS) for n in range(1, 6)])
NETWORKS = {"tss": 15_625, "sss": 32_768}
"""How many a whole folder has."""
CITATION = "Dong et al., NATS-Bench, TPAMI 2021, arXiv:2009.00437"
_NAME = re.compile(r"(\d+)\.pickle\.pbz2")


def _size(text: str) -> int:
    """The number of a network spelled as ``64:32:8:16:64``."""
    channels = text.split(":")
    if len(channels) != 5 or not set(channels) <= set(CHANNELS):
        raise BadFile(f"expected five layers of {', '.join(CHANNELS)} channels, got {text!r}")
    return SIZE.index(tuple(map(CHANNELS.index, channels)))


def _topology(text: str) -> int:
    return TOPOLOGY.index(TOPOLOGY.parse(text))


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """Up to four datasets for each number of epochs, from one folder.

    Holds the numbers of all networks at once: 1.5 GB for all epochs of the topology space.
    """
    if len(files) != 1 or not files[0].is_dir():
        raise BadFile(f"expected one folder, NATS-…-simple, got {', '.join(map(str, files))}")
    folder = files[0]
    networks = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    if not networks:
        raise BadFile(f"{folder}: expected files 000000.pickle.pbz2 and so on, got none")
    first = _content(networks[0], lambda filled: None)
    kind = "sss" if ":" in next(iter(first.values()))["arch_str"] else "tss"
    space = SIZE if kind == "sss" else TOPOLOGY
    collector = Collector(space.spellings, _size if kind == "sss" else _topology)
    epochs: dict[str, None] = {}
    for number, path in enumerate(networks):
        found = _content(path, collector.take)
        epochs |= dict.fromkeys(found)
        try:
            collector.cell(found)
        except ValueError as error:
            raise BadFile(f"{path}: {error}") from error
        if number % 64 == 0:
            progress(0.8 * number / len(networks))
    if int(collector.seen.sum()) != NETWORKS[kind]:
        count = int(collector.seen.sum())
        raise BadFile(f"{folder}: expected {NETWORKS[kind]:,} networks, got {count:,}")
    spelled: Any = "nasbench201"
    if kind == "sss":
        decisions = [[decision.name, list(decision.choices)] for decision in SIZE.decisions]
        spelled = {"name": SIZE.name, "decisions": decisions, "pool": False}
    for hp in epochs:
        yield from tables(collector, hp, f"nats-{kind}-hp{hp}", space, spelled, CITATION)
    progress(1.0)


def _content(path: Path, take: Any) -> dict[str, Any]:
    """What is known of one network, by the number of epochs it was trained for."""
    try:
        with bounded(bz2.open(path), path) as file:
            found = Unpickler(file, str(path), take).load()
    except (OSError, EOFError) as error:
        raise BadFile(f"{path}: expected a compressed pickle ({error}): truncated?") from error
    fits = isinstance(found, dict) and found and all(map(_is_results, found.values()))
    if not fits:
        raise BadFile(f"{path}: expected the trainings of one network by their number of epochs")
    results: dict[str, Any] = found
    return results


def _is_results(value: object) -> bool:
    return isinstance(value, dict) and {"arch_str", "all_results"} <= value.keys()


FORMAT = Format(
    name="nats-bench",
    title="NATS-Bench, topology or size",
    files="the folder NATS-tss-v1_0-3ffb9-simple or NATS-sss-v1_0-50262-simple",
    read=read,
)
