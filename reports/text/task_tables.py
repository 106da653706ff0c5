"""One task's table: where every strategy ended, with how far its runs spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..record.curves import Block
from ..stats.regret import Floats, last
from .tables import Table, number, plus_minus


def task_tables(blocks: Sequence[Block], labels: Sequence[str]) -> list[Table]:
    """A table for each metric of the task that has values, its strategies in order of the mean."""
    found = [_table(blocks, labels, metric) for metric in ("validation", "test")]
    return [table for table in found if table is not None]


def _table(blocks: Sequence[Block], labels: Sequence[str], metric: str) -> Table | None:
    own = {block.strategy: block for block in blocks}
    finals = {label: last(getattr(own[label], metric)) for label in labels if label in own}
    means = {label: _mean(values) for label, values in finals.items()}
    if all(np.isnan(mean) for mean in means.values()):
        return None
    order = sorted(means, key=lambda label: (np.isnan(means[label]), means[label]))
    rows = [_row(label, finals[label], own[label].failed) for label in order]
    least = min(mean for mean in means.values() if not np.isnan(mean))
    bold = frozenset((i, 1) for i, label in enumerate(order) if means[label] == least)
    header = ["strategy", "mean ± std", "median", "least", "largest", "runs", "failed queries"]
    return Table(f"final-{metric}", f"Final {metric} regret of each strategy", header, rows, bold)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _row(label: str, values: Floats, failed: int) -> list[str]:
    known = values[~np.isnan(values)]
    runs = str(len(known)) + (f" of {len(values)}" if len(known) < len(values) else "")
    if len(known) == 0:
        return [label, "–", "–", "–", "–", runs, str(failed)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else np.nan
    numbers = (np.median(known), known.min(), known.max())
    return [
        label,
        plus_minus(float(known.mean()), spread),
        *(number(float(value)) for value in numbers),
        runs,
        str(failed),
    ]
