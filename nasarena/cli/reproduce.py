"""The command line: ``nasarena reproduce``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .data import progress_bar
from .options import JsonOption, print_json

if TYPE_CHECKING:
    from ..studies.reproduce import Verdict


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(help="Names of protocols.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List all with their state.")] = False,
    runs: Annotated[
        int | None, typer.Option(min=2, help="Runs of each strategy; as published if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a published comparison: its figures, ours beside them, and a verdict.

    A protocol whose table is not there says which file to import.

    Examples:

        nasarena reproduce --list

        nasarena reproduce local-search-cifar100 --runs 100
    """
    from ..bench._base.errors import NasarenaError
    from ..bench.experiment.published import PROTOCOLS
    from ..studies import reproduce as replays
    from .progress import table

    if list_ or not names:
        rows = [
            {"protocol": p.name, "title": p.title, "state": replays.state(p), "source": p.source}
            for p in PROTOCOLS.values()
        ]
        print_json(rows) if as_json else table(rows)
        return
    chosen = [replays.find(name) for name in names]
    for protocol in chosen:
        if replays.missing(protocol):
            raise NasarenaError(f"{protocol.name} {replays.state(protocol)}")
    found = {}
    for protocol in chosen:
        with progress_bar(protocol.name, quiet=as_json) as tell:
            verdicts = found[protocol.name] = list(replays.play(protocol, runs, tell))
        replays.keep(protocol, verdicts)
        if not as_json:
            print(f"{protocol.title}\n{protocol.source}\n{protocol.remark}".rstrip())
            table([_row(verdict) for verdict in verdicts])
    if as_json:
        print_json({name: [v.to_json() for v in verdicts] for name, verdicts in found.items()})


def _row(verdict: Verdict) -> dict[str, str]:
    figure = verdict.published
    decimals = figure.decimals if figure else 2
    published = "" if figure is None else f"{figure.mean:.{decimals}f}"
    if figure is not None and figure.deviation is not None:
        published += f" ± {figure.deviation:.{decimals}f}"
    if figure is not None and not figure.checked:
        published += " (unchecked)"
    digits = decimals + 1
    return {
        "strategy": verdict.strategy,
        "score": verdict.score,
        "published": published,
        "ours": f"{verdict.mean:.{digits}f} ± {verdict.deviation:.{digits}f}",
        "95 % interval of the mean": f"{verdict.low:.{digits}f} to {verdict.high:.{digits}f}",
        "runs": str(verdict.runs),
        "verdict": verdict.state,
    }
