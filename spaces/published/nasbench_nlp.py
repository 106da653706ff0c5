"""NAS-Bench-NLP: recurrent cells for language models, as graphs.

Source: Klyuchnikov et al., "NAS-Bench-NLP: Neural Architecture Search Benchmark for Natural
Language Processing", 2020 (arXiv:2006.07116). Its logs are imported: see
`nasarena.spaces.formats.nlp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from ..base import Arch, Decision, Graph
from ..pool import PoolSpace

OPERATIONS = (
    *("linear", "blend", "elementwise_prod", "elementwise_sum"),
    *("activation_tanh", "activation_sigm", "activation_leaky_relu"),
)
SOURCES = ("x", "h_prev_0", "h_prev_1", "h_prev_2")
"""What a cell is given: its input, and what up to three of its nodes came to one step before."""
STATES = ("h_new_0", "h_new_1", "h_new_2")
INPUTS = 3


class Node(TypedDict):
    """A node of a published cell: its operation, and the names of what it is fed."""

    op: str
    input: list[str]


def in_order(recipe: Mapping[str, Node]) -> list[str]:
    """The names of the nodes, each after its inputs; of several that could come next, the first.

    Raises:
        ValueError: if a node waits for itself, or for one that is not there.
    """
    done: list[str] = []
    left = sorted(recipe)
    while left:
        ready = [
            name
            for name in left
            if all(one in SOURCES or one in done for one in recipe[name]["input"])
        ]
        if not ready:
            raise ValueError(f"the nodes {', '.join(left)} wait for one that never comes")
        done.append(ready[0])
        left.remove(ready[0])
    return done


def decisions(nodes: int) -> list[Decision]:
    """Five decisions a node: its operation, its inputs, and which state of the cell it is."""
    found = []
    for node in range(nodes):
        known = ("none", *SOURCES, *(f"node {before}" for before in range(node)))
        found.append(Decision(f"node {node}", ("none", *OPERATIONS)))
        found += [Decision(f"input {place} of node {node}", known) for place in range(INPUTS)]
        found.append(Decision(f"state of node {node}", ("none", *STATES)))
    return found


def spell(recipe: Mapping[str, Node], nodes: int) -> Arch:
    """A published cell, spelled by the decisions of ``nodes`` nodes.

    Raises:
        ValueError: if it has more nodes, more inputs or other operations.
    """
    names = in_order(recipe)
    if len(names) > nodes:
        raise ValueError(f"a cell of {len(names)} nodes, expected at most {nodes}")
    number = {name: 1 + place for place, name in enumerate([*SOURCES, *names])}
    arch: list[int] = []
    for name in names:
        operation, inputs = recipe[name]["op"], recipe[name]["input"]
        if operation not in OPERATIONS or not 1 <= len(inputs) <= INPUTS:
            raise ValueError(f"the node {name!r}: {operation!r} of {len(inputs)} inputs")
        state = 1 + STATES.index(name) if name in STATES else 0
        fed = [number[one] for one in inputs]
        arch += [1 + OPERATIONS.index(operation), *fed, *[0] * (INPUTS - len(fed)), state]
    return (*arch, *[0] * (5 * (nodes - len(names))))


class RecurrentCells(PoolSpace):
    """The cells that were trained: strategies propose among them."""

    def __init__(self, name: str, nodes: Iterable[Decision], members: Iterable[Arch]) -> None:
        super().__init__(name, list(nodes), members)

    def graph(self, arch: Arch) -> Graph:
        """The nodes behind what the cell is given, with an output that all new states feed."""
        labels, edges, states = list(SOURCES), [], []
        for start in range(0, len(arch), 5):
            operation, *fed, state = arch[start : start + 5]
            if operation:
                edges += [(source - 1, len(labels)) for source in fed if source]
                states += [len(labels)] if state else []
                labels.append(OPERATIONS[operation - 1])
        edges += [(state, len(labels)) for state in states]
        return (*labels, "output"), tuple(edges)

    def describe(self, arch: Arch) -> str:
        """Each node with its operation and inputs: ``0:linear(x,h_prev_0) h_new_0:…(0)``."""
        parts = []
        names = ["", *SOURCES]
        for start in range(0, len(arch), 5):
            operation, *fed, state = arch[start : start + 5]
            if operation:
                name = STATES[state - 1] if state else str(start // 5)
                inputs = ",".join(names[source] for source in fed if source)
                parts.append(f"{name}:{OPERATIONS[operation - 1]}({inputs})")
                names.append(name)
        return " ".join(parts)
