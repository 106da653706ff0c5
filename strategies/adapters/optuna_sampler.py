"""Optuna's samplers as strategies, by ask and tell on a study in memory.

Source: Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019, arXiv:1907.10902. Each sampler's settings are Optuna's own and are passed
through; see https://optuna.readthedocs.io/en/stable/reference/samplers/. Every adapter also takes
``encoding``: ``"categorical"``, or ``"ordinal"`` for samplers that work on numbers only (CMA-ES
and QMC leave categorical parameters to random sampling, so ordinal is their default).
"""

from __future__ import annotations

import inspect
import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from math import isfinite, prod
from random import Random
from typing import TYPE_CHECKING, Any

from ...bench.core.strategy import strategy
from ...bench.core.types import Observation, Problem, StrategyFactory
from ...spaces import Arch, PoolSpace

if TYPE_CHECKING:
    import optuna

SOURCE = "Akiba et al. 2019, arXiv:1907.10902"
MAX_INVALID = 1000
"""So many spellings in a row that name no network, and the sampler is given up on."""
MAX_GRID = 1_000_000
"""Points of the largest grid."""

Distribution = Any


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's messages and its warnings of experimental classes."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class OptunaStrategy:
    """A study in memory, asked and told. Decisions become parameters, in their order."""

    def __init__(
        self,
        problem: Problem,
        rng: Random,
        sampler: optuna.samplers.BaseSampler,
        ordinal: bool,
    ) -> None:
        import optuna

        self._space, self._rng = problem.space, rng
        self._sparse = isinstance(problem.space, PoolSpace)
        with quiet():
            self.study = optuna.create_study(
                # Without a name a study draws one, by which Hyperband deals its trials out.
                study_name=f"{rng.getrandbits(32):08x}",
                sampler=sampler,
                directions=["minimize"] * len(problem.objectives),
            )
        # Samplers that end (grid, brute force) stop the study, which Optuna forbids outside of
        # Study.optimize: here it means that there is nothing more to ask.
        self._exhausted = False
        self.study.stop = self._stop  # type: ignore[method-assign]
        self._failed = optuna.trial.TrialState.FAIL
        self._forbidden: set[Arch] = set()
        self._under_way: defaultdict[Arch, list[optuna.Trial]] = defaultdict(list)
        distributions = _distributions(problem, ordinal)
        self._conditional = any(d.condition for d in self._space.decisions)
        self._names = tuple(distributions)
        self._distributions = distributions
        # GridSampler sorts its parameters by name, which is as good as any other order here.
        self._fixed = None if self._conditional else distributions

    def _stop(self) -> None:
        self._exhausted = True

    def ask(self) -> Arch | None:
        begun = self.begin()
        if begun is None:
            return None
        trial, arch = begun
        self._under_way[arch].append(trial)
        return arch

    def begin(self) -> tuple[optuna.Trial, Arch] | None:
        """A trial and its architecture; None if the sampler has come to its end.

        A spelling that names no network is told as failed. Where it comes a second time (a failure
        teaches some samplers nothing), and in a pool, where hardly any spelling is a member, the
        nearest network stands for it instead.

        Raises:
            RuntimeError: if `MAX_INVALID` spellings in a row name no network.
        """
        for _ in range(MAX_INVALID):
            if self._exhausted:
                return None
            trial = self.study.ask(self._fixed)
            if self._fixed is None:
                self._suggest_what_counts(trial)
            params = trial.params
            arch = tuple([params.get(name, 0) for name in self._names])
            if self._sparse or arch in self._forbidden:
                arch = self._space.nearest(arch, self._rng)
            if self._space.is_valid(arch):
                return trial, arch
            self._forbidden.add(arch)
            self.fail(trial)
        raise RuntimeError(
            f"{type(self.study.sampler).__name__} proposed {MAX_INVALID} spellings in a row "
            f"that name no network of {self._space.name}"
        )

    def _suggest_what_counts(self, trial: optuna.Trial) -> None:
        """Suggest only the decisions that count, given those before them."""
        chosen: list[int | None] = []
        for decision, (name, distribution) in zip(
            self._space.decisions, self._distributions.items(), strict=True
        ):
            where = decision.condition
            counts = where is None or chosen[where.decision] in where.choices
            chosen.append(trial._suggest(name, distribution) if counts else None)

    def fail(self, trial: optuna.Trial) -> None:
        """Tell the study that this trial has no result."""
        self.study.tell(trial, state=self._failed)

    def tell(self, observation: Observation, /) -> None:
        arch = observation.query.arch
        trials = self._under_way[arch]
        trial = trials.pop(0)
        if not trials:
            del self._under_way[arch]
        if all(map(isfinite, observation.losses)):
            self.study.tell(trial, list(observation.losses))
        else:
            self.fail(trial)


def _distributions(problem: Problem, ordinal: bool) -> dict[str, Distribution]:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    found: dict[str, Distribution] = {}
    for decision in problem.space.decisions:
        size = len(decision.choices)
        found[decision.name] = (
            IntDistribution(0, size - 1) if ordinal else CategoricalDistribution(range(size))
        )
    return found


