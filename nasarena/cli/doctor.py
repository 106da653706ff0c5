"""The command ``nasarena doctor``."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import JsonOption


def doctor(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    mend: Annotated[bool, typer.Option("--mend", help="Mend what can be mended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with a results folder, and mend it. Every byte of every unit is checked.

    What cannot be trusted is renamed, never deleted; the same nasarena run runs it again. Exit
    code 1: something is wrong still.

    Examples:

        nasarena doctor results

        nasarena doctor results --mend
    """
    from ..bench._base import locks
    from ..bench._base.errors import NasarenaError
    from ..bench.store import doctor as doctors

    rows: list[dict[str, Any]] = []
    if not mend and locks.in_use(results) and not as_json:
        print(f"{results} is in use by {locks.holder(results)}; what it is writing may be named")
    # Nothing is made where there is nothing: a folder that is none is refused unharmed.
    known = results.is_dir() and any((results / n).exists() for n in ("manifest.json", "runs"))
    with locks.held(results) if mend and known else nullcontext():
        for finding in doctors.examine(results):
            row: dict[str, Any] = {"path": str(finding.path), "problem": finding.problem}
            row |= {"remedy": finding.remedy, "mendable": finding.mend is not None}
            row["mended"] = False
            if mend and finding.mend is not None:
                try:
                    finding.mend()
                    row["mended"] = True
                except (NasarenaError, OSError) as error:
                    row |= {"remedy": str(error), "mendable": False}
            rows.append(row)
            if not as_json:
                _print(row)
    left = sum(not row["mended"] for row in rows)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _sum_up(results, rows, left)
    if left:
        raise typer.Exit(1)


_DONE = {
    "remove it": "removed",
    "set it aside": "set aside",
    "seal it": "sealed",
    "add it to the manifest": "added to the manifest",
    "make it anew from the units": "made anew from the units",
}
"""What was done, where what is to be done is the key."""


def _print(row: dict[str, Any]) -> None:
    if row["mended"]:
        state = f"mended: {_DONE[row['remedy']]}"
    elif row["mendable"]:
        state = f"to mend: {row['remedy']}"
    else:
        state = f"not mended: {row['remedy']}"
    print(f"{row['path']}\n    {row['problem']}\n    {state}", flush=True)


def _sum_up(results: Path, rows: list[dict[str, Any]], left: int) -> None:
    from ..bench._base.errors import StoreError
    from ..bench.store import doctor as doctors

    if not rows:
        print(f"{results}: all is well")
    elif left == 0:
        print(f"{results}: {len(rows)} found, all mended")
    else:
        mendable = sum(row["mendable"] and not row["mended"] for row in rows)
        hint = "; nasarena doctor --mend mends what can be" if mendable else ""
        print(f"{results}: {len(rows)} found, {left} not mended{hint}")
    try:
        lacking = doctors.missing(results)
    except StoreError:
        return
    if lacking:
        print(f"{lacking:,} runs of the experiment are missing; the same nasarena run runs them")
