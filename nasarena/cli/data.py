"""The command line: ``nasarena data import | list | info | verify | remove | wizard |
analyse``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..bench._base.errors import NasarenaError
from .options import JsonOption, print_json

app = typer.Typer(
    help="Import benchmark files and tables of your own, and look after them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


@app.command("import")
def import_(
    bench: Annotated[
        str | None, typer.Argument(help="The format of the files; left out, all are listed.")
    ] = None,
    files: Annotated[list[Path] | None, typer.Argument(help="The benchmark's files.")] = None,
    describe: Annotated[
        Path | None, typer.Option(help="What the columns of your own table mean (TOML).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import a benchmark's official files, or a table of your own, once.

    What is imported appears among the tasks at once, and opens in milliseconds ever after.

    Examples:

        nasarena data import

        nasarena data import nasbench201 NAS-Bench-201-v1_1-096897.pth

        nasarena data import table my.csv --describe my.toml
    """
    from ..studies import data

    if bench is None:
        _formats(as_json)
        return
    data.format_named(bench)
    with progress_bar("importing", quiet=as_json) as tell:
        outcome = data.import_files(bench, files or [], describe, tell)
    if as_json:
        print_json(outcome._asdict())
        return
    if outcome.already:
        print("nothing to do: the same files have been imported already")
    for task in outcome.tasks:
        print(f"task: {task}")


def _formats(as_json: bool) -> None:
    from ..spaces.formats import NAMES
    from ..studies.data import format_named
    from .progress import table

    rows = [
        {"format": form.name, "benchmark": form.title, "files": form.files}
        for form in map(format_named, NAMES)
    ]
    print_json(rows) if as_json else table(rows)


class progress_bar:  # noqa: N801, a context manager
    """A progress bar on a terminal, else nothing."""

    def __init__(self, what: str, *, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._what = what
        self._show = self._console.is_terminal and not quiet

    def __enter__(self) -> Any:
        if not self._show:
            return lambda part: None
        from rich.progress import Progress

        self._progress = Progress(console=self._console)
        self._progress.start()
        task = self._progress.add_task(self._what, total=1.0)
        return lambda part: self._progress.update(task, completed=part)

    def __exit__(self, *_: object) -> None:
        if self._show:
            self._progress.stop()


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the tables that have been imported.

    Example: nasarena data list
    """
    from ..spaces import library
    from ..studies import data
    from .progress import table

    rows = data.rows()
    if as_json:
        print_json(rows)
    elif not rows:
        print(f"nothing has been imported into {library.home()}; see nasarena data import")
    else:
        table([{**row, "bytes": _size(row["bytes"])} for row in rows])


@app.command()
def info(
    task: Annotated[str, typer.Argument(help="BENCHMARK or BENCHMARK/DATASET.")],
    as_json: JsonOption = False,
) -> None:
    """Say where an imported table comes from and what it holds.

    Example: nasarena data info my-table/main
    """
    from ..studies import data
    from .progress import table

    found = [data.info(*one) for one in data.tables(task)]
    if as_json:
        print_json(found)
        return
    for facts in found:
        sources = [f"{s['name']}, {_size(s['bytes'])}, {s['sha256']}" for s in facts["sources"]]
        columns = [" ".join(filter(None, (c["name"], c["unit"]))) for c in facts["columns"]]
        epochs = facts["epochs"]
        shown = {
            "task": facts["task"],
            "architectures": f"{facts['architectures']:,}",
            "epochs": ", ".join(map(str, epochs)) if len(epochs) < 13 else f"1 … {epochs[-1]}",
            "training seeds": str(facts["replicas"]),
            "columns": ", ".join(columns),
            "read by": f"the reader of {facts['format']}, version {facts['reader']}",
            "imported": facts["imported"],
            "file": f"{facts['file']}, {_size(facts['bytes'])}",
            **{f"source {number}": text for number, text in enumerate(sources, 1)},
            **{f"note {number}": text for number, text in enumerate(facts["notes"], 1)},
            "citation": facts["citation"],
        }
        table([{"": key, " ": value} for key, value in shown.items()])


@app.command()
def verify(
    task: Annotated[str | None, typer.Argument(help="Which; all if not given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read imported tables whole and compare with their checksums.

    Example: nasarena data verify
    """
    from ..spaces import library
    from ..studies import data
    from .progress import table

    rows = [
        {"table": "/".join(one), "outcome": library.damage(*one) or "sound"}
        for one in data.tables(task)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        table(rows)
    if any(row["outcome"] != "sound" for row in rows):
        raise typer.Exit(1)


@app.command()
def remove(
    task: Annotated[str, typer.Argument(help="BENCHMARK or BENCHMARK/DATASET.")],
    as_json: JsonOption = False,
) -> None:
    """Remove imported tables. The files that they came from stay where they are.

    Example: nasarena data remove my-table
    """
    from ..spaces import library
    from ..studies import data

    name, dataset = data.split(task)
    gone = [f"{name}/{one}" for one in library.remove(name, dataset)]
    if as_json:
        print_json({"removed": gone})
    else:
        print(*(f"removed: {one}" for one in gone), sep="\n")


@app.command()
def analyse(
    task: Annotated[str, typer.Argument(help="A task id such as nasbench201/cifar10.")],
    out: Annotated[Path, typer.Option(help="Where to.")] = Path("analysis"),
    formats: Annotated[
        str, typer.Option("--format", help="Any of md,csv,tex,png,pdf.")
    ] = "md,csv,tex,png,pdf",
) -> None:
    """Say what kind of space a task is: how noisy, how rugged, how well few epochs tell.

    Writes a table and a figure.

    Example: nasarena data analyse nasbench201/cifar10 --out analysis
    """
    from ..bench.experiment import registry
    from ..reports.landscape_report import write_analysis
    from ..studies.landscape import terrain
    from .progress import table

    wanted = [part.strip() for part in formats.split(",") if part.strip()]
    known = ("md", "csv", "tex", "png", "pdf")
    if unknown := set(wanted) - set(known):
        raise NasarenaError(
            f"unknown format {sorted(unknown)}; expected some of {', '.join(known)}"
        )
    found = write_analysis(terrain(registry.table_task(task)), out, wanted)
    table([dict(zip(found.header, row, strict=True)) for row in found.rows])
    print(f"analysis: {out}")


@app.command()
def wizard(
    file: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to; the file's name with .toml if not given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, take every guess.")] = False,
) -> None:
    """Write the description of your own table from its header.

    Guesses what each column means from its name, and asks.

    Example: nasarena data wizard my.csv
    """
    from ..studies import wizard as wizards

    place = out or Path(file.name.partition(".")[0] + ".toml")
    if place.exists():
        raise NasarenaError(f"{place} exists; remove it or choose another --out")
    text = wizards.describe(file, None if yes else wizards.ask)
    place.write_text(text, encoding="utf-8")
    print(f"description: {place}")
    print(f"next: nasarena data import table {file} --describe {place}")
