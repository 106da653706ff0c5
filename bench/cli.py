"""The command line: ``nasarena run | report | list | describe | check | verify | gate | …``.

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

from . import cli_vault, doctor_cli, executor_cli, gate_cli, status_cli, store_cli, track_cli
from .data_cli import app as data_app
from .errors import NasarenaError, json_text, visible
from .reproduce_cli import reproduce
from .retrain_cli import retrain

if TYPE_CHECKING:
    from .experiment import Experiment
    from .vault import Vault

app = typer.Typer(
    name="nasarena",
    help="Compare neural-architecture-search strategies honestly, fast and reproducibly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.add_typer(data_app, name="data")
app.command()(reproduce)
app.command()(retrain)

app.add_typer(cli_vault.app)

VaultOption = Annotated[
    str | None,
    typer.Option("--vault", help="Further folders or URLs of finished runs, separated by commas."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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


def _print_json(data: Any) -> None:
    print(json_text(data))


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
    lanes: Annotated[
        bool | None, typer.Option("--lanes", help="Run what has a lane form many seeds at once.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Results folder.")] = Path("results"),
    processes: Annotated[
        int | None, typer.Option(min=1, help="Local processes; all cores if not given.")
    ] = None,
    executor: executor_cli.ExecutorOption = executor_cli.Where.LOCAL,
    scheduler: executor_cli.SchedulerOption = None,
    dashboard: executor_cli.DashboardOption = None,
    store: executor_cli.StoreOption = None,
    memory: Annotated[
        float | None, typer.Option(min=0, help="MiB that a unit may take; 0 is no limit.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="TASK:STRATEGY:SEED",
            help="Run one unit alone, here, and show how it fails; keeps nothing. "
            "Without a file, of the experiment in --out.",
        ),
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    vault: VaultOption = None,
    no_vault: Annotated[
        bool, typer.Option("--no-vault", help="Run everything, keep nothing for later.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment, then report. The same command again finishes what is missing.

    Examples:

        nasarena run

        nasarena run first-look.toml --seeds 100 --out results/first-look

        nasarena run --tasks 'nasbench201/*' --strategies random,mine.py:mine --queries 300

        nasarena run --executor dask --scheduler tcp://10.0.0.1:8786 --store s3://bucket/results

        nasarena run --only nasbench201/cifar10:mine:3
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
        "lanes": lanes,
        "memory": memory,
    }
    plain |= {key: value for key, value in options.items() if value is not None}
    limits = {"queries": queries, "epochs": epochs, "seconds": seconds}
    given = {key: value for key, value in limits.items() if value is not None}
    if given:
        plain["budget"] = given if not file else plain["budget"] | given
    experiment = experiments.parse(plain)
    if only is not None:
        _run_only(only, experiment, out, plain == _as_file(experiments.Experiment()))
        return
    known = None if no_vault else _vault(vault)
    places: dict[str, Any] = {
        "mirror": executor_cli.mirror(store, out),
        "executor": executor_cli.chosen(executor, scheduler, dashboard, processes, store),
        "processes": processes,
    }
    _run(experiment, out, places, Progress(out, quiet=as_json), no_report, as_json, known)


def _run_only(text: str, experiment: Experiment, out: Path, default: bool) -> None:
    """Of the experiment that was given; if none was, of the one whose results ``out`` holds."""
    from . import only

    if default and (out / "manifest.json").exists():
        experiment = only.of_folder(out)
    if not only.run(text, experiment):
        raise typer.Exit(1)


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
    places: dict[str, Any],
    progress: Any,
    no_report: bool,
    as_json: bool,
    vault: Vault | None,
) -> None:
    from .executor import execute

    with progress:
        outcomes = execute(
            out,
            experiment,
            **places,
            vault=vault,
            started=progress.started,
            saw=progress.saw,
            finished=progress.finished,
        )
    _tell(vault)
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
                "known": vault.served if vault else 0,
                "failed": [progress.to_json(done) for done in failed],
            }
        )
    else:
        if vault is not None and vault.served:
            print(f"{vault.served:,} runs were known and not run again")
        progress.summary(out, page, outcomes)
    if failed:
        raise typer.Exit(1)


@app.command()
def compare(
    strategy: Annotated[str, typer.Argument(help="path/to/file.py:name, or a known name.")],
    against: Annotated[
        str, typer.Option(help="default, all, or names separated by commas.")
    ] = "default",
    tasks: Annotated[
        str | None, typer.Option(help="Task ids or patterns, separated by commas.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Runs per task and strategy.")] = 200,
    queries: Annotated[int, typer.Option(min=1, help="Budget in queries.")] = 200,
    noise: Annotated[str, typer.Option(help="sampled or mean.")] = "sampled",
    duplicates: Annotated[str, typer.Option(help="charge, free or resample.")] = "charge",
    lanes: Annotated[
        bool, typer.Option("--lanes", help="Run what has a lane form many seeds at once.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Results folder; one of its own if not given.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Local processes; all cores if not given.")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    vault: VaultOption = None,
    as_json: JsonOption = False,
) -> None:
    """Is a strategy better than the baselines? Runs only what is not known yet.

    Examples:

        nasarena compare mine.py:mine

        nasarena compare mine.py:mine --against all --tasks 'nasbench201/*'

        nasarena compare mine.py:mine --against random,optuna-tpe --seeds 1000 --lanes
    """
    from . import compare as comparisons
    from .progress import Progress

    keys: dict[str, Any] = {"noise": noise, "duplicates": duplicates, "lanes": lanes}
    experiment, run_baselines = comparisons.plan(
        strategy, against, tasks=_split(tasks), seeds=seeds, queries=queries, **keys
    )
    known = _vault(vault)
    out = out or comparisons.folder(experiment)
    with Progress(out, quiet=as_json) as progress:
        outcome = comparisons.compare(
            experiment,
            out,
            known,
            run_baselines=run_baselines,
            processes=processes,
            formats=() if no_report else ("html", "md"),
            started=progress.started,
            saw=progress.saw,
            finished=progress.finished,
        )
    _tell(known)
    _show_comparison(outcome, progress, as_json)
    if any(done.error is not None for done in outcome.outcomes):
        raise typer.Exit(1)


def _show_comparison(outcome: Any, progress: Any, as_json: bool) -> None:
    if as_json:
        facts = {"results": str(outcome.results), "known": outcome.known}
        facts["report"] = str(outcome.page) if outcome.page else None
        _print_json(outcome.verdict.to_json() | facts)
        return
    from .progress import table

    for shown in outcome.verdict.tables():
        print(visible(shown.caption))
        table([dict(zip(shown.header, row, strict=True)) for row in shown.rows])
    print(f"{outcome.known:,} runs were known and not run again")
    progress.summary(outcome.results, outcome.page, outcome.outcomes)


def _vault(further: str | None) -> Vault:
    from . import vault

    return vault.default(*(_split(further) or ()))


def _tell(vault: Vault | None) -> None:
    """What of the vault was left out, and why."""
    for problem in vault.problems if vault else ():
        print(f"nasarena: {visible(problem)}", file=sys.stderr)


def _write_report(
    results: list[Path], out: Path | None, formats: tuple[str, ...], style: str = "screen"
) -> Path:
    from . import atomic, registry

    atomic.sweep(out or results[0] / "report")
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
            for name in (*registry.task_names(), *registry.live_task_names())
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
    from . import check as checks
    from . import registry

    patterns = _split(tasks)
    made = checks.checks(
        name,
        settings=dict(map(_setting, settings or [])),
        tasks=registry.select_tasks(patterns) if patterns else None,
        quick=quick,
        only=_split(only) or (),
    )
    findings = []
    for finding in checks.findings(made):
        findings.append(finding)
        if not as_json:
            _print_finding(finding)
    failed = sum(finding.problem is not None for finding in findings)
    if as_json:
        _print_json([finding._asdict() for finding in findings])
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


app.command()(gate_cli.gate)
app.command()(gate_cli.pack)
app.command()(gate_cli.drift)
app.command()(executor_cli.pull)
app.add_typer(track_cli.app, name="track")
app.add_typer(store_cli.app, name="store")
app.command()(status_cli.status)
app.command()(doctor_cli.doctor)


def _verify_file(path: Path, results: list[Path], as_json: bool) -> None:
    from . import registry
    from .errors import StoreError

    if not results:
        raise StoreError(f"{path} is a file: name the results it was made from with --results DIR")
    problem = registry.load(registry.REDRAW)(path, results, registry.random_search)
    if as_json:
        _print_json({"file": str(path), "problem": problem})
    else:
        print(visible(f"{path}: {problem or 'the same as drawn from the record'}"))
    if problem:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
