"""The command line: ``nasarena run | report | list | describe | check | verify | gate | …``.

Each command is in a file of its own, ``<command>_cli.py``. Exit codes: 0 all well, 1 something in
the results is not (a unit failed, a check found something), 2 the command could not be carried out
as given, 130 interrupted.
"""

from __future__ import annotations

import sys
from pickle import UnpicklingError

import typer

from ..bench._base.errors import NasarenaError, visible
from . import (
    cache,
    check,
    compare,
    data,
    doctor,
    exchange,
    executor,
    gate,
    listing,
    report,
    reproduce,
    retrain,
    run,
    status,
    store,
    track,
)

app = typer.Typer(
    name="nasarena",
    help="Compare neural-architecture-search strategies honestly, fast and reproducibly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    run.run,
    status.status,
    report.report,
    compare.compare,
    listing.list_,
    listing.describe,
    check.check,
    report.verify,
    doctor.doctor,
    retrain.retrain,
    reproduce.reproduce,
    exchange.import_,
    exchange.export,
    gate.gate,
    gate.pack,
    gate.drift,
    executor.pull,
):
    app.command(command.__name__.rstrip("_"))(command)
for name, group in {
    "data": data.app,
    "store": store.app,
    "track": track.app,
    "vault": cache.app,
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
