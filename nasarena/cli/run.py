"""``nasarena run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import executor as executor_cli
from .options import (
    JsonOption,
    ProcessesOption,
    TasksOption,
    VaultOption,
    known_runs,
    print_json,
    split,
    tell_left_out,
    write_report,
)

if TYPE_CHECKING:
    from ..bench.cache.run_cache import Vault
    from ..bench.experiment.experiment import Experiment


def run(
    file: Annotated[
        Path | None, typer.Argument(help="An experiment file (TOML). None: the default one.")
    ] = None,
    tasks: TasksOption = None,
    strategies: Annotated[
        str | None, typer.Option(help="Names or path/to/file.py:name, separated by commas.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs per task and strategy.")] = None,
    queries: Annotated[int | None, typer.Option(help="Budget in queries.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Budget in epochs.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Budget in simulated seconds.")] = None,
    workers: Annotated[int | None, typer.Option(help="Simulated workers.")] = None,
    noise: Annotated[str | None, typer.Option(help="sampled or mean.")] = None,
    duplicates: Annotated[str | None, typer.Option(help="charge, free or resample.")] = None,
    lanes: Annotated[
        bool | None, typer.Option("--lanes", help="Run what has a lane form many seeds at once.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Results folder.")] = Path("results"),
    processes: ProcessesOption = None,
    executor: executor_cli.ExecutorOption = executor_cli.Where.LOCAL,
    scheduler: executor_cli.SchedulerOption = None,
    dashboard: executor_cli.DashboardOption = None,
    store: executor_cli.StoreOption = None,
    memory: Annotated[
        float | None, typer.Option(min=0, help="MiB that a unit may take; 0 is no limit.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="TASK:STRATEGY:SEED",
            help="Run one unit alone, here, and show how it fails; keeps nothing. "
            "Without a file, of the experiment in --out.",
        ),
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    vault: VaultOption = None,
    no_vault: Annotated[
        bool, typer.Option("--no-vault", help="Run everything, keep nothing for later.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment, then report. The same command again finishes what is missing.

    Examples:

        nasarena run

        nasarena run first-look.toml --seeds 100 --out results/first-look

        nasarena run --tasks 'nasbench201/*' --strategies random,mine.py:mine --queries 300

        nasarena run --executor dask --scheduler tcp://10.0.0.1:8786 --store s3://bucket/results

        nasarena run --only nasbench201/cifar10:mine:3
    """
    from ..bench.experiment import experiment as experiments
    from .progress import Progress

    made = experiments.load(file) if file else experiments.Experiment()
    plain = made.as_file()
    options: dict[str, Any] = {
        "tasks": split(tasks),
        "strategies": split(strategies),
        "seeds": seeds,
        "workers": workers,
        "noise": noise,
        "duplicates": duplicates,
        "lanes": lanes,
        "memory": memory,
    }
    plain |= {key: value for key, value in options.items() if value is not None}
    limits = {"queries": queries, "epochs": epochs, "seconds": seconds}
    given = {key: value for key, value in limits.items() if value is not None}
    if given:
        plain["budget"] = given if not file else plain["budget"] | given
    experiment = experiments.parse(plain)
    if only is not None:
        _run_only(only, experiment, out, plain == experiments.Experiment().as_file())
        return
    known = None if no_vault else known_runs(vault)
    places: dict[str, Any] = {
        "mirror": executor_cli.mirror(store, out),
        "executor": executor_cli.chosen(executor, scheduler, dashboard, processes, store),
        "processes": processes,
    }
    _run(experiment, out, places, Progress(out, quiet=as_json), no_report, as_json, known)


def _run_only(text: str, experiment: Experiment, out: Path, default: bool) -> None:
    """Of the experiment that was given; if none was, of the one whose results ``out`` holds."""
    from ..bench.execute import run_single

    if default and (out / "manifest.json").exists():
        experiment = run_single.of_folder(out)
    if not run_single.run(text, experiment):
        raise typer.Exit(1)


def _run(
    experiment: Experiment,
    out: Path,
    places: dict[str, Any],
    progress: Any,
    no_report: bool,
    as_json: bool,
    vault: Vault | None,
) -> None:
    from ..bench.execute.executor import execute

    with progress:
        outcomes = execute(
            out,
            experiment,
            **places,
            vault=vault,
            started=progress.started,
            saw=progress.saw,
            finished=progress.finished,
        )
    tell_left_out(vault)
    failed = [done for done in outcomes if done.error is not None]
    page = None
    if not no_report and (not outcomes or len(failed) < len(outcomes)):
        page = write_report([out], None, ("html", "md", "csv", "tex", "png", "pdf"))
    if as_json:
        print_json(
            {
                "results": str(out),
                "report": str(page) if page else None,
                "units": len(outcomes),
                "queries": sum(done.queries for done in outcomes),
                "known": vault.served if vault else 0,
                "failed": [progress.to_json(done) for done in failed],
            }
        )
    else:
        if vault is not None and vault.served:
            print(f"{vault.served:,} runs were known and not run again")
        progress.summary(out, page, outcomes)
    if failed:
        raise typer.Exit(1)
