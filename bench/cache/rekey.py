"""Carry cache entries over a change of the code that changes none of their runs.

An entry whose identity is no longer that of the code is of no use, even if the code still does
the same. `rekey` runs some of its seeds again with the code as it is now. If they come out bit for
bit, the entry gets the present key and the present form; if not, it stays as it is and is named.

This is the only reader of entries of the format before the present one. It asks for no more than
it needs to run them again, under the names that this had in any of the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from .._base.errors import NasarenaError
from ..core import record
from ..core.runner import Budget
from ..execute.units import compute
from ..experiment import registry
from ..experiment.experiment import Experiment, StrategySpec
from ..experiment.identity import Identity, identity
from ..store.store import Unit
from . import cache_entry, cache_upkeep, run_cache
from .cache_entry import BadEntry
from .run_cache import Folder

if TYPE_CHECKING:
    import pyarrow as pa

TIMEOUT = 3600.0
"""Real seconds that one run may take."""

# The names on the right are those in files: they stay when the code is renamed.
_COLUMNS = {
    "seed": ("seed",),
    "arch": ("arch", "encoding"),
    "epochs": ("epochs",),
    "replica": ("replica", "training_seed"),
    "charged": ("charged", "cost_seconds"),
    "start": ("start",),
}
"""The columns of an entry."""
_FORMER_RECORD = {
    "network": "network",
    "replica": "replica",
    "charged": "charged",
    "thinking": "thinking",
}
"""Columns of a record, and what they were called where a former fingerprint was taken."""


class Recorded(NamedTuple):
    """What an entry says of its runs: all that it takes to make them again.

    ``overhead`` is in seconds a query, ``made`` says when and with what they were made.
    """

    spec: StrategySpec
    experiment: Experiment
    packages: dict[str, str | None]
    fingerprint: str
    overhead: float
    made: dict[str, Any]

    @property
    def names_file(self) -> bool:
        """Whether its strategy or task is in a Python file."""
        names = (self.spec.name, *self.experiment.tasks)
        return any(registry.is_file_name(name) for name in names)


class Outcome(NamedTuple):
    """What became of an entry: ``problem`` is why it was left as it is, None if it can be used.

    ``seeds`` are those that were run again, none for an entry that fitted already.
    """

    name: str
    seeds: tuple[int, ...] = ()
    problem: str | None = None


def rekey(
    source: Folder,
    to: Folder,
    *,
    sample: int = 2,
    seed: int = 0,
    processes: int = 1,
    trusted: bool = False,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Bring the entries of a folder to the present identity, strategy by strategy.

    Args:
        source: the folder.
        to: where usable entries go. If it is the same folder, each takes the place of the one it
            was made from; else ``source`` is left as it is.
        sample: how many seeds of an entry are run again: the first, and others drawn at random.
        seed: which are drawn.
        processes: entries at a time.
        trusted: whether Python files that entries name may be run.
        told: hears of each entry when it is done.

    Returns:
        What became of each, in order of their names.
    """
    names = sorted(source.names())
    one = partial(_rekey_one, source.path, to.path, sample, seed, trusted)
    outcomes = []
    for outcome in _each(one, names, processes):
        told(outcome)
        outcomes.append(outcome)
    if (to.path / run_cache.INDEX).exists():
        cache_upkeep.write_index(to)
    return sorted(outcomes)


def _each(one: Callable[[str], Outcome], names: Iterable[str], processes: int) -> Iterator[Outcome]:
    if processes == 1:
        yield from map(one, names)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(one, name) for name in names]
        yield from (done.result() for done in as_completed(running))


def _rekey_one(source: Path, to: Path, sample: int, seed: int, trusted: bool, name: str) -> Outcome:
    """Bring one entry to the present identity; what became of it."""
    try:
        data = Folder(source).read(name)
        recorded = read(data)
        if not trusted and recorded.names_file:
            raise BadEntry("it names a Python file, which is only run for entries of your own")
        task = registry.table_task(recorded.experiment.tasks[0])
        what = identity(task, recorded.spec, recorded.experiment)
        if fits(data, what):
            if to != source:
                Folder(to).write(name, data)
            return Outcome(name)
        _check_packages(recorded, what)
        runs = rebuild(data, recorded)
        seeds = _sampled(runs, sample, Random(f"{seed}/{name}"))
        for one in seeds:
            _run_again(recorded, one, runs)
    except (OSError, NasarenaError, ImportError) as error:
        return Outcome(name, problem=str(error))
    made = recorded.made | {
        "rekeyed": {"at": datetime.now(UTC).isoformat(timespec="seconds"), "seeds": seeds}
    }
    new, packed = run_cache.packed(
        what, recorded.spec, recorded.experiment, runs, level=19, made=made
    )
    Folder(to).write(new, packed)
    if to == source and new != name:
        (source / name).unlink()
    return Outcome(name, tuple(seeds))


