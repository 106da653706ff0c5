"""Encoders for text classification and sentiment analysis.

Tokens are embedded; each of three nodes applies an operation to the output of a node before it;
what no node uses is summed, pooled over the tokens, and classified. The simplest architecture pools
the embeddings (as fastText does: Joulin et al. 2017, arXiv:1607.01759). The network is built by
`text_encoder_network` (needs torch).
"""

from __future__ import annotations

from ..base import Arch, Condition, Decision, SearchSpace

NODES = 3
OPERATIONS = ("none", "skip", "conv_3", "conv_5", "lstm", "gru", "attention", "max_pool_3")
POOLS = ("mean", "max", "last", "attention")
WIDTHS = (32, 64, 128)

_PRESENT = frozenset(range(1, len(OPERATIONS)))


def _decisions() -> list[Decision]:
    found: list[Decision] = []
    for node in range(1, NODES + 1):
        place = len(found)
        found.append(Decision(f"node{node}", OPERATIONS))
        if node > 1:
            sources = tuple("embedding" if i == 0 else f"node{i}" for i in range(node))
            found.append(Decision(f"input{node}", sources, Condition(place, _PRESENT)))
    found.append(Decision("pool", POOLS))
    found.append(Decision("width", tuple(str(width) for width in WIDTHS)))
    return found


class TextEncoder(SearchSpace):
    """Three optional nodes over the embedded tokens, a pooling and a width."""

    def __init__(self) -> None:
        super().__init__("text-encoder", _decisions())

    def nodes(self, arch: Arch) -> list[tuple[str, int]]:
        """Operation and source of each node; source 0 is the embedding."""
        return [
            (OPERATIONS[arch[0]], 0),
            (OPERATIONS[arch[1]], arch[2]),
            (OPERATIONS[arch[3]], arch[4]),
        ]

    def is_valid(self, arch: Arch) -> bool:
        """Whether no node reads one that is absent."""
        if not super().is_valid(arch):
            return False
        nodes = self.nodes(arch)
        return all(
            operation == "none" or source == 0 or nodes[source - 1][0] != "none"
            for operation, source in nodes
        )

    def pool(self, arch: Arch) -> str:
        """How tokens become one vector."""
        return POOLS[arch[-2]]

    def width(self, arch: Arch) -> int:
        """Units of the embedding and of every node."""
        return WIDTHS[arch[-1]]

    def describe(self, arch: Arch) -> str:
        names = ["embedding", *(f"node{i}" for i in range(1, NODES + 1))]
        words = [
            f"node{number}={operation}({names[source]})"
            for number, (operation, source) in enumerate(self.nodes(arch), 1)
            if operation != "none"
        ]
        return ", ".join([*words, f"pool={self.pool(arch)}", f"width={self.width(arch)}"])


SPACE = TextEncoder()
