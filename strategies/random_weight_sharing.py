"""Random search with weight sharing.

Source: Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI
2019, arXiv:1902.07638, section 3.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random

from ..bench.core.strategy import strategy
from ..bench.core.types import Observation, Problem
from ..spaces import Arch
from ._shared.shared_weights import networks, supernet


@strategy(
    family="weight sharing",
    source="Li & Talwalkar 2019, arXiv:1902.07638",
    weight_sharing=True,
)
def random_weight_sharing(
    problem: Problem,
    rng: Random,
    /,
    *,
    epochs: int = 50,
    learning_rate: float | None = None,
    paths: int = 1000,
) -> Generator[Arch, Observation, None]:
    """Trains one random path a minibatch, then measures random paths with these weights.

    They are proposed in the order of what they reached, the best first. Unlike in the paper each is
    measured on all validation data, not on some minibatches first. Needs torch.

    Args:
        epochs: of the supernet.
        learning_rate: of the shared weights at the start, annealed to 0; the task's own if None.
        paths: measured after the training.

    Raises:
        ValueError: if ``paths`` is below 1, or the task has no supernet.
    """
    if paths < 1:
        raise ValueError(f"paths: expected at least 1, got {paths!r}")
    space = problem.space
    net = supernet(problem, rng, learning_rate)
    for batches in net.epochs(epochs):
        for train, _ in batches:
            net.descend(net.loss(train, path=space.sample(rng)))
    drawn = dict.fromkeys(space.sample(rng) for _ in range(paths))
    measured = {path: net.measure(path) for path in drawn}
    yield from networks(space, sorted(measured, key=measured.__getitem__))
