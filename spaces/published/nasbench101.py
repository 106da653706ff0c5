"""NAS-Bench-101: cells of up to seven vertices and nine edges, trained on CIFAR-10.

Source: Ying, Klein, Real, Christiansen, Murphy & Hutter, "NAS-Bench-101: Towards Reproducible
Neural Architecture Search", ICML 2019 (arXiv:1902.09635). No package carries its table: see
`nasarena.spaces.formats.nasbench101`.
"""

from __future__ import annotations

from functools import cache, lru_cache
from hashlib import md5
from itertools import combinations, permutations
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..base import Arch, CellSpace, Decision, Graph
from ..paths import path_numbers
from ..table import Table

VERTICES, MAX_EDGES = 7, 9
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
EDGES = tuple(combinations(range(VERTICES), 2))
"""From vertex, to vertex. Vertex 0 is the input, vertex 6 the output."""


class Cell(NamedTuple):
    """A cell without the vertices that are on no way from input to output.

    ``operations`` are those between input and output; ``edges`` go from vertex to vertex, where
    the input is 0 and the output ``len(operations) + 1``.
    """

    operations: tuple[int, ...]
    edges: frozenset[tuple[int, int]]


@lru_cache(maxsize=100_000)
def prune(arch: Arch) -> Cell | None:
    """What ``arch`` computes; None if no way leads from its input to its output."""
    edges = [edge for edge, on in zip(EDGES, arch, strict=False) if on]
    ahead, behind = {0}, {VERTICES - 1}
    for source, target in edges:
        if source in ahead:
            ahead.add(target)
    for source, target in sorted(edges, key=lambda edge: -edge[1]):
        if target in behind:
            behind.add(source)
    kept = sorted(ahead & behind)
    if 0 not in kept or VERTICES - 1 not in kept:
        return None
    number = {vertex: place for place, vertex in enumerate(kept)}
    inner = kept[1:-1]
    return Cell(
        tuple(arch[len(EDGES) + vertex - 1] for vertex in inner),
        frozenset((number[a], number[b]) for a, b in edges if a in number and b in number),
    )


def spell(cell: Cell) -> Arch:
    """The spelling of a cell that leaves the last vertices before the output unused."""
    last = len(cell.operations) + 1
    ends = {(a, VERTICES - 1 if b == last else b) for a, b in cell.edges}
    padding = (0,) * (VERTICES - 2 - len(cell.operations))
    return (*(int(edge in ends) for edge in EDGES), *cell.operations, *padding)


@cache
def _orders(count: int) -> tuple[tuple[int, ...], ...]:
    return tuple(permutations(range(1, count + 1)))


def _first(cell: Cell) -> Arch:
    """Of all spellings of isomorphic cells without idle vertices, the first."""
    count = len(cell.operations)
    best: Arch | None = None
    for order in _orders(count):
        place = (0, *order, count + 1)  # vertex v becomes vertex place[v]
        moved = [(place[a], place[b]) for a, b in cell.edges]
        if any(a > b for a, b in moved):
            continue
        operations = [0] * count
        for vertex, operation in zip(order, cell.operations, strict=True):
            operations[vertex - 1] = operation
        found = spell(Cell(tuple(operations), frozenset(moved)))
        best = found if best is None or found < best else best
    assert best is not None  # the order as it is will do
    return best


@lru_cache(maxsize=100_000)
def _canonical(arch: Arch) -> Arch:
    cell = prune(arch)
    return arch if cell is None else _first(cell)


def module_hash(arch: Arch) -> str:
    """The published key of a cell, the same for all that are isomorphic: 32 hex digits.

    Iterated hashing of each vertex with its neighbours, as in the paper's section 2.2.

    Raises:
        ValueError: if no way leads from the input to the output.
    """
    cell = prune(arch)
    if cell is None:
        raise ValueError(f"no way leads from the input to the output of {arch!r}")
    count = len(cell.operations) + 2
    into: list[list[int]] = [[] for _ in range(count)]
    out: list[list[int]] = [[] for _ in range(count)]
    for a, b in cell.edges:
        out[a].append(b)
        into[b].append(a)
    labels = (-1, *cell.operations, -2)
    hashes = [
        _hex(str((len(after), len(before), label)))
        for after, before, label in zip(out, into, labels, strict=True)
    ]
    for _ in range(count):
        hashes = [
            _hex(
                "".join(sorted(hashes[v] for v in into[vertex]))
                + "|"
                + "".join(sorted(hashes[v] for v in out[vertex]))
                + "|"
                + hashes[vertex]
            )
            for vertex in range(count)
        ]
    return _hex(str(sorted(hashes)))


