"""The decorator that turns a generator function or a class into a strategy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from random import Random
from typing import Any, TypeAlias

from .types import Observation, Problem, Proposal, StrategyFactory, StrategyInfo

Short: TypeAlias = "Generator[Proposal, Observation, None]"


class GeneratorStrategy:
    """A strategy in the short form: yields a proposal, receives its observation.

    It is sequential: while a proposal is under way, `ask` answers ``None``.
    """

    __slots__ = ("_advance", "_next")

    def __init__(self, generator: Short) -> None:
        self._advance = generator.send
        self._next: Proposal | None = next(generator, None)

    def ask(self) -> Proposal | None:
        proposal, self._next = self._next, None
        return proposal

    def tell(self, observation: Observation, /) -> None:
        try:
            self._next = self._advance(observation)
        except StopIteration:
            self._next = None


def strategy(
    *,
    family: str = "other",
    source: str = "",
    asynchronous: bool = False,
    multi_fidelity: bool = False,
    multi_objective: bool = False,
    weight_sharing: bool = False,
    budget_aware: bool = False,
    packages: tuple[str, ...] = (),
    lanes: str = "",
) -> Callable[[Callable[..., Any]], StrategyFactory]:
    """Declare a strategy: what it is, where it is published and what it can do.

    Goes on a class with ``ask`` and ``tell``, or on a generator function, both taking
    ``(problem, rng, **settings)``. A generator function is sequential, so it cannot be declared
    asynchronous.

    Raises:
        TypeError: on a generator function that is declared asynchronous.
    """
    info = StrategyInfo(
        family,
        source,
        asynchronous,
        multi_fidelity,
        multi_objective,
        weight_sharing,
        budget_aware,
        packages,
        lanes,
    )

    def declare(make: Callable[..., Any]) -> StrategyFactory:
        factory: Any = make
        if inspect.isgeneratorfunction(make):
            if asynchronous:
                raise TypeError(
                    f"{make.__name__} is a generator, which is sequential; an asynchronous "
                    "strategy is a class with ask and tell"
                )

            @functools.wraps(make)
            def factory(problem: Problem, rng: Random, /, **settings: Any) -> GeneratorStrategy:
                return GeneratorStrategy(make(problem, rng, **settings))

        factory.info = info
        checked: StrategyFactory = factory
        return checked

    return declare
