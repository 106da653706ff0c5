"""The command line: ``nasarena run | report | list | describe | check | verify | gate | …``.

Each command is in a file of its own, ``<command>_cli.py``. Exit codes: 0 all well, 1 something in
the results is not (a unit failed, a check found something), 2 the command could not be carried out
as given, 130 interrupted.
"""

from __future__ import annotations

import sys
from pickle import UnpicklingError

import typer

from . import (
    check_cli,
    compare_cli,
    data_cli,
    doctor_cli,
    exchange_cli,
    executor_cli,
    gate_cli,
    list_cli,
    report_cli,
    reproduce_cli,
    retrain_cli,
    run_cli,
    status_cli,
    store_cli,
    track_cli,
    vault_cli,
)
from .errors import NasarenaError, visible

app = typer.Typer(
    name="nasarena",
    help="Compare neural-architecture-search strategies honestly, fast and reproducibly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    run_cli.run,
    status_cli.status,
    report_cli.report,
    compare_cli.compare,
    list_cli.list_,
    list_cli.describe,
    check_cli.check,
    report_cli.verify,
    doctor_cli.doctor,
    retrain_cli.retrain,
    reproduce_cli.reproduce,
    exchange_cli.import_,
    exchange_cli.export,
    gate_cli.gate,
    gate_cli.pack,
    gate_cli.drift,
    executor_cli.pull,
):
    app.command(command.__name__.rstrip("_"))(command)
for name, group in {
    "data": data_cli.app,
    "store": store_cli.app,
    "track": track_cli.app,
    "vault": vault_cli.app,
}.items():
    app.add_typer(group, name=name)

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells have it."""


def main() -> None:
    """The entry point: explains what cannot be done in one line and exits with 2."""
    try:
        app()
    except (NasarenaError, ImportError, OSError, UnpicklingError) as error:
        print(f"nasarena: {visible(str(error))}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer makes of Ctrl-C an exit without a word
            print("nasarena: interrupted; what was finished is kept", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
