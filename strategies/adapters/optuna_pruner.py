"""Optuna's pruners as strategies: a sampler proposes, the pruner ends trainings early.

Source: Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019, arXiv:1907.10902. Each pruner's settings are Optuna's own and are passed
through; see https://optuna.readthedocs.io/en/stable/reference/pruners.html. A step is a number of
epochs. Every adapter also takes

- ``sampler``: a sampler of `optuna_sampler`, by its name without "optuna-" (``"tpe"``);
- ``sampler_settings``: that sampler's settings;
- ``eta``: report at epochs about this factor apart; at all that the task answers at, if left out.
  Each report is one query, so that a budget in epochs or seconds says more than one in queries.

After each report the pruner is asked, after the last one too, as in Optuna's own examples. A
training that fails has failed for Optuna: it is not pruned, and not told to the sampler.

On a task that answers at one number of epochs there is nothing to prune: the strategy is the
wrapped sampler then, to the last bit. Optuna prunes with a single objective only.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from ...bench.core.strategy import strategy
from ...bench.core.types import Observation, Problem, Query, StrategyFactory
from ...spaces import Arch
from .._shared.brackets import levels
from . import optuna_sampler
from .optuna_sampler import OptunaStrategy, check_settings, quiet

if TYPE_CHECKING:
    import optuna

Defaults = Callable[[tuple[int, ...]], dict[str, Any]]
"""Of the epochs that are reported to settings."""


class Kind(NamedTuple):
    """A pruner of Optuna's: its class's name, our defaults, and a word on it."""

    pruner: str
    words: str
    defaults: Defaults = lambda epochs: {}


KINDS: dict[str, Kind] = {
    "median": Kind("MedianPruner", "Ends what is worse than the median at the same epochs."),
    "percentile": Kind(
        "PercentilePruner",
        "Keeps the best 25 percent at the same epochs, as in Optuna's example.",
        lambda epochs: {"percentile": 25.0},
    ),
    "successive-halving": Kind(
        "SuccessiveHalvingPruner",
        "Its ``min_resource`` is the least number of epochs.",
        lambda epochs: {"min_resource": epochs[0]},
    ),
    "hyperband": Kind(
        "HyperbandPruner",
        "Its ``min_resource`` and ``max_resource`` are the least and the most epochs.",
        lambda epochs: {"min_resource": epochs[0], "max_resource": epochs[-1]},
    ),
    "threshold": Kind(
        "ThresholdPruner",
        "Ends what has a loss outside ``lower`` to ``upper``, in the loss's unit (an accuracy of\n"
        "91 % is a loss of -91). No unit is known beforehand: until one is set, nothing ends.",
        lambda epochs: {"upper": float("inf")},
    ),
}


class Report(NamedTuple):
    """One report of a trial: its step for Optuna, and how it is asked for.

    ``replica`` is None for whichever training seed the oracle gives.
    """

    step: int
    epochs: int
    replica: int | None = None


class Training:
    """One trial under way: what it has still to report, and what it has reported."""

    def __init__(self, trial: optuna.Trial, arch: Arch, plan: list[Report]) -> None:
        self.trial, self.arch = trial, arch
        self.plan = deque(plan)
        self.replica: int | None = None
        self.losses: list[float] = []

    def query(self) -> Query:
        report = self.plan[0]
        replica = self.replica if report.replica is None else report.replica
        return Query(self.arch, report.epochs, replica)


class PrunedStrategy:
    """A study whose trials report by and by, until they are complete or its pruner ends them.

    Trials that are begun come first: one worker runs them one by one, as ``Study.optimize`` does.

    Args:
        inner: the strategy around the sampler.
        plan: what a trial is to report, drawn anew for each.
        averaged: whether reports are repetitions of one measurement, whose mean is the trial's
            value, even where it was pruned; else its value is the last one.
    """

    def __init__(
        self, inner: OptunaStrategy, plan: Callable[[], list[Report]], *, averaged: bool = False
    ) -> None:
        from optuna.trial import TrialState

        self._inner, self._plan, self._averaged = inner, plan, averaged
        self._pruned = TrialState.PRUNED
        self._ready: deque[Training] = deque()
        self._under_way: defaultdict[tuple[Arch, int | None], list[tuple[int | None, Training]]]
        self._under_way = defaultdict(list)

    def ask(self) -> Query | None:
        if self._ready:
            training = self._ready.popleft()
        elif (begun := self._inner.begin()) is not None:
            training = Training(*begun, self._plan())
        else:
            return None
        query = training.query()
        self._under_way[query.arch, query.epochs].append((query.replica, training))
        return query

    def _answered(self, query: Query) -> Training:
        """The training that asked this; the first, if several asked for any training seed."""
        waiting = self._under_way[query.arch, query.epochs]
        asked = [replica for replica, _ in waiting]
        place = asked.index(query.replica if query.replica in asked else None)
        _, training = waiting.pop(place)
        if not waiting:
            del self._under_way[query.arch, query.epochs]
        return training

    def tell(self, observation: Observation, /) -> None:
        training = self._answered(observation.query)
        training.replica = observation.query.replica
        loss = observation.losses[0]
        if not isfinite(loss):
            self._inner.fail(training.trial)
            return
        training.losses.append(loss)
        training.trial.report(loss, training.plan.popleft().step)
        with quiet():
            prune = training.trial.should_prune()
        study, losses = self._inner.study, training.losses
        if prune and not self._averaged:
            study.tell(training.trial, state=self._pruned)
        elif prune or not training.plan:
            study.tell(training.trial, sum(losses) / len(losses) if self._averaged else loss)
        else:
            self._ready.append(training)


def _inner(
    problem: Problem, rng: Random, sampler: str, settings: Mapping[str, Any] | None
) -> OptunaStrategy:
    known = {
        n.removeprefix("optuna_"): f for n, f in vars(optuna_sampler).items() if "optuna_" in n
    }
    if sampler not in known:
        raise ValueError(f"sampler: expected one of {', '.join(known)}, got {sampler!r}")
    made: OptunaStrategy = known[sampler](problem, rng, **(settings or {}))
    return made


def _epochs(problem: Problem, eta: int | None) -> tuple[int, ...]:
    return problem.epochs if eta is None else levels(problem, eta)


def _make_pruner(
    name: str, epochs: tuple[int, ...], settings: Mapping[str, Any]
) -> optuna.pruners.BasePruner:
    import optuna

    kind = KINDS[name]
    made = getattr(optuna.pruners, kind.pruner)
    check_settings(name, made, dict(settings))
    with quiet():
        pruner: optuna.pruners.BasePruner = made(**(kind.defaults(epochs) | dict(settings)))
    return pruner


def _pruned(
    inner: OptunaStrategy, pruner: optuna.pruners.BasePruner, epochs: tuple[int, ...]
) -> OptunaStrategy | PrunedStrategy:
    """The sampler's study with a pruner, unless there is nothing to prune."""
    if len(epochs) == 1:
        return inner
    inner.study.pruner = pruner
    return PrunedStrategy(inner, lambda: [Report(at, at) for at in epochs])


