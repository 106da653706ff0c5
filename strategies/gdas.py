"""GDAS: gradient-based search with a differentiable architecture sampler.

Source: Dong & Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR 2019,
arXiv:1910.04465, algorithm 1 and equations 2 to 5.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from typing import TYPE_CHECKING

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.shared_weights import strongest, supernet

if TYPE_CHECKING:
    from torch import Tensor


@strategy(
    family="weight sharing",
    source="Dong & Yang 2019, arXiv:1910.04465",
    weight_sharing=True,
    packages=("torch",),
)
def gdas(
    problem: Problem,
    rng: Random,
    /,
    *,
    epochs: int = 240,
    searches: int = 4,
    every: int | None = None,
    learning_rate: float | None = None,
    architecture_learning_rate: float = 3e-4,
    architecture_weight_decay: float = 1e-3,
    tau_max: float = 10.0,
    tau_min: float = 0.1,
) -> Generator[Arch, Observation, None]:
    """Draws one architecture a minibatch by Gumbel-softmax and trains it alone.

    The draw is hard on the way forward and soft on the way back (straight-through), at a
    temperature that falls linearly. Shared weights follow the training loss, the distribution the
    validation loss; the architecture with the strongest choices is proposed. Needs torch.

    Args:
        epochs: of a search, 240 in the settings of the authors.
        searches: runs of the search with new weights, each with a proposal of its own.
        every: after so many epochs each, what is strongest then is proposed too.
        learning_rate: of the shared weights at the start, annealed to 0; the task's own if None.
            0.025 in the paper.
        architecture_learning_rate: of the distribution's Adam (betas 0.5 and 0.999).
        architecture_weight_decay: of the distribution's logits.
        tau_max: temperature in the first epoch.
        tau_min: temperature in the last epoch.

    Raises:
        ValueError: if a temperature is not above 0, or the task has no supernet.
    """
    import torch

    if not (tau_max > 0 and tau_min > 0):
        raise ValueError(f"expected temperatures above 0, got {tau_max} and {tau_min}")
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
        for epoch, batches in enumerate(net.epochs(epochs)):
            tau = tau_max + (tau_min - tau_max) * epoch / max(epochs - 1, 1)
            for train, validation in batches:
                _, path = draw(alphas, tau)
                net.descend(net.loss(train, path=path))
                weights, path = draw(alphas, tau)
                loss = net.loss(validation, weights, path)
                gradients = torch.autograd.grad(loss, alphas, allow_unused=True)
                for alpha, gradient in zip(alphas, gradients, strict=True):
                    alpha.grad = gradient
                optimizer.step()
            if every and (epoch + 1) % every == 0 and epoch + 1 < epochs:
                yield strongest(problem.space, alphas)
        yield strongest(problem.space, alphas)


def draw(alphas: list[Tensor], tau: float) -> tuple[list[Tensor], Arch]:
    """A choice for each decision, as weights (choices,) and as an architecture.

    The weights are exactly 1 for what is chosen and 0 for the rest; their gradient is that of the
    softmax of the perturbed logits at temperature ``tau``. Chance is torch's.
    """
    import torch

    weights, path = [], []
    for alpha in alphas:
        gumbel = -torch.empty_like(alpha).exponential_().log()
        soft = ((alpha.log_softmax(dim=0) + gumbel) / tau).softmax(dim=0)
        chosen = int(soft.argmax())
        hard = torch.zeros_like(soft)
        hard[chosen] = 1.0
        weights.append(hard + (soft - soft.detach()))
        path.append(chosen)
    return weights, tuple(path)
