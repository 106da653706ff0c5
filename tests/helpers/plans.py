"""Experiments on the toy task, and the bits that come of them."""

from pathlib import Path

from nasarena.bench.core import record
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.store import store

HERE = Path(__file__).parent


TASK = f"{HERE}/toy.py:BENCHMARK/a"


def plan(*strategies, **keys):
    names = [s if s == "random" else f"{HERE}/plugins.py:{s}" for s in strategies or ("random",)]
    given = {"tasks": [TASK], "strategies": names, "seeds": 3, "budget": {"queries": 5}}
    return experiments.parse(given | keys)


def bits(root):
    return {
        str(path.relative_to(root)): record.fingerprint(store.read_unit(path))
        for path in sorted(root.glob("runs/**/*.parquet"))
    }


def both(good):
    """The bits of slow and good: they propose the same."""
    return good | {name.replace("good", "slow"): value for name, value in good.items()}
