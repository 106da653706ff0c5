"""What a network costs: its parameters, and the operations of one forward pass.

This module needs torch: ``pip install "nasarena[live]"``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def flops(network: nn.Module, *inputs: Tensor) -> int:
    """Operations of a forward pass on ``inputs``, counted as NAS-Bench-201 counts them.

    A multiplication with its addition is one operation. A value that leaves a batch normalization
    costs 2, a ReLU 1, an average pooling the size of its window; adaptive pooling takes a window
    larger by one, as published. Layers of other kinds count their weights once for each position
    (linear, recurrent, attention projections); what has no weights is free.
    """
    counted = 0

    def count(module: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        nonlocal counted
        first = result[0] if isinstance(result, tuple) else result
        counted += int(_operations(module, given[0], first))

    with _hooked(network, count), torch.no_grad(), _evaluating(network):
        network(*inputs)
    return counted


def _operations(module: nn.Module, given: Any, result: Any) -> Any:
    match module:
        case nn.Conv1d() | nn.Conv2d():
            return result.numel() * module.weight[0].numel()
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.LayerNorm():
            return 2 * result.numel()
        case nn.ReLU():
            return result.numel()
        case nn.AdaptiveAvgPool2d():
            heights, widths = given.shape[-2:], result.shape[-2:]
            sides = [1 + -(-a // b) for a, b in zip(heights, widths, strict=True)]
            return result.numel() * sides[0] * sides[1]
        case nn.AvgPool2d():
            side = module.kernel_size
            window = side * side if isinstance(side, int) else side[0] * side[1]
            return result.numel() * window
        case nn.Linear():
            return result.numel() * module.in_features
        case nn.RNNBase():
            packed = isinstance(given, nn.utils.rnn.PackedSequence)
            positions = len(given.data) if packed else given.shape[0] * given.shape[1]
            weights = sum(p.numel() for n, p in module.named_parameters() if "weight" in n)
            return positions * weights
        case nn.MultiheadAttention():
            return _attention(given)
    return 0


def _attention(given: Tensor) -> int:
    """Projections of queries, keys, values and output, and both products of the attention."""
    batch, length, size = given.shape
    return batch * length * size * (4 * size + 2 * length)


@contextmanager
def _hooked(network: nn.Module, hook: Any) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in network.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    was = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was)
