"""``nasarena report`` and ``nasarena verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..bench._base.errors import visible
from .options import JsonOption, print_json, split, write_report


def report(
    results: Annotated[
        list[Path], typer.Argument(help="A results folder, or several that belong together.")
    ],
    out: Annotated[Path | None, typer.Option(help="Where to; RESULTS/report if not given.")] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Any of html,md,csv,tex,png,pdf,svg.")
    ] = "html,md,csv,tex,png,pdf",
    style: Annotated[
        str, typer.Option(help="screen, neurips, icml, iclr, acm, ieee or beamer.")
    ] = "screen",
) -> None:
    """Write figures, tables and one page from results folders.

    Example: nasarena report results --out paper --format pdf,tex --style neurips
    """
    page = write_report(results, out, tuple(split(formats) or ()), style)
    print(f"report: {page}")


def verify(
    path: Annotated[
        Path, typer.Argument(help="A results folder, or a figure or table of a report.")
    ],
    results: Annotated[
        list[Path] | None, typer.Option(help="What a figure or table was made from.")
    ] = None,
    units: Annotated[int, typer.Option(min=1, help="How many units to run again.")] = 5,
    seed: Annotated[int, typer.Option(help="Which units are drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run a random sample of units again, or draw a figure again, and compare.

    Examples:

        nasarena verify results --units 20

        nasarena verify paper/figures/overview.pdf --results results
    """
    if path.is_file() or results:
        _verify_file(path, results or [], as_json)
        return
    from random import Random

    from ..bench.execute.verify import sample
    from .progress import table

    verdicts = list(sample(path, units, Random(seed)))
    if as_json:
        print_json([{"unit": v.unit._asdict(), "problem": v.problem} for v in verdicts])
    else:
        table([{"unit": str(v.unit), "outcome": v.problem or "same bits"} for v in verdicts])
    if any(verdict.problem for verdict in verdicts):
        raise typer.Exit(1)


def _verify_file(path: Path, results: list[Path], as_json: bool) -> None:
    from ..bench._base.errors import StoreError
    from ..bench.experiment import registry
    from ..reports.redraw import verify_file

    if not results:
        raise StoreError(f"{path} is a file: name the results it was made from with --results DIR")
    problem = verify_file(path, results, registry.random_search)
    if as_json:
        print_json({"file": str(path), "problem": problem})
    else:
        print(visible(f"{path}: {problem or 'the same as drawn from the record'}"))
    if problem:
        raise typer.Exit(1)
