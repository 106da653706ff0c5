"""The command line: ``nasarena run | report | import | export | list | describe | check | verify``.

Exit codes: 0 all well, 1 something in the results is not (a unit failed, a check found
something), 2 the command could not be carried out as given.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import NasarenaError

if TYPE_CHECKING:
    from .experiment import Experiment

app = typer.Typer(
    name="nasarena",
    help="Compare neural-architecture-search strategies honestly, fast and reproducibly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def main() -> None:
    """The entry point: explains what cannot be done in one line and exits with 2."""
    try:
        app()
    except (NasarenaError, ImportError, OSError, UnpicklingError) as error:
        print(f"nasarena: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("nasarena: interrupted; finished units are kept", file=sys.stderr)
        sys.exit(130)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


@app.command()
def run(
    file: Annotated[
        Path | None, typer.Argument(help="An experiment file (TOML). None: the default one.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Task ids or patterns, separated by commas.")
    ] = None,
    strategies: Annotated[
        str | None, typer.Option(help="Names or path/to/file.py:name, separated by commas.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs per task and strategy.")] = None,
    queries: Annotated[int | None, typer.Option(help="Budget in queries.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Budget in epochs.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Budget in simulated seconds.")] = None,
    workers: Annotated[int | None, typer.Option(help="Simulated workers.")] = None,
    noise: Annotated[str | None, typer.Option(help="sampled or mean.")] = None,
    duplicates: Annotated[str | None, typer.Option(help="charge, free or resample.")] = None,
    out: Annotated[Path, typer.Option(help="Results folder.")] = Path("results"),
    processes: Annotated[
        int | None, typer.Option(min=1, help="Local processes; all cores if not given.")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment, then report. The same command again finishes what is missing.

    Examples:

        nasarena run

        nasarena run first-look.toml --seeds 100 --out results/first-look

        nasarena run --tasks 'nasbench201/*' --strategies random,mine.py:mine --queries 300
    """
    from . import experiment as experiments
    from .progress import Progress

    made = experiments.load(file) if file else experiments.Experiment()
    plain = _as_file(made)
    options: dict[str, Any] = {
        "tasks": _split(tasks),
        "strategies": _split(strategies),
        "seeds": seeds,
        "workers": workers,
        "noise": noise,
        "duplicates": duplicates,
    }
    plain |= {key: value for key, value in options.items() if value is not None}
    limits = {"queries": queries, "epochs": epochs, "seconds": seconds}
    given = {key: value for key, value in limits.items() if value is not None}
    if given:
        plain["budget"] = given if not file else plain["budget"] | given
    experiment = experiments.parse(plain)
    _run(experiment, out, processes, Progress(quiet=as_json), no_report, as_json)


def _as_file(experiment: Experiment) -> dict[str, Any]:
    """The experiment as an experiment file would hold it."""
    plain = experiment.to_json()
    plain["budget"] = {k: v for k, v in plain["budget"].items() if v is not None}
    plain["strategies"] = [
        {**s["settings"], "name": s["name"], "label": s["label"]} for s in plain["strategies"]
    ]
    return plain


def _run(
    experiment: Experiment,
    out: Path,
    processes: int | None,
    progress: Any,
    no_report: bool,
    as_json: bool,
) -> None:
    from .executor import execute

    with progress:
        outcomes = execute(
            out,
            experiment,
            processes=processes,
            started=progress.started,
            finished=progress.finished,
        )
    failed = [done for done in outcomes if done.error is not None]
    page = None
    if not no_report and (not outcomes or len(failed) < len(outcomes)):
        page = _write_report([out], None, ("html", "md", "csv", "tex", "png", "pdf"))
    if as_json:
        _print_json(
            {
                "results": str(out),
                "report": str(page) if page else None,
                "units": len(outcomes),
                "queries": sum(done.queries for done in outcomes),
                "failed": [{"unit": done.unit._asdict(), "error": done.error} for done in failed],
            }
        )
    else:
        progress.summary(out, page, outcomes)
    if failed:
        raise typer.Exit(1)


def _write_report(
    results: list[Path], out: Path | None, formats: tuple[str, ...], style: str = "screen"
) -> Path:
    from . import registry

    page: Path = registry.load(registry.REPORT)(
        results, out, formats, style=style, tables=registry.random_search, processes=None
    )
    return page


@app.command()
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
    page = _write_report(results, out, tuple(_split(formats) or ()), style)
    print(f"report: {page}")


class Format(StrEnum):
    """What results are imported from and exported to."""

    TIDY = "tidy"
    OPTUNA = "optuna"
    SYNE_TUNE = "syne-tune"
    CARPS = "carps"
    IOH = "ioh"
    COCO = "coco"


@app.command("import")
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
    from . import registry

    options = registry.load(registry.EXCHANGE + "Options")(
        task=task,
        strategy=strategy,
        pattern=pattern,
        metric=metric,
        maximize=maximize,
        optimum=dict(map(_optimum, optimum or ())),
    )
    registry.load(registry.EXCHANGE + "import_results")(kind.value, source, out, options)
    print(f"results: {out}")


