"""Reading big results folders without holding them: unit by unit, or as a dataset that is scanned.

`store.read` gives a data frame of everything. What is here reads a unit, a filtered stream of
batches, or hands out a ``pyarrow.dataset.Dataset`` for whoever knows how to ask one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._base.errors import StoreError
from . import manifest as manifests
from . import store, unit_file
from .unit_index import Part as Part
from .unit_index import UnitIndex

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

BATCH = 1 << 17
"""Rows of a batch at most."""


def units(root: str | os.PathLike[str]) -> list[Part]:
    """Every finished unit as it was written, in the experiment's order, then by first seed.

    Raises:
        StoreError: if ``root`` is no results folder, a unit's footer is damaged, a file does not
            belong where it lies, or two hold the same seeds.
    """
    manifest = manifests.read(root)
    index = UnitIndex(root)
    tasks, labels = manifest.experiment.tasks, manifest.specs
    found = [part for task in tasks for label in labels for part in index.parts(task, label)]
    index.save()
    return found


def read_parts(parts: Iterable[Part], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The record of each unit, in this order, its checksums verified.

    Of a compacted file no more than the rows asked for are held, and it is opened once for units
    that follow one another.

    Raises:
        StoreError: if a file is damaged, or does not hold the columns.
    """
    for path, own in groupby(parts, key=lambda part: part.path):
        yield from unit_file.pieces(path, [(part.start, part.rows) for part in own], columns)


def dataset(
    root: str | os.PathLike[str],
    tasks: Iterable[str] | None = None,
    strategies: Iterable[str] | None = None,
) -> ds.Dataset:
    """The finished units as one dataset, with ``task`` and ``strategy`` columns before the others.

    Nothing is read before the dataset is asked, and of what is asked only the files, row groups
    and columns that matter: a filter on task, strategy or seed opens no other file. Files are in
    the experiment's order, then by first seed. Footers are verified here, and the checksums of
    pages when they are read; the seal of a whole file is not, that would read all of it.

    Raises:
        StoreError: if ``root`` is no results folder, or holds no finished unit of those named.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow import fs

    manifest = manifests.read(root)
    keep_tasks, keep_labels = _wanted(tasks), _wanted(strategies)
    index = UnitIndex(root)
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    system = fs.LocalFileSystem()
    fragments: list[Any] = []
    schemas: dict[str, Any] = {}
    for task in filter(keep_tasks, manifest.experiment.tasks):
        for label in filter(keep_labels, manifest.specs):
            here = (ds.field("task") == task) & (ds.field("strategy") == label)
            for (first, last), path in store.apart(Path(root), task, label).items():
                list(index.parts_of(store.Unit(task, label, first, last), path))  # its footer holds
                seeds = (ds.field("seed") >= first) & (ds.field("seed") <= last)
                fragment = form.make_fragment(str(path), system, here & seeds)
                fragments.append(fragment)
                schemas.setdefault(task, fragment)
    index.save()
    if not fragments:
        raise StoreError(f"{root} holds no finished unit of the tasks and strategies asked for")
    try:
        known = [each.physical_schema.remove_metadata() for each in schemas.values()]
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{root} is damaged: {str(error).splitlines()[0]}") from error
    names = pa.schema([("task", pa.string()), ("strategy", pa.string())])
    whole = pa.unify_schemas([names, *known])
    return ds.FileSystemDataset(fragments, whole, form, system)


def _wanted(names: Iterable[str] | None) -> Any:
    kept = None if names is None else set(names)
    return lambda name: kept is None or name in kept


def filtered(
    root: str | os.PathLike[str],
    where: str | None = None,
    columns: Sequence[str] | None = None,
    tasks: Iterable[str] | None = None,
    strategies: Iterable[str] | None = None,
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows that meet ``where`` (see `condition`), batch by batch, sorted as `store.read` sorts.

    Files that cannot hold any such row are not opened; of the others every byte is verified.

    Raises:
        StoreError: if ``root`` is no results folder or damaged, or a column is unknown.
    """
    import pyarrow as pa

    whole = dataset(root, tasks, strategies)
    unknown = [name for name in columns or () if name not in whole.schema.names]
    if unknown:
        known = ", ".join(whole.schema.names)
        raise StoreError(f"no column {unknown[0]!r}; expected some of {known}")
    chosen = None if where is None else condition(where, whole.schema)
    options: dict[str, Any] = {
        "columns": None if columns is None else list(columns),
        "filter": chosen,
        "batch_size": BATCH,
        "batch_readahead": 2,
    }

    def batches() -> Iterator[pa.RecordBatch]:
        for fragment in whole.get_fragments(chosen):
            path = Path(fragment.path)
            if problem := store.damage(path):
                raise unit_file.damaged(path, ValueError(problem))
            try:
                found = fragment.scanner(schema=whole.schema, **options).to_batches()
                yield from (batch for batch in found if batch.num_rows)
            except (OSError, pa.ArrowException) as error:
                raise unit_file.damaged(path, error) from error

    return whole.scanner(**options).projected_schema, batches()


_TERM = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>|=)\s*('[^']*'|[-+.\w]+)\s*")


def condition(text: str, schema: pa.Schema) -> ds.Expression:
    """A filter from words such as ``validation < -94 and step <= 10 and strategy == 'random'``.

    Raises:
        StoreError: if the text is no such filter, or a column is unknown.
    """
    import operator

    import pyarrow as pa
    import pyarrow.dataset as ds

    compare = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "=": operator.eq,
        "==": operator.eq,
        "!=": operator.ne,
    }
    found = None
    for part in re.split(r"\band\b", text):
        term = _TERM.fullmatch(part)
        if term is None:
            raise StoreError(
                f"cannot read {part.strip()!r}; expected column, comparison and value, such as "
                "\"validation < -94 and strategy == 'random'\""
            )
        name, sign, said = term.groups()
        if name not in schema.names:
            raise StoreError(f"no column {name!r}; expected one of {', '.join(schema.names)}")
        kind = schema.field(name).type
        try:
            value = said[1:-1] if said.startswith("'") else said
            known = pa.scalar(value if pa.types.is_string(kind) else float(value))
        except ValueError:
            raise StoreError(f"{name}: expected a number, got {said}") from None
        if pa.types.is_list(kind):
            raise StoreError(f"{name} is a list and cannot be compared with {said}")
        expression = compare[sign](ds.field(name), known)
        found = expression if found is None else found & expression
    return found
