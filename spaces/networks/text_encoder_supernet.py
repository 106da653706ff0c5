"""The supernet of `text_encoder`: all its networks in one, with shared weights.

Widths share nothing: a recurrent or attention layer of 32 units is no slice of one of 128. There is
one supernet a width, and weights of widths mix their logits. Within a width every node has all
operations, whatever it reads, and a node that is there with probability p and read with probability
q counts in the sum of ends as 1 - pq says; for a single architecture this is its own network.

This module needs torch: ``pip install "nasarena[live]"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..base import Arch
from ..published.text_encoder import NODES, OPERATIONS, POOLS, SPACE, WIDTHS
from .text_encoder_network import PAD, Pool, operation

NONE = 0
# The decision that holds a node's operation, and that which holds its source (node 1 has none).
_OPERATION = tuple([d.name for d in SPACE.decisions].index(f"node{i + 1}") for i in range(NODES))
_SOURCE = (None, *(place + 1 for place in _OPERATION[1:]))
_POOL, _WIDTH = len(SPACE.decisions) - 2, len(SPACE.decisions) - 1

Weights = Sequence[Tensor] | None


class Supernet(nn.Module):
    """Every architecture of `text_encoder.SPACE` at once, as a classifier of token sequences.

    Args:
        classes: outputs.
        vocabulary: number of tokens, padding included.
        dropout: on the embedding and before the classifier.
    """

    def __init__(self, classes: int, *, vocabulary: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.widths = nn.ModuleList(
            [MixedEncoder(classes, vocabulary, width, dropout) for width in WIDTHS]
        )

    def forward(self, tokens: Tensor, weights: Weights = None, path: Arch | None = None) -> Tensor:
        """(n, length) token numbers, padded with 0, to logits (n, classes).

        Args:
            tokens: the inputs.
            weights: of the choices of each decision, (choices,) each.
            path: an architecture, which alone is computed; with ``weights`` too, what it chooses is
                multiplied by its own.
        """
        chosen = range(len(WIDTHS)) if path is None else (path[_WIDTH],)
        return _mixture(lambda i: self.widths[i](tokens, weights, path), chosen, weights, _WIDTH)


class MixedEncoder(nn.Module):
    """All architectures of one width."""

    def __init__(self, classes: int, vocabulary: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.nodes = nn.ModuleList(
            [nn.ModuleList([operation(name, width) for name in OPERATIONS]) for _ in range(NODES)]
        )
        self.pools = nn.ModuleList([Pool(kind, width) for kind in POOLS])
        self.classifier = nn.Linear(width, classes)

    def forward(self, tokens: Tensor, weights: Weights, path: Arch | None) -> Tensor:
        there = (tokens != PAD).unsqueeze(-1)
        outputs = [self.dropout(self.embedding(tokens)) * there]
        for node in range(NODES):
            outputs.append(self._node(node, outputs, there, weights, path))
        ends = _ends(weights, path)
        terms = [x * end for x, end in zip(outputs, ends, strict=True)]
        total = sum(terms[1:], terms[0])
        chosen = range(len(POOLS)) if path is None else (path[_POOL],)
        pooled = _mixture(lambda i: self.pools[i](total, there), chosen, weights, _POOL)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def _node(
        self, node: int, outputs: list[Tensor], there: Tensor, weights: Weights, path: Arch | None
    ) -> Tensor:
        place, source = _OPERATION[node], _SOURCE[node]
        x = outputs[0]
        if source is not None:
            read = range(len(outputs)) if path is None else (path[source],)
            x = _mixture(lambda i: outputs[i], read, weights, source)
        chosen = range(len(OPERATIONS)) if path is None else (path[place],)
        present = [choice for choice in chosen if choice != NONE]
        if not present:
            return torch.zeros_like(x)
        operations = self.nodes[node]
        return _mixture(
            lambda i: operations[i](x, there) * there,  # type: ignore[index]
            present,
            weights,
            place,
        )


def _mixture(
    value: Callable[[int], Tensor], chosen: Sequence[int], weights: Weights, place: int
) -> Tensor:
    """The sum of ``value(i)`` for what is chosen, each times its weight in decision ``place``."""
    terms = [value(i) if weights is None else value(i) * weights[place][i] for i in chosen]
    return sum(terms[1:], terms[0])


def _ends(weights: Weights, path: Arch | None) -> list[Tensor | float]:
    """How far each output, the embedding first, is read by no node that is there.

    For one architecture this is 1 for an end and 0 for any other; the output of an absent node is
    zero anyhow.
    """
    there: list[Tensor | float] = []
    reads: list[list[Tensor | float]] = []
    for node in range(NODES):
        place, source = _OPERATION[node], _SOURCE[node]
        if path is not None:
            there.append(float(path[place] != NONE))
            read = 0 if source is None else path[source]
            reads.append([float(i == read) for i in range(node + 1)])
        else:
            assert weights is not None
            there.append(1 - weights[place][NONE])
            reads.append([1.0] if source is None else list(weights[source]))
    found: list[Tensor | float] = []
    for output in range(NODES + 1):
        unread: Tensor | float = 1.0
        for node in range(output, NODES):
            # The embedding is an end only if no node is there at all.
            unread = unread * (1 - there[node] * (reads[node][output] if output else 1.0))
        found.append(unread)
    return found
