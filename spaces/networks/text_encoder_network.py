"""The networks of `text_encoder`, in torch: ``pip install "nasarena[live]"``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..base import Arch
from ..published.text_encoder import SPACE

PAD = 0
"""The number of the padding token."""


class Network(nn.Module):
    """An architecture of `text_encoder.SPACE` as a classifier of token sequences.

    Args:
        arch: of the space.
        classes: outputs.
        vocabulary: number of tokens, padding (`PAD`) included.
        dropout: on the embedding and before the classifier.
    """

    def __init__(self, arch: Arch, classes: int, *, vocabulary: int, dropout: float = 0.2) -> None:
        super().__init__()
        width = SPACE.width(arch)
        nodes = SPACE.nodes(arch)
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.sources = tuple(source for _, source in nodes)
        self.nodes = nn.ModuleList([operation(name, width) for name, _ in nodes])
        present = [i for i, (name, _) in enumerate(nodes, 1) if name != "none"]
        used = {self.sources[i - 1] for i in present}
        self.ends = tuple(i for i in present if i not in used) or (0,)
        self.pool = Pool(SPACE.pool(arch), width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, length) token numbers, padded with `PAD`, to logits (n, classes)."""
        there = (tokens != PAD).unsqueeze(-1)
        outputs = [self.dropout(self.embedding(tokens)) * there]
        for node, source in zip(self.nodes, self.sources, strict=True):
            outputs.append(node(outputs[source], there) * there)
        total = sum((outputs[i] for i in self.ends[1:]), outputs[self.ends[0]])
        logits: Tensor = self.classifier(self.dropout(self.pool(total, there)))
        return logits


def operation(name: str, width: int) -> nn.Module:
    """One of `text_encoder.OPERATIONS`: (n, length, width) and mask to the same shape."""
    match name:
        case "none":
            return Nothing()
        case "skip":
            return Skip()
        case "conv_3" | "conv_5":
            return Convolution(width, int(name[-1]))
        case "lstm":
            return Recurrent(nn.LSTM(width, width // 2, batch_first=True, bidirectional=True))
        case "gru":
            return Recurrent(nn.GRU(width, width // 2, batch_first=True, bidirectional=True))
        case "attention":
            return Attention(width)
        case "max_pool_3":
            return MaxPool()
    raise ValueError(f"no operation {name!r} in the text-encoder space")


class Nothing(nn.Module):
    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Skip(nn.Module):
    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        return x


class Convolution(nn.Module):
    """Along the tokens, with ReLU."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        y: Tensor = self.convolution(x.transpose(1, 2))
        return y.transpose(1, 2).relu()


class Recurrent(nn.Module):
    """Both ways along the tokens; padding behind the last is never read on the way back."""

    def __init__(self, cell: nn.RNNBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        lengths = there.sum(dim=(1, 2)).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        out, _ = nn.utils.rnn.pad_packed_sequence(
            self.cell(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        return out


class Attention(nn.Module):
    """Self-attention with four heads, its input beside it, normalized."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        absent = ~there.squeeze(-1)
        absent = absent & ~absent.all(dim=1, keepdim=True)  # an empty text attends to its padding
        y, _ = self.attention(x, x, x, key_padding_mask=absent, need_weights=False)
        normed: Tensor = self.norm(x + y)
        return normed


class MaxPool(nn.Module):
    """Over three tokens; padding never wins."""

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        x = x.masked_fill(~there, -1e4)
        return nn.functional.max_pool1d(x.transpose(1, 2), 3, 1, 1).transpose(1, 2)


class Pool(nn.Module):
    """(n, length, width) to (n, width), over the tokens that are there."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.score = nn.Linear(width, 1) if kind == "attention" else None

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        count = there.sum(dim=1).clamp(min=1)
        if self.kind == "mean":
            return x.sum(dim=1) / count
        if self.kind == "max":
            return x.masked_fill(~there, -1e4).amax(dim=1)
        if self.kind == "last":
            last = (count - 1).unsqueeze(-1).expand(-1, 1, x.shape[-1])
            return x.gather(1, last).squeeze(1)
        assert self.score is not None
        scores: Tensor = self.score(x)
        return (scores.masked_fill(~there, -1e4).softmax(dim=1) * x).sum(dim=1)
