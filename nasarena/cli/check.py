"""``nasarena check``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ..bench._base.errors import NasarenaError, visible
from .options import JsonOption, print_json, split


def check(
    name: Annotated[
        str,
        typer.Argument(
            help="A strategy's name or path/to/file.py:name; space:NAME of a benchmark, a task or "
            "a file's space; oracle:TASK, also a pattern."
        ),
    ],
    tasks: Annotated[
        str | None, typer.Option(help="Registered tasks a strategy is tried on; one a space.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Names of checks, separated by commas.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A strategy's setting, key=value. Repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer queries, for slow ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that a strategy, a search space or an oracle plays by the rules.

    Examples:

        nasarena check mine.py:mine

        nasarena check space:nasbench201

        nasarena check 'oracle:nasbench-graph/*'
    """
    from ..bench import check as checks
    from ..bench.experiment import registry

    patterns = split(tasks)
    made = checks.checks(
        name,
        settings=dict(map(_setting, settings or [])),
        tasks=registry.select_tasks(patterns) if patterns else None,
        quick=quick,
        only=split(only) or (),
    )
    findings = []
    for finding in checks.findings(made):
        findings.append(finding)
        if not as_json:
            _print_finding(finding)
    failed = sum(finding.problem is not None for finding in findings)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        print(f"{name}: {len(findings) - failed} checks passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _setting(text: str) -> tuple[str, Any]:
    """``key=value``, the value as JSON if it is any, else as it stands."""
    key, equals, value = text.partition("=")
    if not equals:
        raise NasarenaError(f"--set: expected key=value, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _print_finding(finding: Any) -> None:
    if finding.problem is not None:
        print(visible(f"FAILED  {finding.problem}"), flush=True)
    else:
        remark = f": {finding.remark}" if finding.remark else ""
        print(visible(f"passed  {finding.check}{remark}"), flush=True)
