"""NAS-Bench-Graph: 26,206 graph neural networks on nine graph datasets.

Source: Qin, Zhang, Wang, Zhang & Zhu, "NAS-Bench-Graph: Benchmarking Graph Neural Architecture
Search", NeurIPS 2022 (arXiv:2206.09166), the light table in the package ``nas-bench-graph``. Its
values are means over three training seeds, so there is one replica. It records neither the
training time nor the number of epochs: the cost is the inference latency, in seconds, and the
one fidelity is called epoch 1, standing for the full training.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..base import Arch, CellSpace, Decision, Graph
from ..paths import path_numbers
from ..table import Column, Rows, TableBenchmark, packaged_file
from ..unpickle import load

LINKS = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""Where each of the four layers takes its input: 0 the raw input, n the n-th layer.

Layers that no other takes as its input lead to the output.
"""
OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
PROTEINS_OPERATIONS = ("gcn", "sage", "arma", "fc", "skip")
_MACRO: dict[tuple[int, ...], int] = {links: number for number, links in enumerate(LINKS)}

# A layer with all that hangs on it: minus the number of layers, its operation, what hangs on it.
# Plain tuples, so that sorting puts the largest first, then goes by operations.
_Tree = tuple[int, int, tuple["_Tree", ...]]


def _grow(links: Sequence[int], operations: Sequence[int], skip: int) -> tuple[int, list[_Tree]]:
    """The network without its removable skips: how many these are, and the trees of the rest.

    A skip changes nothing where it only passes on: when something hangs on it, when it is alone
    on its layer, or when it carries the raw input to the output.
    """
    removed = 0

    def below(node: int) -> list[_Tree]:
        nonlocal removed
        trees: list[_Tree] = []
        for child, parent in enumerate(links, 1):
            if parent != node:
                continue
            subtrees = below(child)
            operation = operations[child - 1]
            if operation == skip and subtrees:
                removed += 1
                trees += subtrees
            else:
                size = sum(size for size, _, _ in subtrees) - 1
                trees.append((size, operation, tuple(subtrees)))
        idle = [tree for tree in trees if tree[1] == skip]
        if idle and (node == 0 or len(trees) == 1):
            removed += len(idle)
            trees = [tree for tree in trees if tree[1] != skip]
        return sorted(trees)

    roots = below(0)  # counts the removed ones as it goes
    return removed, roots