_declared = strategy(
    family="optuna",
    source="Akiba et al. 2019, arXiv:1907.10902",
    asynchronous=True,
    multi_fidelity=True,
)


ARGS = """
Args:
    sampler: the sampler's name without "optuna-".
    sampler_settings: its settings.
    eta: report at epochs about this factor apart; at all if left out.

Raises:
    ValueError: if the sampler is unknown.
"""


def _adapter(name: str) -> StrategyFactory:
    """A strategy around one of the `KINDS`."""

    def make(
        problem: Problem,
        rng: Random,
        /,
        *,
        sampler: str = "tpe",
        sampler_settings: Mapping[str, Any] | None = None,
        eta: int | None = None,
        **settings: Any,
    ) -> OptunaStrategy | PrunedStrategy:
        epochs = _epochs(problem, eta)
        pruner = _make_pruner(name, epochs, settings)
        return _pruned(_inner(problem, rng, sampler, sampler_settings), pruner, epochs)

    make.__name__ = make.__qualname__ = f"optuna_{name.replace('-', '_')}"
    make.__doc__ = (
        f"Optuna's ``{KINDS[name].pruner}``, with its settings.\n\n{KINDS[name].words}\n{ARGS}"
    )
    return _declared(make)


optuna_median = _adapter("median")
optuna_percentile = _adapter("percentile")
optuna_successive_halving = _adapter("successive-halving")
optuna_hyperband = _adapter("hyperband")
optuna_threshold = _adapter("threshold")


