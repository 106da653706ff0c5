"""``nasarena vault list | verify | prune | export | import | build | rekey``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..bench._base.errors import json_text, visible
from .options import JsonOption, split

if TYPE_CHECKING:
    from ..bench.cache.cache_upkeep import Found
    from ..bench.cache.run_cache import Place, Vault

app = typer.Typer(
    name="vault",
    help="Finished runs that need no re-running: what is kept, and whether it can be trusted.",
    no_args_is_help=True,
)

PlaceArgument = Annotated[
    str | None, typer.Argument(help="A folder or URL; all known places if not given.")
]


def _places(where: str | None) -> tuple[Vault, list[Place]]:
    from ..bench.cache import cache_upkeep, run_cache

    known = run_cache.default()
    if where is None:
        return known, list(known.places)
    place = run_cache.place_at(where)
    if error := cache_upkeep.nothing_at(where, place):
        raise error
    return known, [place]


def _show(rows: list[dict[str, Any]], as_json: bool, nothing: str) -> None:
    from .progress import table

    if as_json:
        print(json_text(rows))
    elif rows:
        table([{key: str(value) for key, value in row.items()} for row in rows])
    else:
        print(nothing)


def _left_out(found: list[Found]) -> None:
    for one in found:
        typer.echo(f"left out: {one.name or one.place}: {one.problem}", err=True)


@app.command("list")
def list_(where: PlaceArgument = None, as_json: JsonOption = False) -> None:
    """List the entries and whether they can be used here.

    Example: nasarena vault list --json
    """
    from ..bench.cache import cache_upkeep

    vault, places = _places(where)
    rows = [cache_upkeep.row(found) for found in cache_upkeep.entries(places, own=vault.own)]
    _show(rows, as_json, "no entries")


@app.command()
def verify(
    where: PlaceArgument = None,
    sample: Annotated[int, typer.Option(min=1, help="How many entries to run again.")] = 5,
    seed: Annotated[int, typer.Option(help="Which entries are drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run a random sample again and compare bit for bit; what differs is left out from now on.

    Example: nasarena vault verify --sample 20
    """
    from random import Random

    from ..bench.cache import cache_upkeep
    from ..bench.cache import run_cache as vaults

    vault, places = _places(where)
    rng = Random(seed)
    known = list(cache_upkeep.entries(places, own=vault.own))
    rows = []
    wrong = [found for found in known if found.about is None]
    usable = [found for found in known if found.about is not None and not found.problem]
    for found in rng.sample(usable, min(sample, len(usable))):
        problem = cache_upkeep.verify(found, rng)
        if problem and vault.own is not None:
            vaults.refuse(vault.own, found.data, problem)
            wrong.append(found)
        rows.append(
            {"entry": found.name, "place": str(found.place), "outcome": problem or "same bits"}
        )
    _show(rows, as_json, "no entry that could be used here")
    _left_out([found for found in known if found.problem])
    if wrong:
        raise typer.Exit(1)


@app.command()
def prune(
    everything: Annotated[bool, typer.Option("--all", help="Remove all entries.")] = False,
) -> None:
    """Remove from your own folder what is damaged, refused, or made by code that has changed.

    Example: nasarena vault prune
    """
    from ..bench.cache import cache_upkeep, run_cache

    own = run_cache.Folder(run_cache.user_folder())
    removed = cache_upkeep.prune(own, everything=everything)
    for found in removed:
        print(visible(f"removed: {found.name}: {found.problem or 'asked for'}"))
    print(f"{len(removed)} entries removed from {own}")


