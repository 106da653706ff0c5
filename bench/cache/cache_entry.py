"""A vault entry: what a block of runs asked, so small that everything else follows from the table.

An entry is one Parquet file of numbers and a note of where they come from; reading one runs no
code. Columns, one row an answered query: ``seed``, ``arch`` (number of the spelling), ``epochs``,
``replica``; and ``charged`` and ``start`` only where they do not follow. The thinking time is
kept as its mean.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...spaces import SearchSpace, bounds
from .._base.errors import NasarenaError
from ..core import record
from ..core.runner import Budget
from ..core.task import TableTask

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
_NOTE = "nasarena-entry"
_NARROW: dict[str, Any] = {
    "seed": np.int32,
    "arch": np.int32,
    "epochs": np.int16,
    "replica": np.int8,
}


class BadEntry(NasarenaError):
    """A vault entry that is damaged, from another version, or does not fit the table."""


@dataclass(frozen=True)
class About:
    """What an entry says of itself.

    ``facts`` and ``packages`` are those of `identity.Identity`, ``made`` says when, where and
    with what it was made (for people), ``thinking`` is in seconds a query.
    """

    key: str
    facts: dict[str, Any]
    packages: dict[str, str | None]
    budget: dict[str, float | None]
    first: int
    last: int
    rows: int
    fingerprint: str
    thinking: float
    made: dict[str, Any]
    name: str = ""
    format: int = 0

    @property
    def limits(self) -> Budget:
        """The budget of its runs."""
        return Budget(**self.budget)  # type: ignore[arg-type]


def pack(task: TableTask, table: pa.Table, about: dict[str, Any], *, level: int = 3) -> bytes:
    """A unit's record as an entry; ``about`` holds what the record does not know.

    The thinking time aside, `unpack` gives back the same bits. ``level`` is that of the
    compression, 1 to 22.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    thinking = table["thinking"].to_numpy()
    said = About(
        **about,
        first=int(table["seed"][0].as_py()),
        last=int(table["seed"][-1].as_py()),
        rows=len(table),
        fingerprint=record.fingerprint(table),
        thinking=float(thinking.mean()),
        format=FORMAT,
    )
    columns: dict[str, NDArray[Any]] = {
        "seed": table["seed"].to_numpy(),
        "arch": _numbers(task, table),
        "epochs": table["epochs"].to_numpy(),
        "replica": table["replica"].to_numpy(),
    }
    for name, narrow in _NARROW.items():
        if columns[name].max(initial=0) <= np.iinfo(narrow).max:
            columns[name] = columns[name].astype(narrow)
    free = said.facts["duplicates"] == "free"
    rebuilt = rebuild(task, columns, free=free, thinking=said.thinking)
    if record.about(rebuilt)["fingerprint"] != said.fingerprint:
        for name in ("charged", "start"):
            if not rebuilt[name].equals(table[name]):
                columns[name] = table[name].to_numpy()
        rebuilt = rebuild(task, columns, free=free, thinking=said.thinking)
    if record.about(rebuilt)["fingerprint"] != said.fingerprint:
        raise BadEntry(f"the record of {task.id} does not follow from its table")
    kept = pa.table(columns)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        kept.schema,
        compression="zstd",
        compression_level=level,
        use_dictionary=["epochs", "seed"],
        # High and low bytes apart: most numbers of spellings need two of their four.
        column_encoding={"arch": "BYTE_STREAM_SPLIT"},
        write_page_checksum=True,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        writer.write_table(kept)
        writer.add_key_value_metadata({_NOTE: json.dumps(asdict(said))})
    return buffer.getvalue()


