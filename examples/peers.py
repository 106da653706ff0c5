"""Other libraries' optimizers beside random search: mean regret after 100 queries.

Run with ``python examples/peers.py [seeds]``. A library that is not installed is left out; each
comes with its extra, such as ``pip install "nasarena[nevergrad]"``. Prints a Markdown table.
"""

import sys
from math import sqrt
from time import perf_counter

import numpy as np

from nasarena.bench import registry
from nasarena.bench.runner import Budget, run_seed

TASK = "nasbench201/cifar10"
STRATEGIES = ("random", "nevergrad", "pymoo", "smac", "syne-tune")
QUERIES = 100


def regret(name: str, seed: int) -> float:
    """True regret, in points of validation accuracy, of the best that was seen."""
    task = registry.task(TASK)
    run = run_seed(task, registry.strategy_factory(name), {}, seed, Budget(queries=QUERIES))
    best = min(run.answers, key=lambda answer: answer.observation.losses)
    truth = task.truth("validation")
    return float(truth[best.row] - np.nanmin(truth))


def main(seeds: int) -> None:
    print("| strategy | regret | standard error | less than random by | ± | seconds a run |")
    print("| --- | --- | --- | --- | --- | --- |")
    alone = np.array([regret("random", seed) for seed in range(seeds)])
    for name in STRATEGIES:
        begin = perf_counter()
        try:
            found = np.array([regret(name, seed) for seed in range(seeds)])
        except Exception as error:  # the runner wraps the missing package's error
            print(f"| {name} | left out: {error} |", file=sys.stderr)
            continue
        seconds = (perf_counter() - begin) / seeds
        better = alone - found
        numbers = (found.mean(), found.std(ddof=1) / sqrt(seeds), better.mean())
        spread = better.std(ddof=1) / sqrt(seeds)
        cells = " | ".join(f"{number:.3f}" for number in (*numbers, spread))
        print(f"| {name} | {cells} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
