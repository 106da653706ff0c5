"""What strategies with weight sharing have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from ...bench.core.types import Problem, Supernet
from ...spaces import Arch, SearchSpace

if TYPE_CHECKING:
    from torch import Tensor


def supernet(problem: Problem, rng: Random, learning_rate: float | None) -> Supernet:
    """A new supernet of the task.

    Raises:
        ValueError: if the task has none.
    """
    if problem.supernet is None:
        raise ValueError("this task has no supernet, which weight sharing needs")
    return problem.supernet(rng, learning_rate=learning_rate)


def mixture(alphas: list[Tensor]) -> list[Tensor]:
    """Architecture parameters to the weights of the choices: a softmax over each decision."""
    return [alpha.softmax(dim=0) for alpha in alphas]


def strongest(space: SearchSpace, alphas: list[Tensor]) -> Arch:
    """The valid architecture with the largest product of its choices' weights.

    Where every combination of choices is valid this is the largest of each decision.
    """
    logs = [alpha.detach().log_softmax(dim=0).tolist() for alpha in alphas]
    ranked = [alpha.detach().argsort(descending=True, stable=True).tolist() for alpha in alphas]

    def arch(ranks: tuple[int, ...]) -> Arch:
        return tuple(order[rank] for order, rank in zip(ranked, ranks, strict=True))

    # Best first: from each combination of ranks to those with one rank more.
    first = (0,) * len(logs)
    seen, heap = {first}, [(0.0, first)]
    while True:
        _, ranks = heappop(heap)
        if space.is_valid(arch(ranks)):
            return arch(ranks)
        for place, rank in enumerate(ranks):
            worse = (*ranks[:place], rank + 1, *ranks[place + 1 :])
            if rank + 1 < len(ranked[place]) and worse not in seen:
                seen.add(worse)
                choices = zip(logs, arch(worse), strict=True)
                heappush(heap, (-sum(one[choice] for one, choice in choices), worse))


def networks(space: SearchSpace, ranked: Iterable[Arch]) -> Iterator[Arch]:
    """The architectures in their order, without those that spell an earlier network again."""
    seen: set[Arch] = set()
    for arch in ranked:
        if (form := space.canonical(arch)) not in seen:
            seen.add(form)
            yield arch