def _hex(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def halves(hash: str) -> tuple[int, int]:
    """A module hash as two numbers of 64 bits."""
    return int(hash[:16], 16), int(hash[16:], 16)


class NASBench101(CellSpace):
    """21 edges that are there or not, and five operations: 423,624 networks, spelled many ways.

    A spelling is valid if a way leads from input to output and at most nine edges are on such
    ways. All networks of valid spellings are in the published table.
    """

    def __init__(self) -> None:
        edges = [Decision(f"{a}→{b}", ("no", "yes")) for a, b in EDGES]
        inner = [Decision(f"operation {v}", OPERATIONS) for v in range(1, VERTICES - 1)]
        super().__init__("nasbench101", [*edges, *inner])

    def is_valid(self, arch: Arch) -> bool:
        if not super().is_valid(arch):
            return False
        cell = prune(arch)
        return cell is not None and len(cell.edges) <= MAX_EDGES

    def canonical(self, arch: Arch) -> Arch:
        """The first spelling of an isomorphic cell in which idle vertices come last."""
        return _canonical(arch)

    def simplest(self) -> Arch:
        """The input led to the output, with nothing between."""
        return tuple(int(edge == (0, VERTICES - 1)) for edge in EDGES) + (0,) * (VERTICES - 2)

    def describe(self, arch: Arch) -> str:
        """Each operation with where it takes its input from: ``1:conv3x3-bn-relu(0) out(1)``."""
        cell = prune(arch)
        if cell is None:
            return "no network"
        names = [f"{v}:{OPERATIONS[op]}" for v, op in enumerate(cell.operations, 1)]
        return " ".join(
            f"{name}({','.join(str(a) for a, b in sorted(cell.edges) if b == vertex)})"
            for vertex, name in enumerate([*names, "out"], 1)
        )

    def graph(self, arch: Arch) -> Graph:
        cell = prune(arch)
        if cell is None:
            raise ValueError(f"no way leads from the input to the output of {arch!r}")
        labels = ("input", *(OPERATIONS[op] for op in cell.operations), "output")
        return labels, tuple(sorted(cell.edges))

    @property
    def path_names(self) -> tuple[tuple[str, ...], ...]:
        """The 1 + 3 + 9 + 27 + 81 + 243 sequences of up to five operations."""
        return ((), *path_numbers(OPERATIONS, VERTICES - 2))

    def path_encoding(self, arch: Arch) -> NDArray[np.float64]:
        """(364,) 1 where ``arch`` has the path (White et al. 2021, BANANAS, arXiv:1910.11858)."""
        labels, edges = self.graph(arch)
        numbers = path_numbers(OPERATIONS, VERTICES - 2)
        encoding = np.zeros(len(numbers) + 1)
        paths: list[list[tuple[str, ...]]] = [[()], *([] for _ in labels[1:])]
        for a, b in sorted(edges, key=lambda edge: edge[1]):
            label = () if b == len(labels) - 1 else (labels[b],)
            paths[b] += [(*path, *label) for path in paths[a]]
        for path in paths[-1]:
            encoding[numbers[path] + 1 if path else 0] = 1.0
        return encoding

    def complete(self, table: Table) -> Table:
        """``table`` with an index that finds the row of any spelling by its module hash."""
        return _HashedTable(table, self)


class _Index:
    """Stands in for an array over all 509,607,936 spellings: finds each entry when asked."""

    def __init__(self, table: Table, space: NASBench101, values: NDArray[np.int32] | None) -> None:
        self._space, self._values = space, values
        self._high, self._low = table.extra["hash"]

    def _entry(self, number: int) -> int:
        arch = self._space.arch(number)
        if not self._space.is_valid(arch):
            return -1
        high, low = halves(module_hash(arch))
        row = int(np.searchsorted(self._high, np.uint64(high)))
        if row == len(self._high) or (int(self._high[row]), int(self._low[row])) != (high, low):
            return -1
        return row if self._values is None else int(self._values[row])

    def __getitem__(self, numbers: Any) -> Any:
        if np.ndim(numbers) == 0:
            return self._entry(int(numbers))
        distinct, place = np.unique(numbers, return_inverse=True)
        return np.array([self._entry(int(n)) for n in distinct], np.int32)[place]


class _HashedTable(Table):
    """A table whose rows are found by module hash.

    ``extra["hash"]`` holds (2, rows) the halves of the rows' hashes, the first ones increasing.
    """

    def __init__(self, table: Table, space: NASBench101) -> None:
        nothing = np.zeros(0, np.int32)
        super().__init__(
            table.epochs,
            table.columns,
            spelling=table.spelling,
            canonical=nothing,
            row_of=nothing,
            extra=table.extra,
            resumes=table.resumes,
            hash=table.hash,
        )
        self.row_of = cast(Any, _Index(table, space, None))
        self.canonical = cast(Any, _Index(table, space, table.spelling))

    @property
    def architectures(self) -> int:
        """How many networks it answers for; each has many spellings."""
        return len(self.spelling)

    @property
    def unique(self) -> int:
        return len(self.spelling)


SPACE = NASBench101()
