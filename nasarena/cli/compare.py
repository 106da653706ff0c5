"""``nasarena compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..bench._base.errors import visible
from .options import (
    JsonOption,
    ProcessesOption,
    TasksOption,
    VaultOption,
    known_runs,
    print_json,
    split,
    tell_left_out,
)


def compare(
    strategy: Annotated[str, typer.Argument(help="path/to/file.py:name, or a known name.")],
    against: Annotated[
        str, typer.Option(help="default, all, or names separated by commas.")
    ] = "default",
    tasks: TasksOption = None,
    seeds: Annotated[int, typer.Option(min=2, help="Runs per task and strategy.")] = 200,
    queries: Annotated[int, typer.Option(min=1, help="Budget in queries.")] = 200,
    noise: Annotated[str, typer.Option(help="sampled or mean.")] = "sampled",
    duplicates: Annotated[str, typer.Option(help="charge, free or resample.")] = "charge",
    lanes: Annotated[
        bool, typer.Option("--lanes", help="Run what has a lane form many seeds at once.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Results folder; one of its own if not given.")
    ] = None,
    processes: ProcessesOption = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    vault: VaultOption = None,
    as_json: JsonOption = False,
) -> None:
    """Is a strategy better than the baselines? Runs only what is not known yet.

    Examples:

        nasarena compare mine.py:mine

        nasarena compare mine.py:mine --against all --tasks 'nasbench201/*'

        nasarena compare mine.py:mine --against random,optuna-tpe --seeds 1000 --lanes
    """
    from ..studies import compare as comparisons
    from .progress import Progress

    keys: dict[str, Any] = {"noise": noise, "duplicates": duplicates, "lanes": lanes}
    experiment, run_baselines = comparisons.plan(
        strategy, against, tasks=split(tasks), seeds=seeds, queries=queries, **keys
    )
    known = known_runs(vault)
    out = out or comparisons.folder(experiment)
    with Progress(out, quiet=as_json) as progress:
        outcome = comparisons.compare(
            experiment,
            out,
            known,
            run_baselines=run_baselines,
            processes=processes,
            formats=() if no_report else ("html", "md"),
            started=progress.started,
            saw=progress.saw,
            finished=progress.finished,
        )
    tell_left_out(known)
    _show_comparison(outcome, progress, as_json)
    if any(done.error is not None for done in outcome.outcomes):
        raise typer.Exit(1)


def _show_comparison(outcome: Any, progress: Any, as_json: bool) -> None:
    if as_json:
        facts = {"results": str(outcome.results), "known": outcome.known}
        facts["report"] = str(outcome.page) if outcome.page else None
        print_json(outcome.verdict.to_json() | facts)
        return
    from .progress import table

    for shown in outcome.verdict.tables():
        print(visible(shown.caption))
        table([dict(zip(shown.header, row, strict=True)) for row in shown.rows])
    print(f"{outcome.known:,} runs were known and not run again")
    progress.summary(outcome.results, outcome.page, outcome.outcomes)
