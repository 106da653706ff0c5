"""NAS-Bench-201's official files: every epoch of every training.

Source: Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020 (arXiv:2001.00326), ``NAS-Bench-201-v1_0-e61699.pth`` and
``NAS-Bench-201-v1_1-096897.pth``, as its package ``nas-bench-201`` reads them.

Each cell was trained for 12 epochs, and anew for 200, each time with a learning rate that falls to
0 at the end. So a 12-epoch training is not the beginning of a 200-epoch one, and the two are two
benchmarks here, ``nasbench201-hp12`` and ``nasbench201-hp200``. What is validation and what test is
said in `nasarena.spaces.formats.trainings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..published.nasbench201 import SPACE
from ..table import BadFile
from . import Format, Imported, Progress
from .stream import torch_file
from .trainings import Collector, tables

CELLS = 15_625
"""How many a whole file has."""
BENCHMARKS = {"less": "nasbench201-hp12", "full": "nasbench201-hp200"}
CITATION = "Dong & Yang, NAS-Bench-201, ICLR 2020, arXiv:2001.00326"


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """Up to eight datasets, from one file. Holds less than 3 GB of numbers and indices at once."""
    if len(files) != 1:
        raise BadFile(f"expected one file, NAS-Bench-201-v1_….pth, got {len(files)}")
    path = files[0]
    collector = Collector(SPACE.spellings, lambda text: SPACE.index(SPACE.parse(text)))
    with torch_file(path, collector.take, lambda part: progress(0.8 * part)) as reader:
        try:
            found = reader.load()
        except BadFile as error:
            raise BadFile(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    wanted = {"meta_archs", "arch2infos", "evaluated_indexes"}
    if not isinstance(found, dict) or not wanted <= found.keys():
        keys = ", ".join(map(str, list(found)[:5])) if isinstance(found, dict) else type(found)
        raise BadFile(
            f"{path}: expected a dictionary with {', '.join(sorted(wanted))}, as versions 1.0 and "
            f"1.1 of NAS-Bench-201 have, got {keys}"
        )
    del found
    if collector.seen.sum() != CELLS:
        first = SPACE.describe(SPACE.arch(int(np.argmin(collector.seen))))
        raise BadFile(
            f"{path}: expected {CELLS:,} cells, got {int(collector.seen.sum()):,}; the first that "
            f"is missing is {first}"
        )
    for kind, benchmark in BENCHMARKS.items():
        yield from tables(collector, kind, benchmark, SPACE, "nasbench201", CITATION)
    progress(1.0)


FORMAT = Format(
    name="nasbench201",
    title="NAS-Bench-201, every epoch",
    files="NAS-Bench-201-v1_0-e61699.pth or NAS-Bench-201-v1_1-096897.pth",
    read=read,
)
