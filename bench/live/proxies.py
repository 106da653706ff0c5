"""Zero-cost proxies: what an untrained network and one minibatch tell of an architecture.

Which of them to take, and from a single minibatch: Abdelfattah, Mehrotra, Dudziak & Lane,
"Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (arXiv:2101.08134). Each function names the paper
that it is from.

All see the same minibatch, without augmentation; dropout is off, batch normalization normalizes by
the minibatch. Networks of tokens are seen from their embeddings on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...spaces.flops import flops, parameters

BATCH = 64
"""Examples of the minibatch, as in the published figures for NAS-Bench-201."""

NORMALIZATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


class Minibatch:
    """What the proxies are computed from.

    Args:
        inputs: what the network takes, each with n examples in front: images, or token numbers.
        loss: the mean training loss of the network's outputs for these inputs.
    """

    def __init__(self, inputs: tuple[Tensor, ...], loss: Callable[[Tensor], Tensor]) -> None:
        self.inputs, self.loss = inputs, loss

    def __len__(self) -> int:
        return len(self.inputs[0])


def score(name: str, network: nn.Module, batch: Minibatch) -> float:
    """The proxy called ``name`` of a fresh network on the device of ``batch``; more is better.

    The network is not to be used again: its dropout is off and, for synflow, its weights are
    positive. inf or NaN where the network's numbers are.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return FUNCTIONS[name](network, batch)


def grad_norm(network: nn.Module, batch: Minibatch) -> float:
    """The sum over layers of the Euclidean norm of the loss's gradient by their weights.

    Source: Abdelfattah et al. 2021, section 3.2.
    """
    _backward(network, batch)
    return _sum(p.grad.norm() for p in _weights(network) if p.grad is not None)


def snip(network: nn.Module, batch: Minibatch) -> float:
    """The sum over weights of |weight · gradient|: how much the loss feels their removal.

    Source: Lee, Ajanthan & Torr, "SNIP: Single-shot Network Pruning based on Connection
    Sensitivity", ICLR 2019 (arXiv:1810.02340), equation 6, not normalized.
    """
    _backward(network, batch)
    return _sum((p * p.grad).abs().sum() for p in _weights(network) if p.grad is not None)


def fisher(network: nn.Module, batch: Minibatch) -> float:
    """The Fisher information of the layers' channels: of each the mean over examples of half the
    square of the sum over positions of activation times gradient; summed over channels.

    Source: Theis, Korshunova, Tejani & Huszár 2018, "Faster gaze prediction with dense networks
    and Fisher pruning" (arXiv:1801.05787), equation 11; over a network as in Turner, Crowley,
    O'Boyle, Storkey & Gray, "BlockSwap", ICLR 2020 (arXiv:1906.04113), section 3.2.
    """
    seen: list[Tensor] = []

    def keep(module: nn.Module, given: Any, result: Tensor) -> None:
        if result.requires_grad:
            result.retain_grad()
            seen.append(result)

    with _hooked(network, LAYERS, keep):
        _backward(network, batch)
    # The mean loss divides every example's gradient by their number.
    n = len(batch)
    products = (n * out.detach() * out.grad for out in seen if out.grad is not None)
    return _sum(each.flatten(2).sum(dim=2).square().sum() / (2 * n) for each in map(_4d, products))


def _4d(values: Tensor) -> Tensor:
    """(n, channels, ...) with a position where there was none."""
    return values if values.ndim > 2 else values.unsqueeze(-1)


def synflow(network: nn.Module, batch: Minibatch) -> float:
    """The synaptic flow: the sum over weights of weight · ∂R/∂weight, where R sums the outputs of
    the network with all parameters made positive, for an input of ones.

    Normalizations pass their input on: they would even out what flows. Tokens' embeddings are
    ones. In double precision: R grows with the exponential of the depth.

    Source: Tanaka, Kunin, Yamins & Ganguli, "Pruning neural networks without any data by
    iteratively conserving synaptic flow", NeurIPS 2020 (arXiv:2006.05467), section 5.
    """
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    ones = tuple(
        torch.ones_like(given[:1], dtype=torch.float64)
        if given.is_floating_point()
        else given[:1].clamp(min=3)  # a sentence without padding
        for given in batch.inputs
    )
    with (
        _hooked(network, NORMALIZATIONS, lambda module, given, result: given[0]),
        _hooked(network, nn.Embedding, lambda module, given, result: torch.ones_like(result)),
    ):
        network(*ones).sum().backward()
    return _sum((p * p.grad).sum() for p in _weights(network) if p.grad is not None)


