"""The supernet of NAS-Bench-201: all its cells' networks in one, with shared weights.

Source: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019,
arXiv:1806.09055, section 2, on the macro network of NAS-Bench-201 (arXiv:2001.00326). As in the
appendix of DARTS, batch normalization learns no scale and no shift, which would undo the weights of
the operations, and takes the minibatch's own statistics, since those of one path fit no other.

This module needs torch: ``pip install "nasarena[live]"``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..base import Arch
from ..published.nasbench201 import EDGES, NONE, OPERATIONS
from .nasbench201_network import Reduction, operation


class Supernet(nn.Module):
    """Every cell of `nasbench201.SPACE` at once, as a classifier of images.

    It has the stem, reductions and classifier of `nasbench201_network.Network`, and on every edge
    of every cell all five operations.

    Args:
        classes: outputs.
        channels: of the images.
        width: channels of the first stage; the next have two and four times as many.
        cells: in each stage.
    """

    def __init__(self, classes: int, *, channels: int = 3, width: int = 16, cells: int = 5) -> None:
        super().__init__()
        stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        layers: list[nn.Module] = [stem, nn.BatchNorm2d(width)]
        for stage in range(3):
            size = width << stage
            if stage:
                layers.append(Reduction(size // 2, size))
            layers += [MixedCell(size) for _ in range(cells)]
        size = width << 2
        self.features = nn.ModuleList([*layers, nn.BatchNorm2d(size), nn.ReLU(inplace=True)])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(size, classes)
        _share_normalization(self)

    def forward(
        self, images: Tensor, weights: Sequence[Tensor] | None = None, path: Arch | None = None
    ) -> Tensor:
        """(n, channels, height, width) to logits (n, classes).

        Args:
            images: the inputs.
            weights: of the five operations on each of the six edges, (5,) each.
            path: an architecture, whose operations alone are computed; with ``weights`` too, each
                is multiplied by its own.
        """
        x = images
        for layer in self.features:
            x = layer(x, weights, path) if isinstance(layer, MixedCell) else layer(x)
        logits: Tensor = self.classifier(self.pool(x).flatten(1))
        return logits


def supernet(*, classes: int, channels: int, **_: int) -> Supernet:
    """Return the supernet of the paper's size for images of any height and width."""
    return Supernet(classes, channels=channels)


class MixedCell(nn.Module):
    """Four nodes; each is the sum of its edges, an edge the weighted sum of its operations."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            [nn.ModuleList([operation(name, size) for name in OPERATIONS]) for _ in EDGES]
        )

    def forward(self, x: Tensor, weights: Sequence[Tensor] | None, path: Arch | None) -> Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            total: Tensor | None = None
            for number, (source, target) in enumerate(EDGES):
                if target != node:
                    continue
                mixed = self._edge(number, nodes[source], weights, path)
                if mixed is not None:
                    total = mixed if total is None else total + mixed
            nodes.append(torch.zeros_like(x) if total is None else total)
        return nodes[-1]

    def _edge(
        self, number: int, x: Tensor, weights: Sequence[Tensor] | None, path: Arch | None
    ) -> Tensor | None:
        """What an edge passes on; None if nothing."""
        chosen = range(len(OPERATIONS)) if path is None else (path[number],)
        total: Tensor | None = None
        for choice in chosen:
            if choice == NONE:
                continue
            y: Tensor = self.edges[number][choice](x)  # type: ignore[index]
            if weights is not None:
                y = y * weights[number][choice]
            total = y if total is None else total + y
        return total


def _share_normalization(network: nn.Module) -> None:
    """Every batch normalization: no scale, no shift, statistics of the minibatch."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.affine = module.track_running_stats = False
            module.weight = module.bias = None  # type: ignore[assignment]
            module.running_mean = module.running_var = module.num_batches_tracked = None
