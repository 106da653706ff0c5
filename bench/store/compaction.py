"""Joins a task and strategy's many small unit files into few large ones, keeping their bits.

The joined file is named as a unit of all its seeds, so that every reader takes it for one. Its
metadata name the units it was made from, each with its fingerprint, rows and whatever it said of
itself: what was a unit can be told, verified and reported on as one.

Killed at any moment, nothing is lost and nothing counts twice: the joined file is written whole,
read back and compared before the first of the others is removed. While both are there, those it
was made from are passed over (`superseded`), and the next compaction removes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._base import locks
from .._base.errors import StoreError
from ..core import record
from . import manifest as manifests
from . import store, unit_file

if TYPE_CHECKING:
    import pyarrow as pa

Block = tuple[int, int]

ROWS = 1 << 20
"""Rows that a joined file holds at most: some 60 MB on disk, 120 MB in memory."""
GROUP = 1 << 16
"""Rows of a row group at least: what is read at once of a part of a file."""
UNITS = "units"
"""The key in a file's metadata that names what it was made from."""


@dataclass
class Compacted:
    """What a compaction did: unit files and bytes before and after; ``left_out`` says why."""

    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    left_out: list[str] = field(default_factory=list)


class _Member(NamedTuple):
    block: Block
    path: Path
    rows: int


def compact(
    root: str | os.PathLike[str],
    *,
    rows: int = ROWS,
    told: Callable[[str, str], None] = lambda task, label: None,
) -> Compacted:
    """Join the unit files of every task and strategy of a results folder.

    Files of consecutive seeds are joined up to so many ``rows``; a unit is never divided, and
    files that have that many already stay as they are. ``told`` hears of each task and strategy
    before its turn. A unit whose file is damaged or is not what its fingerprint says is left as
    it is, and said so.

    Raises:
        StoreError: if ``root`` is no results folder, or cannot be written.
    """
    root = Path(root)
    manifests.read(root)
    done = Compacted()
    with locks.held(root):
        experiment = manifests.read(root).experiment
        for task in experiment.tasks:
            for spec in experiment.strategies:
                told(task, spec.label)
                _compact_pair(root, task, spec.label, rows, done)
    return done


def _compact_pair(root: Path, task: str, label: str, rows: int, done: Compacted) -> None:
    done.left_out += finish(root, task, label)
    before = store.unit_files(root, task, label)
    done.files_before += len(before)
    done.bytes_before += sum(path.stat().st_size for path in before.values())
    for group in _groups(before, rows, done):
        try:
            _join(root, task, label, group)
        except _Unsound as unsound:
            done.left_out.append(str(unsound))
    after = store.unit_files(root, task, label)
    done.files_after += len(after)
    done.bytes_after += sum(path.stat().st_size for path in after.values())


class _Unsound(Exception):
    """A unit that cannot be joined; the message names its file."""


def _groups(files: Mapping[Block, Path], rows: int, done: Compacted) -> Iterator[list[_Member]]:
    """The stretches of consecutive seeds to join, each two files and more, up to ``rows``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    group: list[_Member] = []
    schema: Any = None
    for block, path in sorted(files.items()):
        try:
            footer = pq.read_metadata(path)
            own = footer.schema.to_arrow_schema().remove_metadata()
        except (OSError, ValueError, pa.ArrowException) as error:
            done.left_out.append(f"{path}: {str(error).splitlines()[0]}")
            continue
        member = _Member(block, path, footer.num_rows)
        fits = group and group[-1].block[1] + 1 == block[0] and own.equals(schema)
        if not (fits and sum(m.rows for m in group) + member.rows <= rows):
            if len(group) > 1:
                yield group
            group = []
        group.append(member)
        schema = own
    if len(group) > 1:
        yield group


def _join(root: Path, task: str, label: str, group: Sequence[_Member]) -> None:
    """Write the joined file, prove that it holds what they hold, remove them."""
    units: list[dict[str, Any]] = []
    tables: list[pa.Table] = []
    common: dict[str, Any] | None = None
    for member in group:
        for said, table in _former_units(member):
            about = {k: v for k, v in said.items() if k not in _OWN}
            common = about if common is None else _shared(common, about)
            units.append(said)
            tables.append(table)
    import pyarrow as pa

    joined = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    first, last = group[0].block[0], group[-1].block[1]
    shared = common or {}
    about = {
        **shared,
        UNITS: [{k: v for k, v in said.items() if k not in shared} for said in units],
    }
    if "seeds" in units[0]:
        about["seeds"] = [first, last]
    path = store.unit_path(root, store.Unit(task, label, first, last))
    if path.exists():
        raise _Unsound(f"{path} is there already and cannot be told from what would be joined")
    unit_file.write(path, record.described(joined, about), _row_groups(units))
    del tables, joined
    for said, table in _former_units(_Member((first, last), path, 0)):
        if record.fingerprint(table) != said["fingerprint"]:  # pragma: no cover: a bug, or a disk
            path.unlink()
            raise StoreError(f"{path} does not read back as it was written; it was removed")
    for member in group:
        member.path.unlink()


_OWN = ("first", "last", "rows", "fingerprint", "seeds", UNITS)


def _shared(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in one.items() if k in other and other[k] == v}


def _former_units(member: _Member) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """What a file's units said of themselves, and their rows, each proven by its fingerprint."""
    try:
        table = store.read_unit(member.path)
    except StoreError as error:
        raise _Unsound(str(error)) from error
    for said, start in former_units(record.about(table), member.block, len(table)):
        part = table.slice(start, said["rows"])
        found = record.fingerprint(part)
        if said.setdefault("fingerprint", found) != found:
            raise _Unsound(
                f"{member.path}: seeds {said['first']}-{said['last']} do not match the "
                "fingerprint they were written with; nasarena verify says more"
            )
        yield said, part