@cache
def _spell(
    links: tuple[int, ...], operations: tuple[int, ...], skip: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Links and operations of the normal form.

    The removed skips make a chain from the input, on which the trees hang; layers are numbered
    breadth first, which yields one of `LINKS` because larger trees come first.
    """
    removed, roots = _grow(links, operations, skip)
    new_links = list(range(removed))
    new_operations = [skip] * removed
    level = [(removed, tree) for tree in roots]
    while level:
        below: list[tuple[int, _Tree]] = []
        for parent, (_, operation, subtrees) in level:
            new_links.append(parent)
            new_operations.append(operation)
            below += [(len(new_links), tree) for tree in subtrees]
        level = below
    return tuple(new_links), tuple(new_operations)


class NASBenchGraph(CellSpace):
    """A macro, one of nine link lists, and the operations of four layers.

    Four skips are no network. Otherwise a spelling is valid, and several may be one network.
    """

    def __init__(self, name: str, operations: tuple[str, ...]) -> None:
        links = tuple("".join(map(str, link)) for link in LINKS)
        layers = [Decision(f"layer {number}", operations) for number in (1, 2, 3, 4)]
        super().__init__(name, [Decision("links", links), *layers])
        self.operations = operations
        self._skip = operations.index("skip")
        self._nothing = (self._skip,) * 4

    def is_valid(self, arch: Arch) -> bool:
        """As in any space, and not four skips, for which the table has no row."""
        return super().is_valid(arch) and arch[1:] != self._nothing

    def canonical(self, arch: Arch) -> Arch:
        """Skips that only pass on moved to a chain at the front, equal layers in sorted order."""
        links, operations = _spell(LINKS[arch[0]], arch[1:], self._skip)
        return (_MACRO[links], *operations)

    def simplest(self) -> Arch:
        """A single fully connected layer behind three skips, in canonical form."""
        return (_MACRO[0, 1, 2, 3], *self._nothing[:3], self.operations.index("fc"))

    def describe(self, arch: Arch) -> str:
        """Each layer with where it takes its input from: ``1:gcn(0) 2:gat(1) …``."""
        layers = enumerate(zip(arch[1:], LINKS[arch[0]], strict=True), 1)
        return " ".join(f"{number}:{self.operations[op]}({link})" for number, (op, link) in layers)

    def parse(self, links: Sequence[int], operations: Sequence[str]) -> Arch:
        """The canonical architecture with these links, in any order of layers, and operations.

        ``links`` has four numbers, the n-th below n; such as ``[0, 0, 2, 0]``.

        Raises:
            ValueError: if that is no network of the space.
        """
        fits = len(links) == len(operations) == 4
        if not fits or not all(0 <= link < n for n, link in enumerate(links, 1)):
            raise ValueError(
                "expected four operations and four links, the n-th from 0 to n - 1, got "
                f"{list(links)} and {list(operations)}"
            )
        if unknown := set(operations) - set(self.operations):
            raise ValueError(
                f"unknown operations {sorted(unknown)} in {self.name}; "
                f"it has {', '.join(self.operations)}"
            )
        indices = tuple(self.operations.index(name) for name in operations)
        new_links, new_operations = _spell(tuple(links), indices, self._skip)
        if new_operations == self._nothing:
            raise ValueError("four skips are no network of the table")
        return (_MACRO[new_links], *new_operations)

    def graph(self, arch: Arch) -> Graph:
        """The four layers, each fed by its link; the output by all that feed no layer."""
        links = LINKS[arch[0]]
        ends = set(range(1, 5)) - set(links)
        edges = [(link, layer) for layer, link in enumerate(links, 1)]
        labels = ("input", *(self.operations[op] for op in arch[1:]), "output")
        return labels, (*edges, *((layer, 5) for layer in sorted(ends)))

    @property
    def path_names(self) -> tuple[tuple[str, ...], ...]:
        """Every sequence of one to four operations."""
        return tuple(path_numbers(self.operations, 4))

    def path_encoding(self, arch: Arch) -> NDArray[np.float64]:
        """(paths,) 1 where ``arch``, as it is spelled, has the path; a skip is an operation."""
        links = LINKS[arch[0]]
        numbers = path_numbers(self.operations, 4)
        encoding = np.zeros(len(numbers))
        paths: list[tuple[str, ...]] = [()]
        for operation, link in zip(arch[1:], links, strict=True):
            paths.append((*paths[link], self.operations[operation]))
        for layer in set(range(1, 5)) - set(links):
            encoding[numbers[paths[layer]]] = 1.0
        return encoding


_NINE_OPERATIONS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv")
SPACE = NASBenchGraph("nasbench-graph", OPERATIONS)
PROTEINS = NASBenchGraph("nasbench-graph/proteins", PROTEINS_OPERATIONS)
_SOURCE_COLUMNS = {
    "validation": "valid_perf",
    "test": "perf",
    "seconds": "latency",
    "latency": "latency",
    "parameters": "para",
}


def space(dataset: str) -> NASBenchGraph:
    """The space of a dataset: proteins has five operations, all others nine."""
    return PROTEINS if dataset == "proteins" else SPACE


def source(dataset: str) -> Path:
    """The light table's file in the installed package ``nas_bench_graph``."""
    return packaged_file("nas_bench_graph", f"light/{dataset}.bench", "nas-bench-graph")


@cache
def canonical_numbers(here: NASBenchGraph) -> NDArray[np.int32]:
    """(spellings,) number of each one's canonical form; it takes a second, for all datasets."""
    canonical = np.full(here.spellings, -1, np.int32)
    for arch in here:
        canonical[here.index(arch)] = here.index(here.canonical(arch))
    return canonical


def arch_of_key(here: NASBenchGraph, key: int) -> Arch:
    """The spelling of a published key: five digits, the macro, then `OPERATIONS` by number.

    Raises:
        ValueError: if it names no macro, or an operation that the space does not have.
        IndexError: if it names no operation at all.
    """
    macro, *operations = map(int, f"{key:05}")
    if len(operations) != 4 or macro >= len(LINKS):
        raise ValueError(f"{key} is no key of a network")
    return (macro, *(here.operations.index(OPERATIONS[number]) for number in operations))


def read(path: Path, dataset: str) -> Rows:
    """One row a network."""
    networks: dict[int, dict[str, float]] = load(path)
    here = space(dataset)
    keys = sorted(networks)
    own = [arch_of_key(here, key) for key in keys]
    canonical = canonical_numbers(here)
    spelling = canonical[[here.index(arch) for arch in own]]
    columns = {
        name: np.array([networks[k][key] for k in keys], np.float64).reshape(-1, 1, 1)
        for name, key in _SOURCE_COLUMNS.items()
    }
    return Rows((1,), columns, spelling, canonical)


BENCHMARK = TableBenchmark(
    name="nasbench-graph",
    datasets=(*_NINE_OPERATIONS, "proteins"),
    space=space,
    source=source,
    read=read,
    columns=(
        Column("validation", "", True, "validation accuracy"),
        Column("test", "", True, "test accuracy"),
        Column("seconds", "s", False, "inference latency (the table holds no training time)"),
        Column("latency", "s", False, "inference latency"),
        Column("parameters", "M", False, "parameters", proxy=True),
    ),
    citation="Qin et al., NAS-Bench-Graph, NeurIPS 2022, arXiv:2206.09166",
)