@app.command("export")
def export_(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made if it is not there.")],
    tasks: Annotated[str | None, typer.Option(help="Patterns, separated by commas.")] = None,
    strategies: Annotated[str | None, typer.Option(help="Patterns, separated by commas.")] = None,
) -> None:
    """Copy usable entries to a folder, with the index that a web server needs.

    Example: nasarena vault export nasarena-vault --tasks 'nasbench201/*'
    """
    from ..bench.cache import cache_upkeep, run_cache

    known, places = _places(None)
    there, left_out = cache_upkeep.copy(
        places, run_cache.Folder(folder), split(tasks) or [], split(strategies) or [], own=known.own
    )
    _left_out(left_out)
    print(f"{there} entries in {folder}")


@app.command("import")
def import_(
    where: Annotated[str, typer.Argument(help="A folder or URL of entries.")],
    sample: Annotated[int, typer.Option(min=0, help="How many are run again in part.")] = 3,
    seed: Annotated[int, typer.Option(help="Which ones are drawn.")] = 0,
) -> None:
    """Take the entries of another vault into yours; a random sample is run again first.

    Example: nasarena vault import https://example.org/vault
    """
    from random import Random

    from ..bench.cache import cache_upkeep

    vault, places = _places(where)
    assert vault.own is not None
    taken, left_out = cache_upkeep.take_in(places[0], vault.own, Random(seed), sample)
    _left_out(left_out)
    print(f"{taken} entries taken into {vault.own}, {len(left_out)} left out")
    if left_out and not taken:
        raise typer.Exit(1)


@app.command()
def build(
    out: Annotated[
        Path | None, typer.Option(help="Where to; the package's own folder if not given.")
    ] = None,
    only: Annotated[str, typer.Option(help="Pattern of strategies.")] = "*",
    processes: Annotated[int, typer.Option(min=1, help="Local processes.")] = 1,
) -> None:
    """Make the baselines that come with the package; started again, it goes on where it was.

    Example: nasarena vault build --only 'optuna-*' --processes 2
    """
    from ..bench.cache.run_cache import BASELINES
    from ..studies import baselines

    folder = out or BASELINES
    removed = baselines.build(
        folder,
        only=only,
        processes=processes,
        told=lambda job, size: print(f"{job.strategy} on {job.task}: {size:,} bytes", flush=True),
    )
    print(f"{folder} is complete; {len(removed)} stale entries removed")


@app.command()
def rekey(
    where: Annotated[
        Path | None, typer.Argument(help="A folder; the package's own if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write usable entries there and leave the folder alone.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of an entry to run again.")] = 2,
    seed: Annotated[int, typer.Option(help="Which ones are drawn.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Local processes.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Bring entries of changed code up to date, if a sample of each runs again to the same bits.

    What differs or cannot be run is left as it is and named; the exit code is 1 then.

    Example: nasarena vault rekey --processes 2
    """
    from ..bench.cache import cache_upkeep, run_cache
    from ..bench.cache.rekey import Outcome
    from ..bench.cache.rekey import rekey as bring

    place = run_cache.Folder(where or run_cache.BASELINES)
    if error := cache_upkeep.nothing_at(str(place), place):
        raise error

    def told(outcome: Outcome) -> None:
        if outcome.problem:
            typer.echo(visible(f"left as it is: {outcome.name}: {outcome.problem}"), err=True)
        elif outcome.seeds:
            ran = ", ".join(map(str, outcome.seeds))
            typer.echo(visible(f"{outcome.name}: same bits for seeds {ran}"), err=True)

    outcomes = bring(
        place,
        run_cache.Folder(out) if out else place,
        sample=seeds,
        seed=seed,
        processes=processes,
        trusted=place.path.resolve() == run_cache.user_folder().resolve(),
        told=told,
    )
    left = [outcome for outcome in outcomes if outcome.problem]
    done = [outcome for outcome in outcomes if outcome.seeds]
    if as_json:
        print(json_text([outcome._asdict() for outcome in outcomes]))
    else:
        fit = len(outcomes) - len(left) - len(done)
        print(f"{len(done)} entries re-keyed, {fit} fitted already, {len(left)} left as they are")
    if left:
        raise typer.Exit(1)