def former_units(
    about: dict[str, Any], block: Block, rows: int
) -> Iterator[tuple[dict[str, Any], int]]:
    """What each unit in a file said of itself, and its first row; one if it is no joined file."""
    whole = {k: v for k, v in about.items() if k not in _OWN}
    if UNITS not in about:
        said = {**about, "first": block[0], "last": block[1], "rows": rows}
        yield said, 0
        return
    start = 0
    for own in about[UNITS]:
        yield {**whole, **own}, start
        start += own["rows"]


def _row_groups(units: Sequence[dict[str, Any]]) -> list[int]:
    """The rows of each row group: units joined to `GROUP` rows."""
    groups: list[int] = []
    rows = 0
    for number, said in enumerate(units):
        rows += said["rows"]
        if rows >= GROUP or (rows and number == len(units) - 1):
            groups.append(rows)
            rows = 0
    return groups


# What a killed compaction leaves.


def superseded(files: Mapping[Block, Path]) -> dict[Block, Block]:
    """Those files that a joined file among them was made from, and that file.

    Nothing is opened unless two files hold the same seeds.
    """
    # Of those with one first seed the longest comes first: it may hold the others.
    order = sorted(files, key=lambda block: (block[0], -block[1]))
    if all(one[1] < other[0] for one, other in pairwise(order)):
        return {}
    found: dict[Block, Block] = {}
    for block in order:
        within = [b for b in order if b != block and block[0] <= b[0] and b[1] <= block[1]]
        held = set(_blocks_in(files[block])) if within else set()
        for other in within:
            # A joined file may have been joined again: then its units are held, not its block.
            own = {other} if other in held else set(_blocks_in(files[other]))
            if own and own <= held:
                found.setdefault(other, block)
    return found


def _blocks_in(path: Path) -> list[Block]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = json.loads((pq.read_metadata(path).metadata or {}).get(b"nasarena", b"{}"))
        return [(int(unit["first"]), int(unit["last"])) for unit in said.get(UNITS, [])]
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
        pa.ArrowException,
    ):
        return []


def finish(root: Path, task: str, label: str) -> list[str]:
    """Remove what a killed compaction left, once what it joined is proven; says what it kept."""
    kept = []
    files = store.all_unit_files(root, task, label)
    for block, by in superseded(files).items():
        try:
            mine = {(s["first"], s["last"]): s["fingerprint"] for s, _ in _file_units(files, block)}
            held = {(s["first"], s["last"]): s["fingerprint"] for s, _ in _file_units(files, by)}
        except _Unsound as unsound:
            kept.append(str(unsound))
            continue
        if mine.items() <= held.items():
            files[block].unlink()
        else:
            kept.append(f"{files[block]} and {files[by].name} hold the same seeds with other bits")
    return kept


def _file_units(
    files: Mapping[Block, Path], block: Block
) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    return _former_units(_Member(block, files[block], 0))