@_declared
def optuna_patient(
    problem: Problem,
    rng: Random,
    /,
    *,
    wrapped: str | None = "median",
    wrapped_settings: Mapping[str, Any] | None = None,
    patience: int = 1,
    min_delta: float = 0.0,
    sampler: str = "tpe",
    sampler_settings: Mapping[str, Any] | None = None,
    eta: int | None = None,
) -> OptunaStrategy | PrunedStrategy:
    """Optuna's ``PatientPruner``: another pruner decides, once a training no longer improves.

    Args:
        wrapped: the other pruner: median, percentile, successive-halving, hyperband or threshold;
            None to end whatever no longer improves.
        wrapped_settings: that pruner's settings.
        patience: so many further reports without improvement are waited for.
        min_delta: less than this, in the loss's unit, is no improvement.
        sampler: the sampler's name without "optuna-".
        sampler_settings: its settings.
        eta: report at epochs about this factor apart; at all if left out.

    Raises:
        ValueError: if the sampler or the wrapped pruner is unknown.
    """
    import optuna

    epochs = _epochs(problem, eta)
    if wrapped is not None and wrapped not in KINDS:
        raise ValueError(f"wrapped: expected one of {', '.join(KINDS)}, got {wrapped!r}")
    inside = None if wrapped is None else _make_pruner(wrapped, epochs, wrapped_settings or {})
    with quiet():
        pruner = optuna.pruners.PatientPruner(inside, patience, min_delta)
    return _pruned(_inner(problem, rng, sampler, sampler_settings), pruner, epochs)


@_declared
def optuna_wilcoxon(
    problem: Problem,
    rng: Random,
    /,
    *,
    replicas: int = 1,
    p_threshold: float = 0.1,
    n_startup_steps: int = 2,
    sampler: str = "tpe",
    sampler_settings: Mapping[str, Any] | None = None,
    eta: int | None = None,
) -> OptunaStrategy | PrunedStrategy:
    """Optuna's ``WilcoxonPruner``: ends what is worse than the best by a signed-rank test.

    The test compares two architectures on the same instances. With several ``replicas`` the
    instances are training seeds: each architecture is trained in full with one after another, in a
    random order, and its value is the mean of those seen. With one, numbers of epochs stand in for
    instances, and the value is the last one.

    The least p-value that n instances can reach is 2 ** -n. So with the default threshold the
    fourth is the first that can end anything: with four of them nothing is saved, and a
    ``p_threshold`` above 0.125 is needed to end a training after three.

    Args:
        replicas: training seeds of each architecture, 0 to ``replicas - 1``. The task must hold
            them for every architecture (`fcnet` has 4), and answer with ``noise = "sampled"``.
        p_threshold: a training ends if the p-value is below.
        n_startup_steps: reports before which nothing ends.
        sampler: the sampler's name without "optuna-".
        sampler_settings: its settings.
        eta: report at epochs about this factor apart; at all if left out. One replica only.

    Raises:
        ValueError: if the sampler is unknown or ``replicas`` is below 1.
    """
    import optuna

    if replicas < 1:
        raise ValueError(f"replicas: expected at least 1, got {replicas}")
    epochs = _epochs(problem, eta)
    with quiet():
        pruner = optuna.pruners.WilcoxonPruner(
            p_threshold=p_threshold, n_startup_steps=n_startup_steps
        )
    inner = _inner(problem, rng, sampler, sampler_settings)
    if replicas == 1:
        return _pruned(inner, pruner, epochs)
    inner.study.pruner = pruner

    def shuffled() -> list[Report]:
        seeds = rng.sample(range(replicas), replicas)
        return [Report(seed, epochs[-1], seed) for seed in seeds]

    return PrunedStrategy(inner, shuffled, averaged=True)
