"""The command line: ``nasarena retrain``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from ..bench._base.errors import StoreError
from .options import JsonOption, print_json


def retrain(
    results: Annotated[Path, typer.Argument(help="A results folder, or a packed file.")],
    task: Annotated[str, typer.Option(help="One of the results' tasks.")],
    strategy: Annotated[str, typer.Option(help="One of the results' strategies, by its label.")],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings, each with a seed of its own.")] = 5,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the full schedule; the task's most if not given.")
    ] = None,
    from_checkpoint: Annotated[
        bool, typer.Option("--from-checkpoint", help="Train the search's weights further.")
    ] = False,
    run: Annotated[
        int | None, typer.Option(help="Take the winner of this seed's run; of all if not given.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Data to train on: digits, cifar10:FOLDER, text:FILE, …")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd or adam; the task's if none.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At the start.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:1.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; RESULTS/retrained/TASK/STRATEGY if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the architecture that a strategy chose by validation, in full, and test it.

    Writes the weights, the learning curves and a model card. The same command again goes on where
    it was stopped, or adds seeds.

    Examples:

        nasarena retrain results --task live/digits --strategy asha

        nasarena retrain results --task live/tweets --strategy genetic --from-checkpoint --epochs 2

        nasarena retrain results --task nasbench201/cifar10 --strategy random --data cifar10:FOLDER
    """
    from ..bench.live.retrain import Options, plan, winner
    from ..studies.retrain import retrain as train

    folder = out or _folder(results, task, strategy)
    found = winner(results, task, strategy, run)
    options = Options(epochs, optimizer, learning_rate, device, data, from_checkpoint)
    made = plan(results, found, options)
    with _progress(seeds, made.task.training.epochs[-1], quiet=as_json) as tell:
        card = train(made, folder, seeds, tell)
    if as_json:
        print_json(card | {"folder": str(folder)})
    else:
        _show(card, folder)
    if any(one["failed"] for one in card["seeds"]):
        raise typer.Exit(1)


def _folder(results: Path, task: str, strategy: str) -> Path:
    """Where a retraining lies if nothing else is said."""
    if results.is_file():
        raise StoreError(f"{results} is a file: say with --out where the networks shall lie")
    names = [quote(part, safe=" ,+()=_-.") for part in (*task.split("/"), strategy)]
    return results.joinpath("retrained", *names)


@contextmanager
def _progress(seeds: int, epochs: int, *, quiet: bool) -> Iterator[Any]:
    """On a terminal a bar with seed, epoch, loss and time left; else silence."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    from rich import progress

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("left"),
        console=console,
    )
    with bar:
        line = bar.add_task("seed 1", total=seeds * epochs)

        def tell(number: int, epoch: int, done: Any) -> None:
            loss = f", loss {done.train_loss:.3f}" if done is not None else ""
            said = f"seed {number + 1} of {seeds}, epoch {epoch} of {epochs}{loss}"
            bar.update(line, completed=number * epochs + epoch, description=said)

        yield tell


def _show(card: dict[str, Any], folder: Path) -> None:
    from ..bench.live.model_card import shown
    from .progress import table

    metrics, found = card["metrics"], card["found"]
    name, unit = metrics["metric"], metrics["unit"]
    rows = {
        "architecture": card["architecture"]["words"],
        "found by": f"{found['strategy']}, seed {found['seed']}, step {found['step']}",
        "parameters": f"{card['parameters']:,}",
        "trained": f"{card['training']['epochs'][-1]} epochs, {card['training']['start']}",
        f"validation {name}": shown(metrics["validation"], unit),
        f"test {name}": shown(metrics["test"], unit),
    }
    failed = [one for one in card["seeds"] if one["failed"]]
    if failed:
        rows["failed"] = f"{len(failed)} of {len(card['seeds'])}: {failed[0]['failed']}"
    table([{"": key, " ": value} for key, value in rows.items()])
    print(f"weights, curves and model card: {folder}")
