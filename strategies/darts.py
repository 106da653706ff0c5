"""DARTS: differentiable architecture search.

Source: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019,
arXiv:1806.09055, algorithm 1 and equations 5 to 8.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from ..bench.core.strategy import strategy
from ..bench.core.types import Batch, Observation, Problem, Supernet
from ..spaces import Arch
from ._shared.shared_weights import mixture, strongest, supernet

if TYPE_CHECKING:
    from torch import Tensor


@strategy(
    family="weight sharing",
    source="Liu et al. 2019, arXiv:1806.09055",
    weight_sharing=True,
    packages=("torch",),
)
def darts(
    problem: Problem,
    rng: Random,
    /,
    *,
    order: int = 2,
    epochs: int = 50,
    searches: int = 4,
    every: int | None = None,
    learning_rate: float | None = None,
    architecture_learning_rate: float = 3e-4,
    architecture_weight_decay: float = 1e-3,
) -> Generator[Arch, Observation, None]:
    """Mixes all operations by a softmax over architecture parameters, and descends on both levels.

    Shared weights follow the training loss, architecture parameters the validation loss; the
    architecture with the strongest choices is proposed. Needs torch.

    Args:
        order: 2 looks one step of the weights ahead, by finite differences (eq. 7 and 8); 1 takes
            the weights as they are, which is faster.
        epochs: of a search, 50 in the paper.
        searches: runs of the search with new weights, 4 in the paper, each with a proposal of its
            own.
        every: after so many epochs each, what is strongest then is proposed too.
        learning_rate: of the shared weights at the start, annealed to 0; the task's own if None.
            0.025 in the paper.
        architecture_learning_rate: of the architecture parameters' Adam (betas 0.5 and 0.999).
        architecture_weight_decay: of the architecture parameters.

    Raises:
        ValueError: if ``order`` is neither 1 nor 2, or the task has no supernet.
    """
    import torch

    if order not in (1, 2):
        raise ValueError(f"order: expected 1 or 2, got {order!r}")
    for _ in range(searches):
        net = supernet(problem, rng, learning_rate)
        alphas = net.architecture()
        optimizer = torch.optim.Adam(
            alphas,
            architecture_learning_rate,
            betas=(0.5, 0.999),
            weight_decay=architecture_weight_decay,
        )
        net.keep(optimizer)
        for epoch, batches in enumerate(net.epochs(epochs), 1):
            for train, validation in batches:
                training_loss = partial(mixed_loss, net, train, alphas)
                validation_loss = partial(mixed_loss, net, validation, alphas)
                if order == 2:
                    losses = training_loss, validation_loss
                    gradients = unrolled(*losses, net.weights, alphas, *net.step())
                else:
                    gradients = list(torch.autograd.grad(validation_loss(), alphas))
                for alpha, gradient in zip(alphas, gradients, strict=True):
                    alpha.grad = gradient
                optimizer.step()
                net.descend(training_loss())
            if every and epoch % every == 0 and epoch < epochs:
                yield strongest(problem.space, alphas)
        yield strongest(problem.space, alphas)


def mixed_loss(net: Supernet, batch: Batch, alphas: list[Tensor]) -> Tensor:
    """The loss of the network in which every operation has its share."""
    return net.loss(batch, mixture(alphas))


def unrolled(
    training_loss: Callable[[], Tensor],
    validation_loss: Callable[[], Tensor],
    weights: list[Tensor],
    alphas: list[Tensor],
    xi: float,
    besides: list[Tensor] | None = None,
) -> list[Tensor]:
    """The gradient by the architecture of the validation loss after one step of the weights.

    Equation 7 of the paper, with its second term by the finite difference of equation 8. The losses
    are functions of what ``weights`` and ``alphas`` hold; the weights are as before afterwards.

    Args:
        training_loss: L_train(w, alpha).
        validation_loss: L_val(w, alpha).
        weights: w.
        alphas: alpha.
        xi: the learning rate of the step ahead.
        besides: what the step subtracts beside xi times the gradient: momentum and decay.
    """
    import torch
    from torch.autograd import grad

    before = [weight.detach().clone() for weight in weights]
    try:
        # w' = w - xi dL_train/dw
        ahead = _filled(grad(training_loss(), weights, allow_unused=True), weights)
        for number, value in enumerate(before):
            value = value - xi * ahead[number]
            _set(weights[number], value if besides is None else value - besides[number])
        found = grad(validation_loss(), [*alphas, *weights], allow_unused=True)
        direct = _filled(found[: len(alphas)], alphas)
        vector = _filled(found[len(alphas) :], weights)  # dL_val/dw'
        length = float(torch.stack([part.norm() for part in vector]).norm())
        if length == 0:
            return direct
        epsilon = 0.01 / length
        sides = []
        for sign in (1, -1):  # w+ and w-
            for weight, value, part in zip(weights, before, vector, strict=True):
                _set(weight, value + sign * epsilon * part)
            sides.append(_filled(grad(training_loss(), alphas, allow_unused=True), alphas))
    finally:
        for weight, value in zip(weights, before, strict=True):
            _set(weight, value)
    return [
        plain - xi * (plus - minus) / (2 * epsilon)
        for plain, plus, minus in zip(direct, *sides, strict=True)
    ]


def _set(weight: Tensor, value: Tensor) -> None:
    weight.data.copy_(value)


def _filled(gradients: tuple[Tensor | None, ...], by: list[Tensor]) -> list[Tensor]:
    """Zeros where a loss does not depend on a tensor."""
    import torch

    pairs = zip(gradients, by, strict=True)
    return [torch.zeros_like(of) if gradient is None else gradient for gradient, of in pairs]
