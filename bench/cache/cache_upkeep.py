"""Looking after a vault: what is in it, does it run again to the same bits, moving it about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from random import Random
from typing import Any, NamedTuple

from .._base.errors import NasarenaError, StoreError
from ..core import record
from ..execute.units import compute
from ..experiment import registry
from ..experiment.experiment import Experiment, StrategySpec
from ..experiment.identity import Identity, identity
from ..store import store
from ..store.store import Unit
from . import cache_entry, run_cache
from .cache_entry import About, BadEntry
from .run_cache import Folder, Place

SEEDS = 2
"""Runs of an entry that are run again when it is verified."""


class Found(NamedTuple):
    """An entry of a place; ``about`` is None if it could not be read, ``problem`` says why.

    ``problem`` also tells why a sound entry is of no use here.
    """

    place: Place
    name: str
    data: bytes
    about: About | None
    problem: str | None


def entries(places: Iterable[Place], *, own: Folder | None = None) -> Iterator[Found]:
    """Every entry of these places, with what keeps it from being used here."""
    refused = run_cache.refused(own)
    for place in places:
        try:
            names = list(place.names())
        except (OSError, BadEntry) as error:
            yield Found(place, "", b"", None, str(error))
            continue
        for name in names:
            data, about, problem = b"", None, None
            try:
                data = place.read(name)
                about = cache_entry.about(data)
                trusted = own is not None and isinstance(place, Folder) and place.path == own.path
                run_cache.check(about, here(about, trusted=trusted)[0])
                problem = refused.get(run_cache.digest(data))
            except (OSError, NasarenaError, ImportError) as error:
                problem = str(error)
            yield Found(place, name, data, about, problem)


def here(about: About, *, trusted: bool = False) -> tuple[Identity, StrategySpec, Experiment]:
    """What the runs of an entry would be if they were made here and now.

    An entry may name a file of Python code. That is looked at for ``trusted`` ones alone, those
    of the user's own folder: nothing that somebody else wrote makes code run.

    Raises:
        BadEntry: if the strategy's code, the table or the rules are others here.
    """
    facts = about.facts
    names = (about.name, str(facts.get("task")))
    if not trusted and any(registry.is_file_name(name) for name in names):
        raise BadEntry("it names a Python file, which is only looked at for entries of your own")
    try:
        spec = StrategySpec(about.name, about.name, facts["settings"])
        experiment = Experiment(
            tasks=(facts["task"],),
            strategies=(spec,),
            budget=about.limits,
            workers=facts["workers"],
            noise=facts["noise"],
            duplicates=facts["duplicates"],
            seed=facts["seed"],
            lanes=facts.get("form") == "lanes",
        )
        what = identity(registry.task(facts["task"]), spec, experiment)
    except (KeyError, TypeError) as error:
        raise BadEntry("what it says of itself is incomplete") from error
    now = json.loads(json.dumps(what.facts, default=str))
    words = {"source": "code of the strategy", "data": "table", "rules": "rules of a run"}
    for name in now:
        if now[name] != facts.get(name):
            raise BadEntry(f"it was made with another {words.get(name, name)} than there is here")
    return what, spec, experiment


def verify(found: Found, rng: Random, seeds: int = SEEDS) -> str | None:
    """Run some runs of an entry again; what is wrong with it, None if they have the same bits."""
    if found.about is None or found.problem:
        return found.problem or "it cannot be read"
    about = found.about
    try:
        # What `entries` found no problem with may be run.
        _, spec, experiment = here(about, trusted=True)
        kept = cache_entry.unpack(registry.table_task(about.facts["task"]), found.data)
        budget = experiment.budget
        runs = cache_entry.shorten(kept, budget, budget, free=False) or {}
        for seed in rng.sample(sorted(runs), min(seeds, len(runs))):
            again = compute(experiment, spec, Unit(about.facts["task"], spec.label, seed, seed))
            same = record.fingerprint(again) == record.fingerprint(runs[seed].combine_chunks())
            if not same:
                return f"seed {seed} does not run again to the same bits"
    except NasarenaError as error:
        return str(error)
    return None


def prune(own: Folder, *, everything: bool = False) -> list[Found]:
    """Remove from the user's folder what is of no use here (or all); returns what was removed."""
    removed = [f for f in entries([own], own=own) if everything or f.problem]
    for found in removed:
        (own.path / found.name).unlink(missing_ok=True)
    return removed


def copy(
    places: Iterable[Place],
    to: Folder,
    tasks: list[str],
    strategies: list[str],
    *,
    own: Folder | None = None,
) -> tuple[int, list[Found]]:
    """Copy sound entries, with an index for use behind a URL; how many, and what was left out.

    ``tasks`` and ``strategies`` are patterns; none selects all.

    Raises:
        StoreError: if the folder cannot be written.
    """
    left_out = []
    for found in entries(places, own=own):
        about = found.about
        if about is None or found.problem:
            left_out.append(found)
        elif _selected(about.facts["task"], tasks) and _selected(about.name, strategies):
            to.write(found.name, found.data)
    return write_index(to), left_out


def write_index(folder: Folder) -> int:
    """Write the index of a folder's entries, for use behind a URL; return how many there are."""
    digests = {name: run_cache.digest(folder.read(name)) for name in folder.names()}
    text = json.dumps({"format": cache_entry.FORMAT, "entries": digests}, indent=1)
    store.write_text(folder.path / run_cache.INDEX, text + "\n")
    return len(digests)


def _selected(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def take_in(place: Place, own: Folder, rng: Random, sample: int) -> tuple[int, list[Found]]:
    """Take a foreign vault's entries into the user's; how many, and what was left out and why.

    All are rebuilt from the table and compared with their fingerprint; ``sample`` of them, drawn
    by ``rng``, are also run again in part. One that does not give the same bits is refused.
    """
    everything = list(entries([place], own=own))
    usable = [found for found in everything if not found.problem]
    drawn = set(rng.sample(range(len(usable)), min(sample, len(usable))))
    left_out = [found for found in everything if found.problem]
    taken = 0
    for number, found in enumerate(usable):
        problem = verify(found, rng) if number in drawn else _rebuilt(found)
        if problem:
            run_cache.refuse(own, found.data, problem)
            left_out.append(found._replace(problem=problem))
        else:
            own.write(found.name, found.data)
            taken += 1
    return taken, left_out


def _rebuilt(found: Found) -> str | None:
    assert found.about is not None
    try:
        cache_entry.unpack(registry.table_task(found.about.facts["task"]), found.data)
    except NasarenaError as error:
        return str(error)
    return None


def nothing_at(where: str, place: Place) -> StoreError | None:
    """The error to raise if a folder is not there; a URL is asked later."""
    if isinstance(place, Folder) and not place.path.is_dir():
        return StoreError(f"there is no vault at {where}: expected a folder of entries")
    return None


def row(found: Found) -> dict[str, Any]:
    """An entry as a line of a table."""
    about = found.about
    if about is None:
        return {"entry": found.name, "place": str(found.place), "state": found.problem}
    budget = {k: v for k, v in about.budget.items() if v is not None}
    return {
        "strategy": about.name,
        "settings": json.dumps(about.facts["settings"]) if about.facts["settings"] else "",
        "task": about.facts["task"],
        "seeds": f"{about.first}-{about.last}",
        "budget": ", ".join(f"{v:g} {k}" for k, v in budget.items()),
        "kilobytes": f"{len(found.data) / 1000:.1f}",
        "place": str(found.place),
        "state": found.problem or "usable",
    }
