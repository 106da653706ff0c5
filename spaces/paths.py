"""Numbers the paths of cell spaces, for path encodings."""

from __future__ import annotations

from functools import cache
from itertools import product


@cache
def path_numbers(operations: tuple[str, ...], longest: int) -> dict[tuple[str, ...], int]:
    """Every sequence of one to ``longest`` operations and its number, the short ones first."""
    lengths = range(1, longest + 1)
    paths = (path for length in lengths for path in product(operations, repeat=length))
    return {path: number for number, path in enumerate(paths)}