def jacob_cov(network: nn.Module, batch: Minibatch) -> float:
    """How little the inputs' Jacobians of the summed outputs correlate between examples: minus the
    sum of log(v + k) + 1 / (v + k) over the eigenvalues v of their correlation matrix, k = 1e-5.

    NaN where a Jacobian is constant. Token networks: by their embedded tokens.

    Source: Mellor, Turner, Storkey & Crowley, "Neural Architecture Search without Training", first
    version, 2020 (arXiv:2006.04647v1), section 3.
    """
    sources: list[Tensor] = []

    def embed(module: nn.Module, given: Any, result: Tensor) -> Tensor:
        sources.append(result.detach().requires_grad_())
        return sources[-1]

    inputs = [x.clone() for x in batch.inputs]
    sources += [x.requires_grad_() for x in inputs if x.is_floating_point()]
    with _hooked(network, nn.Embedding, embed):
        total = network(*inputs).sum()
    gradients = torch.autograd.grad(total, sources, allow_unused=True, materialize_grads=True)
    jacobian = torch.cat([g.flatten(1) for g in gradients], dim=1).double()
    correlation = torch.corrcoef(jacobian)
    if not bool(correlation.isfinite().all()):
        return math.nan
    values = torch.linalg.eigvalsh(correlation.cpu()) + 1e-5
    return -float((values.log() + 1 / values).sum())


def naswot(network: nn.Module, batch: Minibatch) -> float:
    """log|K|, where K counts for each two examples the rectified units that agree on being on.

    -inf where two examples switch the same units, as all do in a network without any.

    Source: Mellor, Turner, Storkey & Crowley, "Neural Architecture Search without Training", ICML
    2021 (arXiv:2006.04647), section 3.
    """
    n = len(batch)
    agree = torch.zeros(n, n, dtype=torch.float64, device=batch.inputs[0].device)

    def count(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        on = (given[0] > 0).flatten(1).float()
        # Below 2^24 these sums are exact. On both, plus on neither:
        both = (on @ on.T).double()
        alone = on.sum(dim=1).double()
        agree.add_(2 * both - alone[:, None] - alone[None, :] + on.shape[1])

    handles = [m.register_forward_pre_hook(count) for m in network.modules() if type(m) is nn.ReLU]
    try:
        with torch.no_grad():
            network(*batch.inputs)
    finally:
        for handle in handles:
            handle.remove()
    return float(torch.linalg.slogdet(agree.cpu())[1])


def _parameters(network: nn.Module, batch: Minibatch) -> float:
    return float(parameters(network))


def _flops(network: nn.Module, batch: Minibatch) -> float:
    return float(flops(network, *(given[:1] for given in batch.inputs)))


FUNCTIONS: dict[str, Callable[[nn.Module, Minibatch], float]] = {
    "parameters": _parameters,
    "flops": _flops,
    "grad_norm": grad_norm,
    "snip": snip,
    "fisher": fisher,
    "synflow": synflow,
    "jacob_cov": jacob_cov,
    "naswot": naswot,
}


def _backward(network: nn.Module, batch: Minibatch) -> None:
    loss: Any = batch.loss(network(*batch.inputs))
    loss.backward()


def _weights(network: nn.Module) -> Iterator[nn.Parameter]:
    """What can be pruned: no biases, no scales of normalizations."""
    return (p for p in network.parameters() if p.ndim > 1)


def _sum(values: Iterator[Tensor]) -> float:
    """One wait for the device, not one for each."""
    found = [value.detach().double() for value in values]
    return float(torch.stack(found).sum()) if found else 0.0


@contextmanager
def _hooked(network: nn.Module, kinds: Any, hook: Callable[..., Any]) -> Iterator[None]:
    handles = [
        module.register_forward_hook(hook)
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
