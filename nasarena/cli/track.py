"""The commands ``nasarena track add | show | publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..bench._base.errors import json_text
from .options import JsonOption

app = typer.Typer(help="Keep results' history and see where it changed.", no_args_is_help=True)

History = Annotated[Path, typer.Argument(help="A history: a folder, or a .jsonl file.")]


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@app.command()
def add(
    results: Annotated[
        Path, typer.Argument(help="Results folder, packed file, or pytest-benchmark's JSON.")
    ],
    to: Annotated[Path, typer.Option(help="The history: a folder, or a .jsonl file.")],
    commit: Annotated[
        str | None, typer.Option(help="Which commit; the one the results were made at if none.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Its time (ISO 8601); when the results were made if none.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Also time to this regret: 0.5 or TASK=0.5.")
    ] = None,
    on: Annotated[str, typer.Option(help="Regret on validation or test.")] = "validation",
) -> None:
    """Append results to a history, one row a task, strategy and metric.

    Two jobs may add at once. Example: nasarena track add results --to history
    """
    from ..reports.history import track

    file, rows = track.add(results, to, commit, time, target or [], on)
    print(f"{rows} rows: {file}")


@app.command()
def show(
    history: History,
    tasks: Annotated[str, typer.Option(help="Ids or patterns, separated by commas.")] = "*",
    strategies: Annotated[str, typer.Option(help="Names or patterns.")] = "*",
    metrics: Annotated[str, typer.Option(help="Names or patterns.")] = "*",
    as_json: JsonOption = False,
) -> None:
    """Show trends and where they changed.

    Example: nasarena track show history --metrics 'final*'
    """
    from ..reports.history import track
    from .progress import table

    found = track.known_changes(
        track.read(
            history, tasks=_words(tasks), strategies=_words(strategies), metrics=_words(metrics)
        )
    )
    if as_json:
        print(json_text(track.to_json(found)))
    else:
        table(track.table(found))


@app.command()
def publish(
    history: History,
    out: Annotated[Path, typer.Argument(help="Folder for the pages.")],
    repository: Annotated[
        str, typer.Option(help="https://… under which /commit/<hash> shows a commit.")
    ] = "",
) -> None:
    """Write the history as static pages, to be served from anywhere.

    Example: nasarena track publish history public
    """
    from ..reports.history import track

    print(f"pages: {track.publish(history, out, repository)}")
