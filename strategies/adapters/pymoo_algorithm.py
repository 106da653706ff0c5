"""pymoo's genetic algorithms as strategies.

Source: Blank & Deb, "pymoo: Multi-Objective Optimization in Python", IEEE Access 8, 2020,
arXiv:2002.04504.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

from ...bench.core.strategy import strategy
from ...bench.core.types import Observation, Problem
from ...spaces import Arch
from .peers import Finite, OwnRandomness, UnderWay, need, network

ALGORITHMS = {
    "ga": "pymoo.algorithms.soo.nonconvex.ga:GA",
    "nsga2": "pymoo.algorithms.moo.nsga2:NSGA2",
    "sms": "pymoo.algorithms.moo.sms:SMSEMOA",
}


@strategy(
    family="peers",
    source="Blank & Deb 2020, arXiv:2002.04504",
    asynchronous=True,
    multi_objective=True,
)
class Pymoo:
    """An algorithm of pymoo on categorical variables, one a decision, generation by generation.

    Variation is pymoo's for mixed variables; no two of a population have equal choices. Within a
    generation queries are under way at once; the next one waits for its last answer. Where choices
    name no network, the nearest network is asked. A failure is told as the worst loss so far. The
    search ends where variation finds nothing new.

    Args:
        algorithm: ``"ga"`` for one objective, ``"nsga2"`` or ``"sms"`` (SMS-EMOA) for several;
            left out, ga or nsga2 as the task asks.
        population: architectures in the population, and in each generation; 10 rather than pymoo's
            100, for budgets of a few hundred queries.

    Raises:
        ImportError: without pymoo.
        ValueError: if there is no such algorithm, if it is for one objective and the task has
            several or the other way round, or if ``population`` is below 2.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        algorithm: str | None = None,
        population: int = 10,
    ) -> None:
        need("pymoo", "pymoo")
        several = len(problem.objectives) > 1
        name = algorithm or ("nsga2" if several else "ga")
        if name not in ALGORITHMS:
            raise ValueError(f"algorithm: expected one of {', '.join(ALGORITHMS)}, got {name!r}")
        if several == (name == "ga"):
            wanted = "one objective" if name == "ga" else "several objectives"
            raise ValueError(
                f"algorithm: {name} is for {wanted}, the task has {len(problem.objectives)}"
            )
        if population < 2:
            raise ValueError(f"population: expected at least 2, got {population}")
        self._space, self._rng = problem.space, rng
        self._random = OwnRandomness(rng.getrandbits(32), "pymoo")
        self._finite = Finite()
        self._under_way: UnderWay[Any] = UnderWay()
        self._generation: list[Any] = []
        self._ready: deque[Any] = deque()
        self._unanswered = 0
        with self._random():
            self._algorithm = _made(name, problem, population, rng.getrandbits(31))

    def ask(self) -> Arch | None:
        if not self._ready and not self._unanswered:
            self._next_generation()
        if not self._ready:
            return None
        individual = self._ready.popleft()
        choices = [individual.X[name] for name in self._algorithm.problem.vars]
        arch = network(self._space, choices, self._rng)
        self._under_way.add(arch, individual)
        return arch

    def _next_generation(self) -> None:
        with self._random():
            if self._generation:
                self._algorithm.tell(infills=self._population())
            asked = self._algorithm.ask()
        self._generation = [] if asked is None else list(asked)
        self._ready.extend(self._generation)
        self._unanswered = len(self._generation)

    def _population(self) -> Any:
        from pymoo.core.population import Population

        return Population.create(*self._generation)

    def tell(self, observation: Observation, /) -> None:
        import numpy as np

        individual = self._under_way.take(observation.query.arch)
        individual.set("F", np.array(self._finite(observation.losses)))
        self._unanswered -= 1


def _made(name: str, problem: Problem, population: int, seed: int) -> Any:
    from importlib import import_module

    from pymoo.core.mixed import (
        MixedVariableDuplicateElimination,
        MixedVariableMating,
        MixedVariableSampling,
    )
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.core.termination import NoTermination
    from pymoo.core.variable import Choice

    module, _, made = ALGORITHMS[name].partition(":")
    no_two = MixedVariableDuplicateElimination()
    algorithm = getattr(import_module(module), made)(
        pop_size=population,
        sampling=MixedVariableSampling(),
        mating=MixedVariableMating(eliminate_duplicates=no_two),
        eliminate_duplicates=no_two,
    )
    sizes = zip(problem.space.decisions, problem.space.sizes, strict=True)
    variables = {d.name: Choice(options=list(range(size))) for d, size in sizes}
    empty = PymooProblem(vars=variables, n_obj=len(problem.objectives))
    algorithm.setup(empty, termination=NoTermination(), seed=seed, verbose=False)
    return algorithm
