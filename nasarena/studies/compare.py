"""``nasarena compare``: a new strategy against baselines, of which only what is new is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..bench._base import locks
from ..bench._base.errors import ExperimentError, NasarenaError, StoreError
from ..bench.cache.run_cache import Vault
from ..bench.core.contracts import table_of
from ..bench.core.runner import check_capabilities
from ..bench.execute.executor import execute
from ..bench.execute.units import Done
from ..bench.experiment import experiment as experiments
from ..bench.experiment import registry
from ..bench.experiment.experiment import Experiment, StrategySpec
from ..bench.experiment.identity import identity
from ..bench.store import manifest as manifests
from ..bench.store.manifest import check_free, open_folder
from ..bench.store.store import Unit
from ..reports.verdict import Verdict, write_verdict
from . import baselines, random_curve

DEFAULT = ("random", "local-search", "regularized-evolution", "reinforce", "optuna-tpe")
TASKS = ("nasbench201/*",)
SEEDS, QUERIES = 200, 200


@dataclass(frozen=True)
class Outcome:
    """What a comparison came to: where it lies, what had to be run, and the verdict."""

    results: Path
    page: Path | None
    known: int
    outcomes: list[Done]
    verdict: Verdict


def plan(
    name: str,
    against: str = "default",
    *,
    tasks: list[str] | None = None,
    seeds: int = SEEDS,
    queries: int = QUERIES,
    settings: dict[str, Any] | None = None,
    **keys: Any,
) -> tuple[Experiment, bool]:
    """The experiment, the new strategy first, and whether baselines are to be run.

    ``against`` is "default", "all" (every baseline of the box; none of these is run) or names
    separated by commas.

    Raises:
        NasarenaError: if a name, task or setting is unknown.
    """
    chosen = tasks or list(TASKS)
    if against == "all":
        rivals = [n for n in baselines.names() if n != name]
    elif against == "default":
        rivals = [n for n in DEFAULT if n != name]
    else:
        rivals = [part.strip() for part in against.split(",") if part.strip() not in ("", name)]
    if not rivals:
        raise ExperimentError(f"against: expected baselines other than {name!r}, got {against!r}")
    mine: Any = {**(settings or {}), "name": name}
    taken = [r for r in rivals if r == experiments.label_of(name, settings or {})]
    if taken:
        mine["label"] = f"{taken[0]} (mine)"
    experiment = experiments.parse(
        {
            "name": "comparison",
            "tasks": chosen,
            "strategies": [mine],
            "seeds": seeds,
            "budget": {"queries": queries},
            **keys,
        }
    )
    specs = experiments.specs(list(dict.fromkeys(rivals)))
    fits = [spec for spec in specs if against != "all" or _can(spec, experiment)]
    made = replace(experiment, strategies=(*experiment.strategies, *fits))
    made.check()
    return replace(made, name=f"{made.strategies[0].label} against {against}"), against != "all"


def _can(spec: StrategySpec, experiment: Experiment) -> bool:
    try:
        factory = registry.strategy_factory(spec.name)
        for task in experiment.tasks:
            check_capabilities(factory, spec.label, registry.task(task), experiment.workers)
    except NasarenaError:
        return False
    return True


def folder(experiment: Experiment) -> Path:
    """Where a comparison lies: another one if the strategy's code or anything else has changed."""
    mine = experiment.strategies[0]
    key = identity(registry.task(experiment.tasks[0]), mine, experiment).key[:8]
    budget = experiment.budget.queries
    return Path("results", f"compare-{mine.label}-{key}-{budget}")


def compare(
    experiment: Experiment,
    root: Path,
    vault: Vault,
    *,
    run_baselines: bool = True,
    processes: int | None = None,
    formats: tuple[str, ...] = ("html", "md"),
    started: Callable[[list[Unit], int | None], None] = lambda units, width: None,
    saw: Callable[[Unit, int, float], None] = lambda unit, seeds, seconds: None,
    finished: Callable[[Done], None] = lambda done: None,
) -> Outcome:
    """Take what is known, run what is missing, judge and write the report.

    Raises:
        StoreError: if ``root`` holds something else, or there is nothing to compare.
    """
    to_run = (
        experiment if run_baselines else replace(experiment, strategies=experiment.strategies[:1])
    )
    check_free(root)
    with locks.held(root):
        _open(root, experiment)
        vault.serve(root, experiment)
        outcomes = execute(
            root,
            to_run,
            processes=processes,
            vault=vault,
            started=started,
            saw=saw,
            finished=finished,
        )
    tables = {task: table_of(registry.task(task)) for task in experiment.tasks}
    curves = {
        task: random_curve.curve(table, noise=experiment.noise, duplicates=experiment.duplicates)
        for task, table in tables.items()
        if table is not None
    }
    label = experiment.strategies[0].label
    page, verdict = write_verdict(root, label, curves, formats)
    return Outcome(root, page, vault.served, outcomes, verdict)


def _open(root: Path, experiment: Experiment) -> None:
    """Make the folder ready; not if it holds runs of the strategy as it was before a change."""
    mine = experiment.strategies[0]
    key = identity(registry.task(experiment.tasks[0]), mine, experiment).key
    if (root / manifests.NAME).exists() and manifests.read(root).compared != key:
        raise StoreError(
            f"{root} holds other runs, or those of {mine.label!r} with other code or settings; "
            "choose another --out"
        )
    manifest = open_folder(root, experiment)
    if manifest.compared is None:
        manifests.write(root, replace(manifest, compared=key))
