"""What commands share: options, lists of words, JSON, the vault, the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..bench._base.errors import json_text, visible

if TYPE_CHECKING:
    from ..bench.cache.run_cache import Vault

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

VaultOption = Annotated[
    str | None,
    typer.Option("--vault", help="Further folders or URLs of finished runs, separated by commas."),
]

TasksOption = Annotated[str | None, typer.Option(help="Task ids or patterns, separated by commas.")]

ProcessesOption = Annotated[
    int | None, typer.Option(min=1, help="Local processes; all cores if not given.")
]


def split(text: str | None) -> list[str] | None:
    """The parts of a list separated by commas; None if there is no list."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def print_json(data: Any) -> None:
    """Print plain data, for programs."""
    print(json_text(data))


def known_runs(further: str | None) -> Vault:
    """The vault of this user, with further folders and URLs."""
    from ..bench.cache import run_cache

    return run_cache.default(*(split(further) or ()))


def tell_left_out(vault: Vault | None) -> None:
    """What of the vault was left out, and why."""
    for problem in vault.problems if vault else ():
        print(f"nasarena: {visible(problem)}", file=sys.stderr)


def write_report(
    results: list[Path], out: Path | None, formats: tuple[str, ...], style: str = "screen"
) -> Path:
    """Write the report of results folders; returns its page, or else its folder."""
    from ..bench._base import atomic
    from ..bench.experiment import registry
    from ..reports import write_report as write

    atomic.sweep(out or results[0] / "report")
    return write(results, out, formats, style=style, tables=registry.random_search, processes=None)
