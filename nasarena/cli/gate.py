"""The commands ``nasarena gate``, ``nasarena pack`` and ``nasarena drift``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..bench._base.errors import StoreError, json_text, visible
from .options import JsonOption, split

if TYPE_CHECKING:
    from ..reports.gate.gate import Verdict
    from ..reports.gate.gate_run import Outcome


def gate(
    baseline: Annotated[Path, typer.Option(help="Results folder or packed file to compare with.")],
    current: Annotated[
        Path | None,
        typer.Argument(help="Results folder or packed file; with --run a new folder, if none."),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="First run what CURRENT lacks of the baseline's runs.")
    ] = False,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Run in blocks of seeds, until all is settled.")
    ] = False,
    block: Annotated[
        int | None, typer.Option(min=1, help="Seeds a block; a quarter of the baseline's if none.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Chance of any false alarm in the gate.")] = 0.05,
    power: Annotated[float, typer.Option(help="For what the seeds can find.")] = 0.8,
    margin: Annotated[
        list[str] | None, typer.Option(help="What counts as equal: 10% or final=0.1; repeatable.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Regret for time to target: 0.5 or TASK=0.5.")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Any of final,mean,time.")] = "final,mean,time",
    on: Annotated[str, typer.Option(help="Regret on validation or test.")] = "validation",
    common_seeds: Annotated[
        bool, typer.Option("--common-seeds", help="Compare only the seeds that both have.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option(help="Verdicts that make the exit code 1.")
    ] = "regressed,missing",
    speed: Annotated[
        Path | None, typer.Option(help="Times of now, from pytest --benchmark-json.")
    ] = None,
    speed_baseline: Annotated[
        Path | None, typer.Option(help="Times to compare them with, of any machine.")
    ] = None,
    slower: Annotated[str, typer.Option(help="By how much may times differ?")] = "25%",
    out: Annotated[Path | None, typer.Option(help="Folder for the files.")] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Any of md,json,junit,gitlab,html.")
    ] = "md,json,junit,gitlab,html",
    processes: Annotated[int | None, typer.Option(min=1, help="Local processes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Did anything get worse? Compare results with a baseline, paired by seed.

    Exit code 0: no. 1: a pair regressed or is missing. 2: the two cannot be compared.

    Examples:

        nasarena gate --run --baseline .ci/baseline.parquet --out gate

        nasarena gate results --baseline main-results --margin 10% --fail-on regressed

        nasarena gate benchmarks.json --baseline main-benchmarks.json --slower 30%
    """
    from ..reports.gate import gate_run
    from ..reports.gate.gate import parse_options

    fail = gate_run.verdicts(split(fail_on) or [])
    if (speed is None) != (speed_baseline is None):
        raise StoreError("--speed and --speed-baseline: one needs the other")
    words: dict[str, Any] = {
        "alpha": alpha,
        "power": power,
        "margins": margin or [],
        "targets": target or [],
        "metrics": tuple(split(metrics) or ()),
        "column": on,
        "common_seeds": common_seeds,
    }
    parse_options(**words)  # before anything is run
    words |= {"slower": slower, "benchmarks": (speed_baseline, speed) if speed else None}
    with _folder(current, run or sequential) as folder:
        failed: list[Any] = []
        if sequential:
            outcome, failed = _in_blocks(folder, baseline, block, processes, words)
        else:
            if run:
                failed = _fill(folder, baseline, processes)
            outcome = gate_run.compare(baseline, folder, **words)
        files = gate_run.write(outcome, out, split(formats) or [], fail)
    _show(outcome, fail, files, as_json)
    if failed or outcome.gate.fails(fail):
        raise typer.Exit(1)


@contextmanager
def _folder(current: Path | None, runs: bool) -> Iterator[Path]:
    """Where current results are: as named, or a new folder that goes when the gate is done."""
    if current is not None:
        yield current
    elif runs:
        with tempfile.TemporaryDirectory(prefix="nasarena-gate-") as name:
            yield Path(name) / "current"
    else:
        raise StoreError("name the results to judge, or let --run make them")


def _fill(current: Path, baseline: Path, processes: int | None) -> list[Any]:
    from ..bench.execute import rerun

    failed, kept = rerun.fill(current, baseline, processes)
    _tell(failed)
    if kept:
        print(
            f"{kept} units were in {current} already and were not run again: if the code has "
            "changed since, name a new folder",
            file=sys.stderr,
        )
    return failed


