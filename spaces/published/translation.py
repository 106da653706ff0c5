"""Encoder–decoder networks for machine translation.

What an encoder reads and a decoder writes, each recurrent, convolutional or a transformer; between
them attention (Bahdanau et al. 2015, arXiv:1409.0473; Vaswani et al. 2017, arXiv:1706.03762) or,
where that is off, the encoder's mean alone. The network is built by `translation_network` (needs
torch).
"""

from __future__ import annotations

from typing import NamedTuple

from ..base import Arch, Decision, SearchSpace

ENCODERS = ("none", "gru", "lstm", "convolution", "transformer")
DECODERS = ("gru", "lstm", "transformer")
ATTENTION = ("off", "on")
DEPTHS = (1, 2, 3)
WIDTHS = (32, 64, 128)


class Choices(NamedTuple):
    """An architecture of the space in words and numbers."""

    encoder: str
    encoder_depth: int
    decoder: str
    decoder_depth: int
    attention: bool
    width: int


class Translation(SearchSpace):
    """Encoder, its depth, decoder, its depth, attention, width: 1,080 spellings.

    The encoder ``none`` passes the embedded tokens on, whatever its depth: the canonical spelling
    has depth 1. The simplest architecture is that with a one-layer GRU as decoder and no attention.
    """

    def __init__(self) -> None:
        super().__init__(
            "translation",
            [
                Decision("encoder", ENCODERS),
                Decision("encoder_depth", tuple(map(str, DEPTHS))),
                Decision("decoder", DECODERS),
                Decision("decoder_depth", tuple(map(str, DEPTHS))),
                Decision("attention", ATTENTION),
                Decision("width", tuple(map(str, WIDTHS))),
            ],
        )

    def canonical(self, arch: Arch) -> Arch:
        return arch if arch[0] else (0, 0, *arch[2:])

    def choices(self, arch: Arch) -> Choices:
        encoder, encoder_depth, decoder, decoder_depth, attention, width = arch
        return Choices(
            ENCODERS[encoder],
            DEPTHS[encoder_depth],
            DECODERS[decoder],
            DEPTHS[decoder_depth],
            bool(attention),
            WIDTHS[width],
        )

    def describe(self, arch: Arch) -> str:
        c = self.choices(arch)
        encoder = "embedding" if c.encoder == "none" else f"{c.encoder_depth}×{c.encoder}"
        attention = "attention" if c.attention else "mean"
        return f"{encoder} → {attention} → {c.decoder_depth}×{c.decoder}, width={c.width}"


SPACE = Translation()