def _numbers(task: TableTask, table: pa.Table) -> NDArray[np.int64]:
    """(n,) the number of the spelling that each row asked for."""
    archs = table["arch"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    if type(task.space).index is SearchSpace.index:
        numbers: NDArray[np.int64] = np.ravel_multi_index(tuple(archs.T), task.space.sizes)
        return numbers
    spellings, inverse = np.unique(archs, axis=0, return_inverse=True)
    numbers = np.array([task.space.index(tuple(arch)) for arch in spellings.tolist()], np.int64)
    return numbers[inverse.reshape(-1)]


def about(data: bytes) -> About:
    """What an entry says of itself, without its rows.

    Raises:
        BadEntry: if it is damaged or of another format.
    """
    return _about(metadata(data))


def metadata(data: bytes) -> dict[bytes, bytes]:
    """Return the notes in an entry's file, whatever its format.

    Raises:
        BadEntry: if it is damaged.
    """
    return dict(_open(data).metadata.metadata or {})


def _open(data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BadEntry(f"it is damaged ({str(error).splitlines()[0]})") from error


def _about(found: dict[bytes, bytes]) -> About:
    try:
        said = json.loads(found[_NOTE.encode()])
    except (KeyError, ValueError, RecursionError) as error:
        raise BadEntry("it is no vault entry") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        form = said.get("format") if isinstance(said, dict) else said
        raise BadEntry(f"it has format {form!r}, this version reads {FORMAT}")
    try:
        made = About(**said)
    except TypeError as error:
        raise BadEntry("what it says of itself is incomplete") from error
    numbers = (made.first, made.last, made.rows, made.thinking)
    texts = (made.key, made.fingerprint)
    tables = (made.facts, made.packages, made.budget, made.made)
    if not (
        all(isinstance(n, (int, float)) for n in numbers)
        and all(isinstance(t, str) for t in texts)
        and all(isinstance(t, dict) for t in tables)
    ):
        raise BadEntry("what it says of itself is incomplete")
    try:
        made.limits  # noqa: B018 - whether it is a budget
    except (NasarenaError, TypeError) as error:
        raise BadEntry("what it says of its budget is no budget") from error
    return made


def unpack(task: TableTask, data: bytes) -> pa.Table:
    """The record that an entry stands for, rebuilt from the table, its fingerprint compared.

    Raises:
        BadEntry: if it is damaged, of another format, or not what the table gives.
    """
    said = about(data)
    found = columns(data)
    if not set(_NARROW) <= set(found) <= {*_NARROW, "charged", "start"}:
        raise BadEntry(f"it has the columns {', '.join(found)}")
    duplicates = said.facts.get("duplicates")
    if duplicates is None:
        raise BadEntry("it does not say what duplicates cost")
    table = rebuild(task, found, free=duplicates == "free", thinking=said.thinking)
    if record.about(table)["fingerprint"] != said.fingerprint:
        raise BadEntry("its rows do not give the record that it was made from")
    return table


def columns(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the columns of an entry by name, (n,) each.

    Raises:
        BadEntry: if it is damaged.
    """
    import pyarrow as pa

    file = _open(data)
    try:
        bounds.check_parquet(file.metadata, len(data), "it")
        read = file.read(use_threads=False).columns
        return {
            name: column.to_numpy()
            for name, column in zip(file.schema_arrow.names, read, strict=True)
        }
    except (OSError, pa.ArrowException, LookupError, ValueError, TypeError) as error:
        raise BadEntry(f"it is damaged ({str(error).splitlines()[0]})") from error


def rebuild(
    task: TableTask, columns: dict[str, NDArray[Any]], *, free: bool, thinking: float
) -> pa.Table:
    """Return the record that an entry's columns stand for.

    Args:
        task: the task of its runs.
        columns: what `columns` reads.
        free: whether repeats cost nothing.
        thinking: seconds a query.

    Raises:
        BadEntry: if a row names what the table does not have.
    """
    import pyarrow as pa

    try:
        return _rebuild(task, columns, free, thinking)
    except (pa.ArrowException, LookupError, ValueError, TypeError) as error:
        raise BadEntry(f"it is damaged ({str(error).splitlines()[0]})") from error


def _rebuild(
    task: TableTask, columns: dict[str, NDArray[Any]], free: bool, thinking: float
) -> pa.Table:
    """The record. Raises ValueError or IndexError on numbers that the table does not have."""
    seeds, keys = columns["seed"].astype(np.int32), columns["arch"].astype(np.int64)
    known = np.array(task.table.epochs)
    epochs = np.searchsorted(known, columns["epochs"]).astype(np.int64)
    replicas = columns["replica"].astype(np.int64)
    rows = task.table.row_of[keys].astype(np.int64)
    if free:
        rows = _first_rows(task, seeds, keys, rows, columns.get("charged"))
    if len(keys) and (
        keys.min() < 0
        or rows.min() < 0
        or epochs.max() >= len(known)
        or not np.array_equal(known[epochs], columns["epochs"])
        or replicas.min() < -1
        or replicas.max() >= task.table.replicas
        or (seeds[1:] < seeds[:-1]).any()
    ):
        raise ValueError("a row names what the table does not have")
    places = task.place(rows, epochs, replicas)
    charged = columns.get("charged")
    if charged is None:
        charged = task.values("seconds", places)
    start = columns.get("start")
    if start is None:
        start, finish = _one_after_the_other(seeds, charged)
    else:
        finish = start + charged
    return record.assemble(
        task,
        seeds=seeds,
        keys=keys,
        answered=record.answered(task, places),
        charged=charged,
        start=start,
        finish=finish,
        thinking=np.full(len(keys), thinking),
        about={},
    )


def _first_rows(
    task: TableTask,
    seeds: NDArray[np.int32],
    keys: NDArray[np.int64],
    rows: NDArray[np.int64],
    charged: NDArray[np.float64] | None,
) -> NDArray[np.int64]:
    """(n,) the rows that answered where repeats are free: that of the spelling that was charged."""
    order = np.arange(len(keys))
    if charged is not None:
        order = np.argsort(charged == 0, kind="stable")
    networks = task.table.canonical[keys].astype(np.int64)
    runs = (seeds.astype(np.int64) * len(task.table.canonical) + networks)[order]
    _, first, inverse = np.unique(runs, return_index=True, return_inverse=True)
    answered = np.empty_like(rows)
    answered[order] = rows[order[first[inverse]]]
    return answered


def _one_after_the_other(
    seeds: NDArray[np.int32], charged: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) start and finish where each query of a run starts when the one before it ends."""
    edges = np.flatnonzero(np.diff(seeds, prepend=-1, append=-1))
    start, finish = np.empty(len(charged)), np.empty(len(charged))
    for begin, end in pairwise(edges.tolist()):
        # Added up one after the other, as the runner's clock does.
        np.cumsum(charged[begin:end], out=finish[begin:end])
        start[begin] = 0.0
        start[begin + 1 : end] = finish[begin : end - 1]
    return start, finish


def shorten(
    table: pa.Table, had: Budget, wanted: Budget, *, free: bool
) -> dict[int, pa.Table] | None:
    """By seed, the part of each run within ``wanted``; None if some run may have gone on.

    Good for one worker and a strategy that does not look at the budget: then a shorter run is the
    beginning of a longer one. ``free`` says whether repeats cost nothing and do not count.
    """
    if had != wanted and (had.epochs is not None or wanted.epochs is not None):
        return None  # the record does not tell how many epochs were charged
    seeds = table["seed"].to_numpy()
    edges = np.flatnonzero(np.diff(seeds, prepend=-1, append=-1))
    charged, finish = table["charged"].to_numpy(), table["finish"].to_numpy()
    found = {}
    for begin, end in pairwise(edges.tolist()):
        length: int | None = end - begin
        if had != wanted:
            counts = charged[begin:end] > 0 if free else np.ones(end - begin, bool)
            length = _length(np.cumsum(counts), finish[begin:end], had, wanted)
        if length is None:
            return None
        found[int(seeds[begin])] = table.slice(begin, length)
    return found


def _length(
    queries: NDArray[np.int64], finish: NDArray[np.float64], had: Budget, wanted: Budget
) -> int | None:
    """How many answers of a run are within ``wanted``; None if the run was cut off before."""
    ends = []
    if wanted.queries is not None and queries[-1] >= wanted.queries:
        ends.append(int(np.searchsorted(queries, wanted.queries)) + 1)
    if wanted.seconds is not None and finish[-1] > wanted.seconds:
        ends.append(int(np.searchsorted(finish, wanted.seconds, side="right")))
    if ends:
        return min(ends)
    if had.queries is not None and queries[-1] >= had.queries:
        return None
    # It met its deadline, or its strategy had nothing more to ask.
    late = wanted.seconds is not None and wanted.seconds <= (had.seconds or 0)
    return len(queries) if had.seconds is None or late else None
