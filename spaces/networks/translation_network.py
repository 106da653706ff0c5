"""The networks of `translation`, in torch: ``pip install "nasarena[live]"``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..base import Arch
from ..published.translation import SPACE
from .text_encoder_network import PAD, Convolution, Recurrent

START, END = 1, 2
"""The numbers of the tokens that begin and end a sentence; those below 3 are no words."""


class Network(nn.Module):
    """An architecture of `translation.SPACE`: reads one language, writes another.

    Args:
        arch: of the space.
        source, target: numbers of tokens of each language, the special ones included.
        dropout: on embeddings and between layers.
    """

    def __init__(self, arch: Arch, source: int, target: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        chosen = SPACE.choices(arch)
        width = chosen.width
        self.read = nn.Embedding(source, width, padding_idx=PAD)
        self.written = nn.Embedding(target, width, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        depth = chosen.encoder_depth if chosen.encoder != "none" else 0
        self.encoder = nn.ModuleList(
            [_encoder_layer(chosen.encoder, width, dropout) for _ in range(depth)]
        )
        self.decoder = nn.ModuleList(
            [
                _decoder_layer(chosen.decoder, width, chosen.attention, dropout)
                for _ in range(chosen.decoder_depth)
            ]
        )
        self.output = nn.Linear(width, target)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """(n, length) tokens to states (n, length, width) and where they are (n, length, 1)."""
        there = (source != PAD).unsqueeze(-1)
        states = self.dropout(_with_positions(self.read(source))) * there
        for layer in self.encoder:
            states = (states + layer(states, there)) * there
        return states, there

    def decode(self, states: Tensor, there: Tensor, target: Tensor) -> Tensor:
        """Logits (n, written, target tokens) of the token after each of ``target``."""
        outputs = self.dropout(_with_positions(self.written(target)))
        for layer in self.decoder:
            outputs = layer(outputs, states, there)
        logits: Tensor = self.output(outputs)
        return logits

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Token numbers (n, length), and the tokens written so far (n, written), to logits."""
        return self.decode(*self.encode(source), target)

    @torch.no_grad()
    def translate(self, source: Tensor, longest: int) -> Tensor:
        """(n, up to ``longest``) the likeliest token at each step, up to `END`, then `PAD`."""
        states, there = self.encode(source)
        written = torch.full((len(source), 1), START, device=source.device)
        ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for _ in range(longest):
            following = self.decode(states, there, written)[:, -1].argmax(dim=-1)
            following = following.masked_fill(ended, PAD)
            written = torch.cat([written, following.unsqueeze(1)], dim=1)
            ended = ended | (following == END)
            if ended.all():
                break
        return written[:, 1:]


def _with_positions(embedded: Tensor) -> Tensor:
    """Scaled embeddings with sines and cosines of their positions (Vaswani et al. 2017)."""
    length, width = embedded.shape[1:]
    positions = torch.arange(length, device=embedded.device).unsqueeze(1)
    rates = torch.exp(
        torch.arange(0, width, 2, device=embedded.device) * (-math.log(10_000.0) / width)
    )
    waves = torch.stack([(positions * rates).sin(), (positions * rates).cos()], dim=-1)
    return embedded * math.sqrt(width) + waves.flatten(1).to(embedded.dtype)


def _encoder_layer(name: str, width: int, dropout: float) -> nn.Module:
    match name:
        case "gru":
            return Recurrent(nn.GRU(width, width // 2, batch_first=True, bidirectional=True))
        case "lstm":
            return Recurrent(nn.LSTM(width, width // 2, batch_first=True, bidirectional=True))
        case "convolution":
            return Convolution(width, 3)
        case "transformer":
            return TransformerLayer(width, dropout)
    raise ValueError(f"no encoder {name!r} in the translation space")


class TransformerLayer(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout, batch_first=True, norm_first=True
        )

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        y: Tensor = self.layer(x, src_key_padding_mask=_absent(there))
        return y - x  # the encoder adds its input


def _absent(there: Tensor) -> Tensor:
    """(n, length) what attention must not see; an empty sentence sees its padding."""
    absent = ~there.squeeze(-1)
    return absent & ~absent.all(dim=1, keepdim=True)


def _decoder_layer(name: str, width: int, attention: bool, dropout: float) -> nn.Module:
    if name == "transformer":
        return DecoderLayer(SelfAttention(width, dropout), width, attention, dropout)
    cell = nn.GRU if name == "gru" else nn.LSTM
    return DecoderLayer(Forward(cell(width, width, batch_first=True)), width, attention, dropout)


class DecoderLayer(nn.Module):
    """What was written, then what was read, then a feed-forward part; each normalized before and
    added to its input."""

    def __init__(self, own: nn.Module, width: int, attention: bool, dropout: float) -> None:
        super().__init__()
        self.own = own
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.attention = (
            nn.MultiheadAttention(width, 4, dropout, batch_first=True) if attention else None
        )
        self.mean = None if attention else nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, states: Tensor, there: Tensor) -> Tensor:
        x = x + self.own(self.norms[0](x))
        if self.attention is not None:
            seen, _ = self.attention(
                self.norms[1](x),
                states,
                states,
                key_padding_mask=_absent(there),
                need_weights=False,
            )
        else:
            assert self.mean is not None
            mean = states.sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)
            seen = self.mean(mean)
        x = x + seen
        y: Tensor = x + self.feed(self.norms[2](x))
        return y


class Forward(nn.Module):
    """A recurrent cell from the first token to the last."""

    def __init__(self, cell: nn.RNNBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cell(x)[0]
        return out


class SelfAttention(nn.Module):
    """Each token attends to itself and those before it."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, dropout, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        out: Tensor = self.attention(x, x, x, attn_mask=later, need_weights=False)[0]
        return out
