"""Syne Tune's schedulers as strategies.

Source: Salinas, Seeger, Klein, Perrone, Wistuba & Archambeau, "Syne Tune: A Library for Large Scale
Hyperparameter Tuning and Reproducible Research", AutoML-Conf 2022, PMLR 188.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from random import Random
from typing import Any, NamedTuple

from ...bench.core.strategy import strategy
from ...bench.core.types import Observation, Problem, Query
from ...spaces import Arch
from .._shared.brackets import levels
from .peers import OwnRandomness, UnderWay, need, network

ONE_FIDELITY = ("RandomSearch", "REA", "BORE", "TPE")
MANY_FIDELITIES = ("ASHA", "ASHABORE", "BOHB")
MANY_OBJECTIVES = ("RandomSearch", "MORE")
_EPOCH = datetime(1970, 1, 1)


class Training(NamedTuple):
    """A trial of Syne Tune's, its architecture, and which training seed it was given."""

    trial: Any
    arch: Arch
    rung: int
    replica: int | None


@strategy(
    family="peers",
    source="Salinas et al. 2022, AutoML-Conf, PMLR 188",
    asynchronous=True,
    multi_fidelity=True,
    multi_objective=True,
)
class SyneTune:
    """A scheduler of Syne Tune: it suggests, and decides after each report whether to go on.

    A scheduler of several fidelities is told of each training at its rungs, and stops it or not;
    trainings that go on come first. The others train in full. A training that fails is reported
    as an error, and is no more heard of. Where choices name no network, the nearest network is
    asked.

    TPE and BOHB draw at random until the best 15 % of the answers outnumber the decisions: with
    six decisions for 46 trainings, so that short runs are hardly better than random search. REA
    draws at random until its population is full, which is 100 by default.

    Args:
        scheduler: `ONE_FIDELITY`, `MANY_FIDELITIES` or `MANY_OBJECTIVES`, by Syne Tune's names
            (``"MORE"``: its regularized evolution for several objectives). Left out, BOHB on tasks
            with several numbers of epochs, else TPE; MORE with several objectives.
        settings: the scheduler's settings, such as ``population_size`` of REA.
        eta: rungs are about this factor apart in epochs.

    Raises:
        ImportError: without syne-tune.
        ValueError: if there is no such scheduler, or not for the task's objectives or epochs.
    """

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        /,
        *,
        scheduler: str | None = None,
        settings: Mapping[str, Any] | None = None,
        eta: int = 3,
    ) -> None:
        need("syne-tune", "syne_tune")
        rungs = levels(problem, eta)
        known, default = _known(len(problem.objectives), len(rungs))
        name = scheduler or default
        if name not in known:
            raise ValueError(
                f"scheduler: expected one of {', '.join(known)} for a task with "
                f"{len(problem.objectives)} objectives at {len(rungs)} numbers of epochs, "
                f"got {name!r}"
            )
        self._space, self._rng, self._names = problem.space, rng, problem.objectives
        self._rungs = rungs if name in MANY_FIDELITIES else rungs[-1:]
        self._going_on: deque[Training] = deque()
        self._under_way: UnderWay[Training] = UnderWay()
        self._trials = 0
        self._random = OwnRandomness(rng.getrandbits(32), "syne_tune")
        seed = rng.getrandbits(31)
        with self._random():
            self._scheduler = _made(name, problem, seed, self._rungs, eta, dict(settings or {}))

    def ask(self) -> Query | None:
        training = self._going_on.popleft() if self._going_on else self._new()
        if training is None:
            return None
        query = Query(training.arch, self._rungs[training.rung], training.replica)
        self._under_way.add(query[:2], training)
        return query

    def _new(self) -> Training | None:
        from syne_tune.backend.trial_status import Trial

        with self._random():
            suggested = self._scheduler.suggest()
            if suggested is None:
                return None
            # The clock must not come in: no scheduler looks at it.
            trial = Trial(self._trials, suggested.config, _EPOCH)
            self._trials += 1
            self._scheduler.on_trial_add(trial)
        choices = [trial.config[decision.name] for decision in self._space.decisions]
        return Training(trial, network(self._space, choices, self._rng), 0, None)

    def tell(self, observation: Observation, /) -> None:
        from syne_tune.optimizer.scheduler import SchedulerDecision

        query, losses, _ = observation
        training = self._under_way.take(query[:2])
        result = dict(zip(self._names, losses, strict=True)) | {"epochs": query.epochs}
        with self._random():
            if not all(map(isfinite, losses)):
                self._scheduler.on_trial_error(training.trial)
            elif len(self._rungs) == 1:
                self._scheduler.on_trial_complete(training.trial, result)
            elif self._scheduler.on_trial_result(training.trial, result) == SchedulerDecision.STOP:
                self._scheduler.on_trial_remove(training.trial)
            else:
                rung = training.rung + 1
                self._going_on.append(training._replace(rung=rung, replica=query.replica))


def _known(objectives: int, rungs: int) -> tuple[tuple[str, ...], str]:
    """The schedulers that can do with so many objectives and rungs, and the default one."""
    if objectives > 1:
        return MANY_OBJECTIVES, "MORE"
    if rungs > 1:
        return ONE_FIDELITY + MANY_FIDELITIES, "BOHB"
    return ONE_FIDELITY, "TPE"


def _made(
    name: str,
    problem: Problem,
    seed: int,
    rungs: tuple[int, ...],
    eta: int,
    settings: dict[str, Any],
) -> Any:
    from syne_tune.config_space import choice
    from syne_tune.optimizer import baselines
    from syne_tune.optimizer.schedulers.multiobjective import multi_objective_regularized_evolution
    from syne_tune.optimizer.schedulers.single_fidelity_scheduler import SingleFidelityScheduler

    sizes = zip(problem.space.decisions, problem.space.sizes, strict=True)
    # A decision with one choice is a constant to Syne Tune, and stays in the configuration.
    space = {d.name: choice(list(range(size))) if size > 1 else 0 for d, size in sizes}
    metrics = list(problem.objectives)
    if name == "MORE":
        evolution = multi_objective_regularized_evolution.MultiObjectiveRegularizedEvolution
        searcher = evolution(space, random_seed=seed, **settings)
        return SingleFidelityScheduler(space, metrics, searcher=searcher, random_seed=seed)
    if name == "RandomSearch":
        return baselines.RandomSearch(space, metrics, random_seed=seed, **settings)
    if name in MANY_FIDELITIES:
        settings = {
            "time_attr": "epochs",
            "max_t": rungs[-1],
            "grace_period": rungs[0],
            "reduction_factor": eta,
        } | settings
    return getattr(baselines, name)(space, metrics[0], random_seed=seed, **settings)