def _optimum(text: str) -> tuple[str, float]:
    task, _, value = text.rpartition("=")
    try:
        return task, float(value)
    except ValueError:
        raise NasarenaError(f"--optimum: expected TASK=LOSS, got {text!r}") from None


@app.command()
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
    from . import registry

    def decisions(task: str) -> list[tuple[str, tuple[str, ...]]]:
        try:
            return [(d.name, d.choices) for d in registry.task(task).space.decisions]
        except NasarenaError:  # an imported task
            return []

    options = registry.load(registry.EXCHANGE + "Options")(decisions=decisions)
    registry.load(registry.EXCHANGE + "export_results")(kind.value, results, out, options)
    print(f"exported: {out}")


class What(StrEnum):
    """What there is to list."""

    TASKS = "tasks"
    STRATEGIES = "strategies"


@app.command("list")
def list_(
    what: Annotated[What, typer.Argument(help="tasks or strategies.")] = What.TASKS,
    as_json: JsonOption = False,
) -> None:
    """List the tasks or the strategies that can be used.

    Examples: nasarena list strategies, nasarena list tasks --json
    """
    from . import registry
    from .progress import table

    if what is What.TASKS:
        rows = [
            {"task": name, "source": registry.benchmark(name.rpartition("/")[0]).citation}
            for name in registry.task_names()
        ]
    else:
        rows = [_strategy_row(name) for name in registry.strategy_names()]
    if as_json:
        _print_json(rows)
    else:
        table(rows)


def _strategy_row(name: str) -> dict[str, str]:
    from . import registry

    try:
        info = registry.strategy_factory(name).info
    except NasarenaError as error:
        return {"strategy": name, "family": "", "can": f"cannot be loaded: {error}", "source": ""}
    return {
        "strategy": name,
        "family": info.family,
        "can": ", ".join(info.capabilities),
        "source": info.source,
    }


@app.command()
def describe(
    task: Annotated[str, typer.Argument(help="A task id such as nasbench201/cifar10.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a task is: its space, its table, its optimum.

    Example: nasarena describe nasbench201/cifar10 --json
    """
    from . import registry
    from .progress import table

    found = registry.task(task)
    facts = {"task": found.id, **found.facts()}
    facts["decisions"] = {d.name: list(d.choices) for d in found.space.decisions}
    facts["simplest"] = found.space.describe(found.space.simplest())
    if as_json:
        _print_json(facts)
        return
    optimum = {
        name: f"{-value if facts[name]['maximize'] else value:.6g} {facts[name]['unit']}".strip()
        for name, value in facts["optimum"].items()
        if value is not None
    }
    shown = {
        "task": found.id,
        "architectures": f"{facts['architectures']:,} ({facts['unique']:,} unique)",
        "validation": _column(facts["validation"]),
        "test": _column(facts["test"]),
        "cost": _column(facts["cost"]),
        "epochs": ", ".join(map(str, facts["epochs"])),
        "training seeds": str(facts["replicas"]),
        **{f"best seed-averaged {name}": value for name, value in optimum.items()},
        "simplest": facts["simplest"],
        **{f"decision {name}": ", ".join(c) for name, c in facts["decisions"].items()},
        "table hash": facts["hash"],
        "source": facts["citation"],
    }
    table([{"": key, " ": value} for key, value in shown.items()])


def _column(column: dict[str, Any] | None) -> str:
    if column is None:
        return "not in this table"
    unit = f" in {column['unit']}" if column["unit"] else ""
    return f"{column['label']}{unit}"


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A strategy's name or path/to/file.py:name.")],
    tasks: Annotated[str | None, typer.Option(help="On which tasks.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a strategy plays by the rules.

    Example: nasarena check mine.py:mine
    """
    from . import check as checks
    from . import registry
    from .progress import table

    chosen = registry.select_tasks(_split(tasks) or list(checks.TASKS))
    findings = list(checks.check_strategy(name, tuple(chosen)))
    if as_json:
        _print_json([finding._asdict() for finding in findings])
    else:
        table([{"check": f.check, "outcome": f.problem or "passed"} for f in findings])
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


@app.command()
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

    from .progress import table
    from .verify import sample

    verdicts = list(sample(path, units, Random(seed)))
    if as_json:
        _print_json([{"unit": v.unit._asdict(), "problem": v.problem} for v in verdicts])
    else:
        table([{"unit": str(v.unit), "outcome": v.problem or "same bits"} for v in verdicts])
    if any(verdict.problem for verdict in verdicts):
        raise typer.Exit(1)


def _verify_file(path: Path, results: list[Path], as_json: bool) -> None:
    from . import registry
    from .errors import StoreError

    if not results:
        raise StoreError(f"{path} is a file: name the results it was made from with --results DIR")
    problem = registry.load(registry.REDRAW)(path, results, registry.random_search)
    if as_json:
        _print_json({"file": str(path), "problem": problem})
    else:
        print(f"{path}: {problem or 'the same as drawn from the record'}")
    if problem:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
