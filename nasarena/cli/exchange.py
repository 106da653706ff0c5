"""``nasarena import`` and ``nasarena export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..bench._base.errors import NasarenaError


class Format(StrEnum):
    """What results are imported from and exported to."""

    TIDY = "tidy"
    OPTUNA = "optuna"
    SYNE_TUNE = "syne-tune"
    CARPS = "carps"
    IOH = "ioh"
    COCO = "coco"


def import_(
    kind: Annotated[Format, typer.Argument(metavar="FORMAT", help=", ".join(Format))],
    source: Annotated[str, typer.Argument(help="A file, a folder or a storage URL.")],
    out: Annotated[Path, typer.Option(help="Results folder, a new one.")] = Path("results"),
    task: Annotated[str | None, typer.Option(help="The task, where the source names none.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="The strategy, where the source names none.")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression with groups task, strategy, seed, for run names."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The column that is the loss.")] = None,
    maximize: Annotated[
        bool | None, typer.Option("--maximize/--minimize", help="What is better of the metric.")
    ] = None,
    optimum: Annotated[
        list[str] | None,
        typer.Option(help="TASK=LOSS, the reference of a task's regret; may be given again."),
    ] = None,
) -> None:
    """Make a results folder from results that were made elsewhere.

    Examples:

        nasarena import optuna sqlite:///studies.db --task my/task --out results

        nasarena import tidy runs.csv --metric accuracy --maximize --out results
    """
    from ..reports.exchange.formats import Options, import_results

    options = Options(
        task=task,
        strategy=strategy,
        pattern=pattern,
        metric=metric,
        maximize=maximize,
        optimum=dict(map(_optimum, optimum or ())),
    )
    import_results(kind.value, source, out, options)
    print(f"results: {out}")


def _optimum(text: str) -> tuple[str, float]:
    task, _, value = text.rpartition("=")
    try:
        return task, float(value)
    except ValueError:
        raise NasarenaError(f"--optimum: expected TASK=LOSS, got {text!r}") from None


def export(
    kind: Annotated[Format, typer.Argument(metavar="FORMAT", help=", ".join(Format))],
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    out: Annotated[str, typer.Option(help="A file, a new folder or a storage URL.")],
) -> None:
    """Write a results folder's record in a format that others read.

    Examples:

        nasarena export tidy results --out results.parquet

        nasarena export ioh results --out ioh
    """
    from ..bench.experiment import registry
    from ..reports.exchange.formats import Options, export_results

    def decisions(task: str) -> list[tuple[str, tuple[str, ...]]]:
        try:
            return [(d.name, d.choices) for d in registry.task(task).space.decisions]
        except NasarenaError:  # an imported task
            return []

    options = Options(decisions=decisions)
    export_results(kind.value, results, out, options)
    print(f"exported: {out}")
