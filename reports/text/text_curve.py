"""Regret curves as text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..record.curves import Block
from .tables import number

_MARKS = "ox+*"


def draw(blocks: Sequence[Block], *, width: int = 64, height: int = 14) -> str:
    """Mean validation regret by queries (both axes logarithmic), one mark a block.

    Where two curves meet, the mark of the later block is seen. Regrets of 0 or less lie on the
    lowest line.
    """
    end = max(float(np.nanmax(block.queries)) for block in blocks)
    grid = np.unique(np.round(np.geomspace(1, max(end, 1), width)))
    means = [block.against("queries", "validation", grid).mean(axis=0) for block in blocks]
    positive = np.concatenate([mean[mean > 0] for mean in means])
    if len(positive) == 0:
        return "every mean regret is 0 or not known\n"
    low, high = np.log(positive.min()), np.log(positive.max())
    canvas = [[" "] * width for _ in range(height)]
    for mark, mean in zip(_MARKS, means, strict=False):
        for query, value in zip(grid, mean, strict=True):
            if np.isnan(value):
                continue
            share = 0.0 if value <= 0 or high == low else (np.log(value) - low) / (high - low)
            column = round((width - 1) * np.log(query) / np.log(max(end, 2)))
            canvas[height - 1 - round((height - 1) * share)][column] = mark
    left = [number(float(np.exp(high))), *[""] * (height - 2), number(float(np.exp(low)))]
    lines = [f"{text:>9} |{''.join(row).rstrip()}" for text, row in zip(left, canvas, strict=True)]
    lines.append(f"{'':>9} +{'-' * width}")
    lines.append(f"{'':>10}1{f'{end:g} queries':>{width}}")
    names = ", ".join(f"{m} {b.strategy}" for m, b in zip(_MARKS, blocks, strict=False))
    return "\n".join([f"mean validation regret: {names}", *lines]) + "\n"
