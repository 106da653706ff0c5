"""The commands ``nasarena store list | compact | filter``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..bench._base.errors import StoreError
from .options import JsonOption, split

app = typer.Typer(help="Look into, thin out and tidy results folders, also big ones.")

Results = Annotated[Path, typer.Argument(help="A results folder.")]


@app.command("list")
def list_(
    results: Results,
    units: Annotated[bool, typer.Option("--units", help="Every unit, not only totals.")] = False,
    as_json: JsonOption = False,
) -> None:
    """How many units, files, runs and rows a results folder holds of each task and strategy.

    Examples:

        nasarena store list results

        nasarena store list results --units --json
    """
    from ..bench.store import scan

    found = scan.units(results)
    pairs = _by_pair(found)
    if as_json:
        total = {key: sum(row[key] for row in pairs) for key in _COUNTS}
        facts: dict[str, Any] = {"results": str(results), **total, "pairs": pairs}
        if units:
            facts["list"] = [_unit_facts(part, results) for part in found]
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    elif units:
        _print_units(found, results)
    else:
        _print_pairs(pairs)


_COUNTS = ("units", "files", "seeds", "rows", "bytes")


def _by_pair(parts: list[Any]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    sizes: dict[tuple[str, str], dict[Path, int]] = {}
    for part in parts:
        key = part.unit[:2]
        row = found.setdefault(
            key, {"task": key[0], "strategy": key[1], **dict.fromkeys(_COUNTS, 0)}
        )
        row["units"] += 1
        row["seeds"] += part.unit.last - part.unit.first + 1
        row["rows"] += part.rows
        sizes.setdefault(key, {})[part.path] = part.size
    for key, files in sizes.items():
        found[key]["files"], found[key]["bytes"] = len(files), sum(files.values())
    return list(found.values())


def _unit_facts(part: Any, root: Path) -> dict[str, Any]:
    return {
        **part.unit._asdict(),
        "rows": part.rows,
        "file": part.path.relative_to(root).as_posix(),
        "fingerprint": part.fingerprint,
    }


def _print_units(parts: list[Any], root: Path) -> None:
    lines = [("task", "strategy", "seeds", "rows", "fingerprint", "file")]
    for part in parts:
        unit = part.unit
        lines.append(
            (
                unit.task,
                unit.label,
                f"{unit.first}-{unit.last}",
                f"{part.rows:,}",
                part.fingerprint or "-",
                part.path.relative_to(root).as_posix(),
            )
        )
    widths = [max(len(row[i]) for row in lines) for i in range(5)]
    for row in lines:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        cells[3] = row[3].rjust(widths[3])
        print("  ".join([*cells, row[5]]))


def _print_pairs(pairs: list[dict[str, Any]]) -> None:
    lines: list[tuple[str, ...]] = [("task", "strategy", "units", "files", "seeds", "rows", "MB")]
    lines += [(row["task"], row["strategy"], *_numbers(row)) for row in pairs]
    total = {key: sum(row[key] for row in pairs) for key in _COUNTS}
    if len(pairs) != 1:
        lines.append(("total", "", *_numbers(total)))
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    for row in lines:
        cells = [
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _numbers(row: dict[str, Any]) -> list[str]:
    counts = [f"{row[key]:,}" for key in ("units", "files", "seeds", "rows")]
    return [*counts, f"{row['bytes'] / 1e6:,.1f}"]


@app.command()
def compact(
    results: Results,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of a file at most; 1,048,576 if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Join each task and strategy's small unit files into few large ones. Keeps every bit.

    May be stopped or killed at any moment and called again. Exit code 1: some files were left
    out. Example: nasarena store compact results
    """
    from ..bench.store.compaction import ROWS
    from ..bench.store.compaction import compact as join

    done = join(results, rows=rows or ROWS)
    for reason in done.left_out:
        print(f"nasarena: left as it is: {reason}", file=sys.stderr)
    if as_json:
        print(json.dumps(vars(done), indent=2, ensure_ascii=False))
    else:
        print(
            f"{done.files_before:,} files, {done.bytes_before / 1e6:,.1f} MB -> "
            f"{done.files_after:,} files, {done.bytes_after / 1e6:,.1f} MB"
        )
    if done.left_out:
        raise typer.Exit(1)


@app.command("filter")
def filter_(
    results: Results,
    where: Annotated[
        str | None, typer.Option(help="Such as: validation < -94 and step <= 10")
    ] = None,
    columns: Annotated[str | None, typer.Option(help="Columns, separated by commas.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Task ids, separated by commas.")] = None,
    strategies: Annotated[
        str | None, typer.Option(help="Labels of strategies, separated by commas.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .parquet or .csv file; only counted if not given.")
    ] = None,
) -> None:
    """Copy the rows that meet a condition to a file, or count them; reads a little at a time.

    Examples:

        nasarena store filter results --where "validation < -94 and step <= 100"

        nasarena store filter results --tasks nasbench201/cifar10 --columns seed,step,loss \
--out part.parquet
    """
    from ..bench.store import scan

    schema, batches = scan.filtered(results, where, split(columns), split(tasks), split(strategies))
    if out is None:
        print(f"{sum(batch.num_rows for batch in batches):,} rows")
        return
    print(f"{_write(schema, batches, out):,} rows: {out}")


def _write(schema: Any, batches: Any, out: Path) -> int:
    """Write the batches to ``out``, whole or not at all; how many rows there were."""
    from ..bench.store import store

    if out.exists():
        raise StoreError(f"{out} is there already")
    if out.suffix not in (".parquet", ".csv"):
        raise StoreError(f"{out}: expected a name that ends in .parquet or .csv")
    lists = [field.name for field in schema if str(field.type).startswith("list")]
    if out.suffix == ".csv" and lists:
        raise StoreError(
            f"{out}: a CSV file has no lists; name the --columns without {', '.join(lists)}"
        )
    rows = 0

    def fill(temporary: Path) -> None:
        nonlocal rows
        with _writer(out.suffix, schema, temporary) as writer:
            for batch in batches:
                rows += batch.num_rows
                writer.write_batch(batch)

    store.write_atomically(out, fill)
    return rows


def _writer(suffix: str, schema: Any, path: Path) -> Any:
    if suffix == ".csv":
        from pyarrow import csv

        return csv.CSVWriter(path, schema)
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, schema, compression="zstd")
