"""The convolutional networks of NAS-Bench-201's cells.

Source: Dong & Yang, ICLR 2020 (arXiv:2001.00326), section 2.1 and figure 1: a stem, three stages of
N = 5 cells with 16, 32 and 64 channels, a residual block with stride 2 between the stages, global
average pooling and a linear classifier. Every convolution is ReLU, convolution, batch
normalization.

This module needs torch: ``pip install "nasarena[live]"``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..base import Arch
from ..published.nasbench201 import EDGES, OPERATIONS


class Network(nn.Module):
    """An architecture of `nasbench201.SPACE` as a classifier of images.

    Args:
        arch: its six operations.
        classes: outputs.
        channels: of the images.
        width: channels of the first stage, 16 in the paper; the next have two and four times as
            many.
        cells: in each stage, 5 in the paper.
    """

    def __init__(
        self, arch: Arch, classes: int, *, channels: int = 3, width: int = 16, cells: int = 5
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        ]
        for stage in range(3):
            size = width << stage
            if stage:
                stages.append(Reduction(size // 2, size))
            stages += [Cell(arch, size) for _ in range(cells)]
        size = width << 2
        self.features = nn.Sequential(*stages, nn.BatchNorm2d(size), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(size, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) to logits (n, classes)."""
        pooled: Tensor = self.pool(self.features(images))
        logits: Tensor = self.classifier(pooled.flatten(1))
        return logits


def network(arch: Arch, *, classes: int, channels: int, **_: int) -> Network:
    """Return the network of the paper's size for images of any height and width."""
    return Network(arch, classes, channels=channels)


class Cell(nn.Module):
    """Four nodes; each is the sum of its edges' operations on the nodes before it.

    Operations that no path from input to output passes are built too, as in the paper: they count
    as parameters, though no gradient ever reaches some of them.
    """

    def __init__(self, arch: Arch, size: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList([operation(OPERATIONS[choice], size) for choice in arch])

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            terms = [
                op(nodes[source])
                for (source, target), op in zip(EDGES, self.operations, strict=True)
                if target == node and not isinstance(op, Zero)
            ]
            nodes.append(sum(terms[1:], terms[0]) if terms else torch.zeros_like(x))
        return nodes[-1]


def operation(name: str, size: int) -> nn.Module:
    """One of `nasbench201.OPERATIONS` on ``size`` channels."""
    match name:
        case "none":
            return Zero()
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return convolution(size, size, 1)
        case "nor_conv_3x3":
            return convolution(size, size, 3)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    raise ValueError(f"expected one of {', '.join(OPERATIONS)}, got {name!r}")


class Zero(nn.Module):
    """No connection. Cells leave it out of their sums."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, batch normalization."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Reduction(nn.Module):
    """The basic residual block with stride 2 that joins two stages."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            convolution(inputs, outputs, 3, stride=2), convolution(outputs, outputs, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x) + self.shortcut(x)
        return y
