"""A fixed piece of work: how fast this machine is right now.

Times divided by it can be compared between machines, as far as one loop can stand for all work.
It does what strategies and the runner do most: draw numbers, build tuples, look them up, and a
little of numpy.
"""

from __future__ import annotations

from random import Random
from time import perf_counter

VERSION = 1
"""Goes up whenever `work` changes: ratios to another version's loop cannot be compared."""


def work() -> float:
    """The loop itself, some milliseconds; the result only keeps it from being skipped."""
    import numpy as np

    rng = Random(0)
    seen: dict[tuple[int, ...], float] = {}
    for _ in range(2000):
        key = tuple([int(rng.random() * 5) for _ in range(6)])
        seen[key] = min(seen.get(key, 1.0), rng.random())
    values = np.array(sorted(seen.values()))
    for _ in range(20):
        values = np.sqrt(values * values + 1e-9)
    return float(values.sum())


def measure(rounds: int = 30) -> list[float]:
    """Real seconds that ``rounds`` runs of the loop take, after one that warms up."""
    work()
    found = []
    for _ in range(rounds):
        begin = perf_counter()
        work()
        found.append(perf_counter() - begin)
    return found
