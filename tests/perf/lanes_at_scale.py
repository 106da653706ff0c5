"""Hundreds of millions of queries in lanes: many strategies, all embedded tables, many seeds.

``python tests/perf/lanes_at_scale.py FOLDER`` runs 125 strategies (the six that have lanes, with
other settings each) on the 16 embedded tables, 1,000 seeds of 200 queries: 400 million queries in
2,000 units, files written. Says how long it took; the folder (9 GB) is left to be looked at.
"""

import argparse
import os
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment import experiment as experiments

VARIED = {
    "random": None,
    "regularized-evolution": "population_size",
    "local-search": None,
    "simulated-annealing": "patience",
    "genetic": "population_size",
    "reinforce": "momentum",
}


def strategies(count):
    """So many, the six in turn; those that have a setting to vary each time with another value."""
    for number, (name, setting) in enumerate(islice(cycle(VARIED.items()), count)):
        value = 10 + number // len(VARIED)
        varied = {setting: value / 100 if setting == "momentum" else value} if setting else {}
        yield {"name": name, "label": f"{name} {number}", **varied}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strategies", type=int, default=125)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    made = experiments.parse(
        {
            "tasks": ["nasbench201/*", "fcnet/*", "nasbench-graph/*"],
            "strategies": list(strategies(given.strategies)),
            "seeds": given.seeds,
            "budget": {"queries": given.queries},
            "lanes": True,
        }
    )
    begin = perf_counter()
    done = execute(given.folder, made, processes=given.processes)
    took = perf_counter() - begin
    failed = [each for each in done if each.error is not None]
    queries = sum(each.queries for each in done)
    processor = sum(each.cpu_seconds for each in done)
    size = sum(path.stat().st_size for path in given.folder.glob("runs/**/*.parquet"))
    print(
        f"{len(done):,} units, {len(failed)} failed, {queries:,} queries in {took:.0f} s on "
        f"{given.processes} cores, {queries / processor / 1e6:.2f} million a second of processor "
        f"time; {size / 1e9:.1f} GB, {size / queries:.0f} bytes a query"
    )
    for each in failed[:3]:
        print(each.error)


if __name__ == "__main__":
    main()
