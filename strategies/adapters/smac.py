"""SMAC3's facades as strategies.

Source: Lindauer, Eggensperger, Feurer, Biedenkapp, Deng, Benjamins, Ruhkopf, Sass & Hutter,
"SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization", JMLR 23, 2022,
arXiv:2109.09831.
"""

from __future__ import annotations

from math import log
from random import Random
from typing import Any

from ...bench.core.strategy import strategy
from ...bench.core.types import Observation, Problem, Query
from ...spaces import SearchSpace
from .._shared.brackets import levels
from .peers import Finite, OwnRandomness, UnderWay, need, network

FACADES = {
    "hyperparameter-optimization": "HyperparameterOptimizationFacade",
    "black-box": "BlackBoxFacade",
    "multi-fidelity": "MultiFidelityFacade",
    "random": "RandomFacade",
}


@strategy(
    family="peers",
    source="Lindauer et al. 2022, arXiv:2109.09831",
    asynchronous=True,
    multi_fidelity=True,
    multi_objective=True,
)
class SMAC:
    """A facade of SMAC3, asked and told; conditions are those of a ConfigSpace.

    SMAC asks nothing twice and ends when it finds nothing new. Where choices name no network, the
    nearest network is asked. A failure is told as the worst loss so far. Several objectives become
    one by SMAC's own mean aggregation (multi-fidelity: one objective only). Nothing is written to
    disk, and no training is ended for its time.

    Args:
        facade: ``"hyperparameter-optimization"`` (random forest, log expected improvement),
            ``"black-box"`` (Gaussian process), ``"multi-fidelity"`` (random forest and Hyperband
            over the epochs that the task answers at) or ``"random"``; left out, multi-fidelity on
            tasks with several numbers of epochs and one objective, else the first.
        trials: queries that it plans for: a quarter of them at most are its initial design. It may
            be asked more.
        eta: of Hyperband, as in our `hyperband`.

    Raises:
        ImportError: without smac.
        ValueError: if there is no such facade, if it cannot do with the task's objectives or
            epochs, or if ``trials`` is below 1 or ``eta`` below 2.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        facade: str | None = None,
        trials: int = 100,
        eta: int = 3,
    ) -> None:
        need("smac", "smac")
        self._levels = levels(problem, eta)
        several = len(problem.objectives) > 1
        fidelities = len(self._levels) > 1 and not several
        name = facade or ("multi-fidelity" if fidelities else "hyperparameter-optimization")
        if name not in FACADES:
            raise ValueError(f"facade: expected one of {', '.join(FACADES)}, got {name!r}")
        if name == "multi-fidelity" and not fidelities:
            raise ValueError(
                "facade: multi-fidelity needs one objective and several numbers of epochs, the "
                f"task has {len(problem.objectives)} and {len(self._levels)}"
            )
        if trials < 1:
            raise ValueError(f"trials: expected at least 1, got {trials}")
        self._space, self._rng = problem.space, rng
        self._finite = Finite()
        self._under_way: UnderWay[Any] = UnderWay()
        self._replicas: dict[Any, int | None] = {}
        self._random = OwnRandomness(rng.getrandbits(32), "smac")
        scenario: dict[str, Any] = {"n_trials": trials, "seed": rng.getrandbits(31)}
        if name == "multi-fidelity":
            # A budget is a power of eta for each level, whatever the task's epochs are. The least
            # is a little below 1, for SMAC counts rungs by a logarithm that it rounds down.
            scenario |= {"min_budget": 0.99, "max_budget": eta ** (len(self._levels) - 1)}
        if several:
            scenario["objectives"] = list(problem.objectives)
        self._eta = eta
        with self._random():
            self._facade = _made(name, problem.space, scenario, eta)

    def ask(self) -> Query | None:
        from joblib import parallel_config
        from smac.main.exceptions import ConfigurationSpaceExhaustedException

        # Its forests are too small to gain by threads, and would take the cores of other runs.
        with self._random(), parallel_config(backend="sequential"):
            try:
                info = self._facade.ask()
            except (StopIteration, ConfigurationSpaceExhaustedException):
                return None
        chosen = dict(info.config)
        choices = [chosen.get(decision.name, 0) for decision in self._space.decisions]
        arch = network(self._space, choices, self._rng)
        query = Query(arch, self._epochs(info.budget), self._replicas.get(info.config))
        self._under_way.add(query[:2], info)
        return query

    def _epochs(self, budget: float | None) -> int:
        """A budget is a power of eta, the level of that number."""
        return self._levels[-1 if budget is None else round(log(budget, self._eta))]

    def tell(self, observation: Observation, /) -> None:
        from smac.runhistory import TrialValue

        info = self._under_way.take(observation.query[:2])
        self._replicas[info.config] = observation.query.replica
        losses = self._finite(observation.losses)
        value = TrialValue(cost=losses if len(losses) > 1 else losses[0])
        with self._random():
            self._facade.tell(info, value, save=False)


def _config_space(space: SearchSpace, seed: int) -> Any:
    from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, InCondition

    made = ConfigurationSpace(seed=seed)
    decisions = [
        CategoricalHyperparameter(decision.name, list(range(size)))
        for decision, size in zip(space.decisions, space.sizes, strict=True)
    ]
    made.add(*decisions)
    for decision, own in zip(space.decisions, decisions, strict=True):
        if (where := decision.condition) is not None:
            parent = decisions[where.decision]
            made.add(InCondition(own, parent, sorted(where.choices)))
    return made


def _made(name: str, space: SearchSpace, scenario: dict[str, Any], eta: int) -> Any:
    import smac
    from smac.main.smbo import SMBO

    def optimizer(facade: Any) -> SMBO:
        return loop(
            scenario=facade._scenario,
            runner=None,
            runhistory=facade._runhistory,
            intensifier=facade._intensifier,
            overwrite=True,
        )

    # Nothing is written down: SMAC would, and would go on with what it finds there.
    unsaved = {"save": lambda self: None}
    scenarios = type("Scenario", (smac.Scenario,), unsaved)
    loop = type("Loop", (SMBO,), unsaved)
    chosen = getattr(smac, FACADES[name])
    facade = type("Facade", (chosen,), {"_get_optimizer": optimizer})
    planned = scenarios(_config_space(space, scenario["seed"]), deterministic=True, **scenario)
    more: dict[str, Any] = {}
    if name == "multi-fidelity":
        more["intensifier"] = chosen.get_intensifier(planned, eta=eta)
    if "objectives" in scenario:
        more["multi_objective_algorithm"] = chosen.get_multi_objective_algorithm(planned)
    return facade(planned, logging_level=False, overwrite=True, **more)
