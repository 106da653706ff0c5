"""The baselines in the box: which runs come with the package, and the command that makes them.

``nasarena vault build`` makes what is missing of `PLAN` in the package's folder ``bundled`` and
removes what no longer fits the code. Stopped and started again it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from ..bench.cache import cache_upkeep, run_cache
from ..bench.cache.run_cache import Folder
from ..bench.core.runner import Budget
from ..bench.execute.units import compute
from ..bench.experiment import registry
from ..bench.experiment.experiment import Experiment, StrategySpec
from ..bench.experiment.identity import data_hash, identity
from ..bench.store.store import Unit
from . import random_curve


class Share(NamedTuple):
    """So many seeds of so many queries, of each of these strategies on each of these tasks."""

    strategies: str
    tasks: str
    seeds: int
    queries: int


# Strategies that halve budgets (successive halving, Hyperband, ASHA) are left out: these tables
# answer at one number of epochs, where they draw at random. So are exhaustive search and Optuna's
# grid and brute force, which are no searches, and what is made for several objectives.
_FAST = (
    "random local-search simulated-annealing regularized-evolution genetic reinforce ppo bohb "
    "dehb zero-cost"
)
_MIDDLING = (
    "gradient-descent npenas gp optuna-random optuna-tpe optuna-cmaes optuna-nsgaii optuna-qmc"
)
_SLOW = "bananas random-forest"
PLAN = (
    Share(_FAST, "nasbench201/*", 200, 300),
    Share(_MIDDLING, "nasbench201/*", 200, 200),
    Share(_SLOW, "nasbench201/*", 50, 200),
    Share(_FAST, "fcnet/* nasbench-graph/*", 40, 200),
    Share(_MIDDLING, "fcnet/* nasbench-graph/*", 20, 200),
    Share(_SLOW, "fcnet/* nasbench-graph/*", 10, 200),
    Share("optuna-gp", "nasbench201/*", 10, 100),
)


class Job(NamedTuple):
    """An entry to be made: all seeds of a strategy on a task."""

    task: str
    strategy: str
    seeds: int
    queries: int

    @property
    def experiment(self) -> Experiment:
        spec = StrategySpec(self.strategy, self.strategy)
        budget = Budget(queries=self.queries)
        return Experiment(
            tasks=(self.task,), strategies=(spec,), seeds=self.seeds, budget=budget, timeout=3600.0
        )


def jobs(only: str = "*", plan: tuple[Share, ...] = PLAN) -> Iterator[Job]:
    """The entries of the plan whose strategy's name the pattern ``only`` selects."""
    for share in plan:
        for task in registry.select_tasks(share.tasks.split()):
            for name in share.strategies.split():
                if fnmatchcase(name, only):
                    yield Job(task, name, share.seeds, share.queries)


def names() -> list[str]:
    """The strategies of the plan, in its order."""
    return list(dict.fromkeys(name for share in PLAN for name in share.strategies.split()))


def missing(folder: Path, wanted: Iterator[Job]) -> Iterator[Job]:
    """The jobs of which ``folder`` holds no entry that could be used here."""
    there = {
        (found.about.key, found.about.first, found.about.last, found.about.budget["queries"])
        for found in cache_upkeep.entries([Folder(folder)], own=Folder(folder))
        if found.about is not None and not found.problem
    }
    for job in wanted:
        experiment = job.experiment
        key = identity(registry.task(job.task), experiment.strategies[0], experiment).key
        if (key, 0, job.seeds - 1, job.queries) not in there:
            yield job


def make(folder: Path, job: Job) -> int:
    """Run a job and write its entry; how many bytes it has."""
    experiment = job.experiment
    spec = experiment.strategies[0]
    task = registry.task(job.task)
    record = compute(experiment, spec, Unit(job.task, spec.label, 0, job.seeds - 1))
    what = identity(task, spec, experiment)
    name, data = run_cache.packed(what, spec, experiment, record, level=19)
    Folder(folder).write(name, data)
    return len(data)


def make_curves(folder: Path) -> None:
    """Keep random search's expected regret on every task of the plan beside the entries."""
    path = folder / random_curve.FILE
    tasks = dict.fromkeys(job.task for job in jobs())
    known = {f"{data_hash(registry.task(t))}/sampled/charge": registry.table_task(t) for t in tasks}
    for name in set(known) - set(random_curve.read(path)):
        random_curve.keep(path, {name: random_curve.compute(known[name], "sampled", "charge")})


def build(
    folder: Path,
    *,
    only: str = "*",
    processes: int = 1,
    told: Callable[[Job, int], None] = lambda job, size: None,
) -> list[str]:
    """Make all that is missing and remove what is stale; the names of what was removed.

    ``told`` hears of each entry when it is made, with its size in bytes.
    """
    removed = [found.name for found in cache_upkeep.prune(Folder(folder))]
    make_curves(folder)
    left = list(missing(folder, jobs(only)))
    if processes == 1:
        for job in left:
            told(job, make(folder, job))
        return removed
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(make, folder, job): job for job in left}
        for done in as_completed(running):
            told(running[done], done.result())
    return removed
