"""One's own table: CSV or Parquet, one row an (architecture, epochs, replica)."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bounds import UNPACK_ERRORS, read_parquet, unpacked
from ..table import BadFile, Column, Table
from . import Format, Imported, Progress
from .description import Description, load

if TYPE_CHECKING:
    import pandas as pd

_EMPTY = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "None", "none")
"""How a table may say that there is no number."""


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """The one dataset of a table.

    Holds the table in memory as text and as numbers: about ten times the size of its numbers.
    """
    if len(files) != 1 or describe is None:
        raise BadFile(
            "a table of your own is one CSV or Parquet file and a description: expected "
            f"FILE --describe DESCRIPTION.toml, got {len(files)} files"
            + (" and no description" if describe is None else "")
        )
    described = load(describe)
    frame = read_frame(files[0])
    progress(0.5)
    try:
        yield arrange(frame, described)
    except BadFile as error:
        raise BadFile(f"{files[0]}: {error}") from error


def read_frame(path: Path, rows: int | None = None) -> pd.DataFrame:
    """The table as text, cell by cell; the first ``rows`` of it.

    Raises:
        BadFile: if it is no CSV, TSV or Parquet file, is truncated, or has no rows.
        FileNotFoundError: if there is no such file.
    """
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    path.stat()
    try:
        if ".parquet" in path.suffixes:
            frame: pd.DataFrame = read_parquet(path).to_pandas(ignore_metadata=True)
            frame = frame if rows is None else frame.head(rows)
            frame = frame.apply(lambda column: column.map(str, na_action="ignore").fillna(""))
        else:
            tab = ".tsv" in path.suffixes
            with unpacked(path) as file:
                frame = pd.read_csv(
                    file, sep="\t" if tab else ",", dtype=str, keep_default_na=False, nrows=rows
                )
    # All that a file of another kind, or half a file, can bring these readers to say.
    except (*UNPACK_ERRORS, pa.ArrowException) as error:
        raise BadFile(
            f"{path}: expected a CSV, TSV or Parquet file (.gz too), {type(error).__name__}: "
            f"{error}"
        ) from error
    if frame.empty:
        raise BadFile(f"{path} has no rows")
    return frame


def arrange(frame: pd.DataFrame, described: Description) -> Imported:
    """The rows of ``frame`` as the arrays of a table.

    Raises:
        BadFile: naming the first thing that does not fit.
    """
    missing = [name for name in described.used if name not in frame.columns]
    if missing:
        there = ", ".join(map(str, frame.columns))
        raise BadFile(f"there is no column {missing[0]!r}; the columns are: {there}")
    choices, codes = _decisions(frame, described)
    archs, arch = np.unique(codes, axis=0, return_inverse=True)
    if len(archs) < 2:
        raise BadFile("all rows are of one architecture: there is nothing to search")
    epochs, epoch = _epochs(frame, described)
    replicas, replica = _replicas(frame, described)
    shape = (len(archs), len(epochs), len(replicas))
    place = np.ravel_multi_index((arch, epoch, replica), shape) if _fits(shape, frame) else arch
    _no_duplicates(place, frame, described)
    columns, failed = _columns(frame, described, place, shape, epochs)
    kept, notes = _complete(columns, archs, described, choices)
    archs = archs[kept]
    if failed:
        notes.append(f"{failed} rows have no validation value: failed trainings, of loss inf")
    sizes = [len(choice) for choice in choices]
    pool = described.pool or len(archs) < prod(sizes)
    number = np.arange(len(archs), dtype=np.int32)
    table = Table(
        tuple(epochs),
        {name: np.ascontiguousarray(values[kept]) for name, values in columns.items()},
        spelling=number,
        canonical=number,
        row_of=number,
        extra={"members": archs.astype(np.int16)} if pool else {},
    )
    spelled = list(zip(described.decisions, map(list, choices), strict=True))
    seconds = described.cost.column if described.cost else Column("seconds", "s", False, "epochs")
    found = [one.column for one in described.measured if one.column.name != "seconds"]
    return Imported(
        described.name,
        described.dataset,
        table,
        (*found, seconds),
        {"name": described.name, "decisions": spelled, "pool": pool},
        described.citation or f"a table of one's own, {described.name}",
        tuple(notes),
    )


def _decisions(
    frame: pd.DataFrame, described: Description
) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    """What each decision chooses from, and (rows, decisions) the number of each choice."""
    choices, codes = [], np.empty((len(frame), len(described.decisions)), np.int64)
    for number, name in enumerate(described.decisions):
        values = frame[name].astype(str)
        named = described.choices.get(name) or _in_order(values.unique().tolist())
        number_of = {choice: code for code, choice in enumerate(named)}
        found = values.map(number_of)
        if found.isna().any():
            row = int(found.isna().to_numpy().argmax())
            raise BadFile(
                f"row {row + 1}: {name} is {values.iloc[row]!r}, which is not among its choices: "
                f"{', '.join(named)}"
            )
        if len(named) > np.iinfo(np.int16).max:
            raise BadFile(f"the decision {name!r} has {len(named)} choices: is it a measurement?")
        choices.append(tuple(named))
        codes[:, number] = found.to_numpy(dtype=np.int64)
    return choices, codes


def _in_order(values: list[str]) -> list[str]:
    """Numbers by size, else by the alphabet."""
    try:
        return sorted(values, key=lambda value: (float(value), value))
    except ValueError:
        return sorted(values)


def numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A column as numbers, NaN where it is empty.

    Raises:
        BadFile: if something else stands in it, naming the row.
    """
    import pandas as pd

    text = frame[name]
    found = pd.to_numeric(text.mask(text.isin(_EMPTY)), errors="coerce")
    wrong = (found.isna() & ~text.isin(_EMPTY)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise BadFile(f"row {row + 1}: {name}: expected a number, got {text.iloc[row]!r}")
    values: NDArray[np.float64] = found.to_numpy(dtype=np.float64, copy=True)
    return values


def _epochs(frame: pd.DataFrame, described: Description) -> tuple[list[int], NDArray[np.int64]]:
    """The epochs that there are, and (rows,) the place of each row's among them."""
    if isinstance(described.epochs, int):
        return [described.epochs], np.zeros(len(frame), np.int64)
    values = numbers(frame, described.epochs)
    wrong = ~(values >= 1) | (values != np.floor(values))
    if wrong.any():
        row = int(wrong.argmax())
        raise BadFile(
            f"row {row + 1}: {described.epochs}: expected whole epochs, 1 or more, got "
            f"{frame[described.epochs].iloc[row]!r}"
        )
    found, place = np.unique(values.astype(np.int64), return_inverse=True)
    return found.tolist(), place.astype(np.int64)


def _replicas(frame: pd.DataFrame, described: Description) -> tuple[list[str], NDArray[np.int64]]:
    """The training seeds that there are, and (rows,) the place of each row's among them."""
    if described.replica is None:
        return [""], np.zeros(len(frame), np.int64)
    values = frame[described.replica].astype(str)
    found = _in_order(values.unique().tolist())
    number_of = {value: number for number, value in enumerate(found)}
    return found, np.array([number_of[value] for value in values], np.int64)


def _fits(shape: tuple[int, int, int], frame: pd.DataFrame) -> bool:
    """True, or raises if the table would be nearly all holes, which no measured table is."""
    if prod(shape) > max(10_000_000, 50 * len(frame)):
        raise BadFile(
            f"{shape[0]:,} architectures at {shape[1]:,} epochs with {shape[2]:,} replicas are "
            f"{prod(shape):,} places for {len(frame):,} rows: do the epochs and replica columns "
            "hold what their names say?"
        )
    return True


def _no_duplicates(place: NDArray[Any], frame: pd.DataFrame, described: Description) -> None:
    order = np.argsort(place, kind="stable")
    same = np.flatnonzero(place[order][1:] == place[order][:-1])
    if len(same):
        first, second = order[same[0]], order[same[0] + 1]
        what = ", ".join(f"{name}={frame[name].iloc[first]}" for name in described.decisions)
        raise BadFile(
            f"rows {first + 1} and {second + 1} are of one architecture ({what}), at the same "
            "epochs with the same replica; name the column that tells them apart as `replica` or "
            "`epochs`, or remove one"
        )


def _columns(
    frame: pd.DataFrame,
    described: Description,
    place: NDArray[Any],
    shape: tuple[int, int, int],
    epochs: list[int],
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """The arrays of a table, and how many rows have no validation value."""
    columns: dict[str, NDArray[np.float64]] = {}
    failed = 0
    for one in described.measured:
        values = numbers(frame, one.source)
        values[np.isinf(values)] = np.nan
        if one is described.validation:
            failed = int(np.isnan(values).sum())
            if failed == len(values):
                raise BadFile(f"the validation column {one.source!r} holds no number")
        if one is described.cost and not (values >= 0).all():
            row = int((~(values >= 0)).argmax())
            raise BadFile(
                f"row {row + 1}: {one.source}: expected a cost in seconds, 0 or more, got "
                f"{frame[one.source].iloc[row]!r}"
            )
        flat = np.full(prod(shape), np.nan)
        flat[place] = values
        columns[one.column.name] = flat.reshape(shape)
    if described.cost is None:
        flat = np.full(prod(shape), np.nan)
        flat[place] = 0.0
        columns["seconds"] = flat.reshape(shape) + np.array(epochs, float)[:, None]
    return columns, failed


def _complete(
    columns: dict[str, NDArray[np.float64]],
    archs: NDArray[Any],
    described: Description,
    choices: list[tuple[str, ...]],
) -> tuple[NDArray[np.bool_], list[str]]:
    """(rows,) which architectures were trained to the last epochs, and what to say of it."""
    trained = ~np.isnan(columns["seconds"][:, -1])
    kept: NDArray[np.bool_] = np.logical_or.reduce(trained, axis=1)
    short = int((~kept).sum())
    if short and not described.drop_incomplete:
        spelled = zip(described.decisions, choices, archs[~kept][0], strict=True)
        what = ", ".join(f"{name}={choice[code]}" for name, choice, code in spelled)
        raise BadFile(
            f"{short} architectures have no row at the last epochs, the first of them {what}; "
            'with incomplete = "drop" they are left out'
        )
    if kept.sum() < 2:
        raise BadFile("fewer than two architectures were trained to the last epochs")
    notes = [f"{short} architectures without a row at the last epochs were left out"]
    return kept, notes if short else []


FORMAT = Format(
    name="table",
    title="your own table",
    files="FILE.csv or FILE.parquet, with --describe DESCRIPTION.toml",
    read=read,
)