def check_settings(name: str, made: Callable[..., Any], settings: dict[str, Any]) -> None:
    """Raises TypeError if ``made``, a sampler or a pruner, has no such setting."""
    known = [p for p in inspect.signature(made).parameters if p not in ("self", "seed")]
    for setting in settings:
        if setting not in known:
            near = get_close_matches(setting, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise TypeError(f"optuna-{name} has no setting {setting!r}; {hint}")


def _adapter(
    name: str,
    sampler: str,
    *,
    ordinal: bool = False,
    multi_objective: bool = True,
    module: str | None = None,
    extra: str = "",
    requires: tuple[str, ...] = (),
    defaults: dict[str, Any] | None = None,
    source: str = SOURCE,
    remark: str = "",
) -> StrategyFactory:
    """A strategy around ``optuna.samplers.<sampler>``, which may need a ``module``.

    ``requires`` names what the sampler computes with beside Optuna and NumPy.
    """

    def make(problem: Problem, rng: Random, /, **settings: Any) -> OptunaStrategy:
        if module is not None and find_spec(module) is None:
            raise ImportError(f'optuna-{name} needs {module}: pip install "nasarena[{extra}]"')
        import optuna

        encoding = settings.pop("encoding", "ordinal" if ordinal else "categorical")
        if encoding not in ("ordinal", "categorical"):
            raise ValueError(f"encoding: expected 'categorical' or 'ordinal', got {encoding!r}")
        made = getattr(optuna.samplers, sampler)
        check_settings(name, made, settings)
        with quiet():
            chosen = made(seed=rng.getrandbits(32), **(defaults or {}), **settings)
        return OptunaStrategy(problem, rng, chosen, encoding == "ordinal")

    make.__name__ = make.__qualname__ = f"optuna_{name}"
    make.__doc__ = f"Optuna's ``{sampler}``; its settings, and ``encoding``." + remark
    return strategy(
        family="optuna",
        source=source,
        asynchronous=True,
        multi_objective=multi_objective,
        packages=("numpy", *requires),
    )(make)


optuna_random = _adapter("random", "RandomSampler")
optuna_tpe = _adapter("tpe", "TPESampler", source="Watanabe 2023, arXiv:2304.11127")
optuna_gp = _adapter(
    "gp",
    "GPSampler",
    module="torch",
    extra="gp",
    requires=("scipy", "torch"),
    defaults={"warn_independent_sampling": False},
)
optuna_cmaes = _adapter(
    "cmaes",
    "CmaEsSampler",
    ordinal=True,
    multi_objective=False,
    requires=("cmaes",),
    defaults={"warn_independent_sampling": False},
    source="Hansen 2016, arXiv:1604.00772",
)
optuna_nsgaii = _adapter("nsgaii", "NSGAIISampler", source="Deb et al. 2002, IEEE TEVC 6")
optuna_nsgaiii = _adapter("nsgaiii", "NSGAIIISampler", source="Deb & Jain 2014, IEEE TEVC 18")
optuna_qmc = _adapter(
    "qmc",
    "QMCSampler",
    ordinal=True,
    requires=("scipy",),
    defaults={"warn_independent_sampling": False, "warn_asynchronous_seeding": False},
    source="Bergstra & Bengio 2012, JMLR 13",
    remark=(
        "\n\nIt spreads its points evenly and learns nothing from them: on spaces of categorical "
        "decisions that is worth no more than random search, and it can be worse."
    ),
)
optuna_bruteforce = _adapter("bruteforce", "BruteForceSampler")


@strategy(
    family="optuna",
    source=SOURCE,
    asynchronous=True,
    multi_objective=True,
)
def optuna_grid(problem: Problem, rng: Random, /) -> OptunaStrategy:
    """Optuna's ``GridSampler`` over every choice of every decision, in a random order.

    Raises:
        ValueError: for spaces with conditional decisions, which have no grid, and where the grid,
            which Optuna keeps in memory, has more than `MAX_GRID` points.
    """
    import optuna

    if any(d.condition for d in problem.space.decisions):
        raise ValueError(f"{problem.space.name} has conditional decisions: it has no grid")
    if prod(problem.space.sizes) > MAX_GRID:
        raise ValueError(
            f"the grid of {problem.space.name} has {prod(problem.space.sizes):,} points, expected "
            f"at most {MAX_GRID:,}: use exhaustive or optuna-qmc"
        )
    grid = {d.name: list(range(len(d.choices))) for d in problem.space.decisions}
    sampler = optuna.samplers.GridSampler(grid, seed=rng.getrandbits(32))
    return OptunaStrategy(problem, rng, sampler, ordinal=False)


@strategy(
    family="optuna",
    source=SOURCE,
    asynchronous=True,
)
def optuna_partialfixed(
    problem: Problem,
    rng: Random,
    /,
    *,
    fixed: dict[str, str] | None = None,
    base: str = "tpe",
) -> OptunaStrategy:
    """Optuna's ``PartialFixedSampler``: some decisions fixed, the others left to another sampler.

    What is fixed may exclude the good architectures: with the default it does on many spaces, and
    is then worse than random search.

    Args:
        fixed: the choice, by name, of each decision to fix, by name; the first decision at its
            first choice if left out.
        base: the sampler of the other decisions: random, tpe or nsgaii.

    Raises:
        ValueError: if a decision, a choice or the base sampler is unknown.
    """
    import optuna

    samplers = {"random": "RandomSampler", "tpe": "TPESampler", "nsgaii": "NSGAIISampler"}
    if base not in samplers:
        raise ValueError(f"base: expected one of {', '.join(samplers)}, got {base!r}")
    decisions = {d.name: d.choices for d in problem.space.decisions}
    first = problem.space.decisions[0]
    numbers: dict[str, int] = {}
    for name, choice in (fixed or {first.name: first.choices[0]}).items():
        known: Any = decisions.get(name, decisions) if name not in decisions else decisions[name]
        wanted = choice if name in decisions else name
        if wanted not in known:
            raise ValueError(f"fixed: {problem.space.name} has no {wanted!r}, only {list(known)}")
        numbers[name] = decisions[name].index(choice)
    with quiet():
        inner = getattr(optuna.samplers, samplers[base])(seed=rng.getrandbits(32))
        sampler = optuna.samplers.PartialFixedSampler(numbers, inner)
    return OptunaStrategy(problem, rng, sampler, ordinal=False)