def _in_blocks(
    current: Path,
    baseline: Path,
    block: int | None,
    processes: int | None,
    words: dict[str, Any],
) -> tuple[Outcome, list[Any]]:
    from ..bench.execute import rerun
    from ..bench.store import manifest as manifests
    from ..reports.gate import gate_run

    seeds = manifests.read(baseline).experiment.seeds
    looks = gate_run.looks(seeds, block or max(1, -(-seeds // 4)))
    look = partial(gate_run.compare, baseline, current, **words, looks=looks)
    outcome, failed = rerun.fill_in_blocks(current, baseline, looks, look, processes)
    _tell(failed)
    return outcome, failed


def _tell(failed: list[Any]) -> None:
    for done in failed:
        print(visible(f"failed: {done.unit}: {done.error}"), file=sys.stderr)


def _show(outcome: Outcome, fail: Sequence[Verdict], files: list[Path], as_json: bool) -> None:
    from ..reports.gate import gate_run
    from .progress import table

    for line in gate_run.commands(outcome, fail):
        print(line, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json_text(gate_run.to_json(outcome)))
        return
    rows = gate_run.shown(outcome)
    if rows:
        table(rows)
    said = [*gate_run.remarks(outcome), *(f"wrote {file}" for file in files)]
    print(visible("\n".join(said)))


def pack(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.")] = False,
) -> None:
    """Put a results folder into one small file, to be committed as a baseline.

    Example: nasarena pack results .ci/baseline.parquet
    """
    from ..bench.store.packed import pack

    written = pack(results, file, force=force)
    print(f"{written}: {written.stat().st_size / 1024:.0f} kB")


def drift(
    before: Annotated[str, typer.Argument(help="A requirement such as optuna==4.9.0.")],
    after: Annotated[str, typer.Argument(help="Another, such as optuna==5.0.0.")],
    experiment: Annotated[Path | None, typer.Option(help="An experiment file (TOML).")] = None,
    tasks: Annotated[str, typer.Option(help="Task ids or patterns.")] = "nasbench201/cifar10",
    strategies: Annotated[str, typer.Option(help="Names, separated by commas.")] = "optuna-tpe",
    seeds: Annotated[int, typer.Option(min=2, help="Runs per task and strategy.")] = 20,
    queries: Annotated[int, typer.Option(min=1, help="Budget in queries.")] = 200,
    margin: Annotated[list[str] | None, typer.Option(help="What counts as equal: 10%.")] = None,
    alpha: Annotated[float, typer.Option(help="Chance of any false alarm.")] = 0.05,
    out: Annotated[Path, typer.Option(help="Folder for results and files.")] = Path("drift"),
    processes: Annotated[int | None, typer.Option(min=1, help="Local processes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What does another version of a package change? Exit code 1: something got worse.

    Each version is installed into a virtual environment of its own, on top of the packages that
    are there. Example:

        nasarena drift optuna==4.9.0 optuna==5.0.0 --tasks 'nasbench201/*'
    """
    from ..reports.gate import gate_run
    from ..reports.gate.gate import parse_options
    from ..studies import drift as drifts

    words: dict[str, Any] = {"alpha": alpha, "margins": margin or []}
    parse_options(**words)
    drifts.check(before, after)
    plain = {"tasks": split(tasks), "strategies": split(strategies), "seeds": seeds}
    folders = [out / drifts.folder_name(requirement) for requirement in (before, after)]
    with tempfile.TemporaryDirectory(prefix="nasarena-drift-") as name:
        file = experiment or _experiment_file(Path(name), plain | {"budget": {"queries": queries}})
        for requirement, folder in zip((before, after), folders, strict=True):
            python = drifts.make(Path(name) / folder.name, requirement)
            drifts.run(python, file, folder, processes)
    outcome = gate_run.compare(folders[0], folders[1], **words)
    fail = gate_run.verdicts(["regressed", "missing"])
    files = gate_run.write(outcome, out, ("md", "json", "html"), fail)
    _show(outcome, fail, files, as_json)
    if outcome.gate.fails(fail):
        raise typer.Exit(1)


def _experiment_file(folder: Path, plain: dict[str, Any]) -> Path:
    """An experiment as a file: JSON's strings, lists and numbers are TOML's too."""
    budget = plain.pop("budget")
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    lines += ["[budget]", *(f"{key} = {value}" for key, value in budget.items())]
    file = folder / "drift.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