# What an entry of this or the last format says.


def read(data: bytes) -> Recorded:
    """Return what an entry says of its runs.

    Raises:
        BadEntry: if it is damaged, says too little, or is of neither of the two last formats.
    """
    note = _note(data)
    if note.get("format") not in (cache_entry.FORMAT - 1, cache_entry.FORMAT):
        raise BadEntry(
            f"it has format {note.get('format')!r}, "
            f"expected {cache_entry.FORMAT - 1} or {cache_entry.FORMAT}"
        )
    try:
        facts, budget = _one(note, "facts"), _one(note, "budget")
        name = _one(note, "name", "strategy")
        spec = StrategySpec(name, name, _one(facts, "settings"))
        experiment = Experiment(
            tasks=(_one(facts, "task"),),
            strategies=(spec,),
            budget=Budget(
                queries=budget.get("queries"),
                epochs=budget.get("epochs"),
                seconds=budget.get("seconds"),
            ),
            workers=_one(facts, "workers"),
            noise=_one(facts, "noise"),
            duplicates=_one(facts, "duplicates"),
            seed=_one(facts, "seed"),
            lanes=facts.get("form") in ("lanes", "vectorized"),
            timeout=TIMEOUT,
        )
        return Recorded(
            spec,
            experiment,
            dict(_one(note, "packages")),
            str(_one(note, "fingerprint")),
            float(_one(note, "thinking", "overhead_seconds")),
            dict(_one(note, "made")),
        )
    except (LookupError, AttributeError, TypeError, ValueError, NasarenaError) as error:
        raise BadEntry(f"what it says of itself is incomplete: {error}") from error


def _note(data: bytes) -> dict[str, Any]:
    for name, text in cache_entry.metadata(data).items():
        if name.startswith(b"nasarena"):
            try:
                note = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(note, dict) and "format" in note:
                return note
    raise BadEntry("it is no cache entry")


def _one(said: dict[str, Any], *names: str) -> Any:
    """What stands under the first of these names that is there."""
    for name in names:
        if name in said:
            return said[name]
    raise LookupError(f"there is no {names[0]!r}")


# Whether its runs are those of the code as it is.


def fits(data: bytes, what: Identity) -> bool:
    """Return whether an entry can be used as it is."""
    try:
        run_cache.check(cache_entry.about(data), what)
    except BadEntry:
        return False
    return True


def _check_packages(recorded: Recorded, what: Identity) -> None:
    for package, version in recorded.packages.items():
        here = what.packages.get(package, version)
        if here != version:
            raise BadEntry(f"it was made with {package} {version or 'missing'}, here is {here}")


def rebuild(data: bytes, recorded: Recorded) -> pa.Table:
    """Return the record of an entry's runs, after comparing it with the recorded fingerprint.

    Raises:
        BadEntry: if its rows and the table no longer give that record.
    """
    found = cache_entry.columns(data)
    columns = {
        name: found[other] for name, names in _COLUMNS.items() for other in names if other in found
    }
    missing = {"seed", "arch", "epochs", "replica"} - set(columns)
    if missing:
        raise BadEntry(f"it has no column {', '.join(sorted(missing))}")
    experiment = recorded.experiment
    runs = cache_entry.rebuild(
        registry.table_task(experiment.tasks[0]),
        columns,
        free=experiment.duplicates == "free",
        thinking=recorded.overhead,
    )
    if recorded.fingerprint not in _fingerprints(runs):
        raise BadEntry("its rows do not give the record that it was made from")
    return runs


def _fingerprints(runs: pa.Table) -> Iterator[str]:
    """The fingerprint of a record, and the one that it had under its former names."""
    yield record.fingerprint(runs)
    computed = runs.drop_columns(list(record.MEASURED))
    names = [_FORMER_RECORD.get(name, name) for name in computed.column_names]
    yield record.fingerprint(computed.rename_columns(names))


def _sampled(runs: pa.Table, count: int, rng: Random) -> list[int]:
    """The first seed, and others drawn at random: ``count`` of them, or all there are."""
    first, *others = runs["seed"].unique().to_pylist()
    return [first, *sorted(rng.sample(others, min(count - 1, len(others))))]


def _run_again(recorded: Recorded, seed: int, runs: pa.Table) -> None:
    """Run one seed with the code as it is now.

    Raises:
        BadEntry: if it does not come out bit for bit.
    """
    import pyarrow.compute as pc

    experiment, spec = recorded.experiment, recorded.spec
    again = compute(experiment, spec, Unit(experiment.tasks[0], spec.label, seed, seed))
    kept = runs.filter(pc.equal(runs["seed"], seed)).combine_chunks()
    if record.fingerprint(again) != record.fingerprint(kept):
        raise BadEntry(f"seed {seed} does not run again to the same bits")
