"""Other libraries' optimizers beside random search: mean regret after 100 queries.

Run with ``python examples/peers.py [seeds [strategy ...]]``. A library that is not
installed is left out; each comes with its extra, such as ``pip install "nasarena[nevergrad]"``.
Prints a Markdown table.
"""

import sys
from math import sqrt
from time import perf_counter

import numpy as np

from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry

TASK = "nasbench201/cifar10"
STRATEGIES = ("random", "nevergrad", "pymoo", "smac", "syne-tune")
QUERIES = 100
FIRST_SEED = 100  # defaults of nevergrad and pymoo were chosen on this task with seeds 0 to 9


def regret(name: str, seed: int) -> float:
    """True regret, in points of validation accuracy, of the best that was seen."""
    task = registry.task(TASK)
    run = run_seed(task, registry.strategy_factory(name), {}, seed, Budget(queries=QUERIES))
    best = min(run.answers, key=lambda answer: answer.observation.losses)
    truth = task.truth("validation")
    return float(truth[best.row] - np.nanmin(truth))


def main(count: int, names: list[str]) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    print("| strategy | seeds | regret | its error | less than random by | ± | seconds a run |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    alone = np.array([regret("random", seed) for seed in seeds])
    for name in names:
        begin = perf_counter()
        try:
            found = np.array([regret(name, seed) for seed in seeds])
        except Exception as error:  # the runner wraps the missing package's error
            print(f"| {name} | left out: {error} |", file=sys.stderr)
            continue
        seconds = (perf_counter() - begin) / count
        better = alone - found
        numbers = (found.mean(), found.std(ddof=1) / sqrt(count), better.mean())
        spread = better.std(ddof=1) / sqrt(count)
        cells = " | ".join(f"{number:.3f}" for number in (*numbers, spread))
        print(f"| {name} | {count} | {cells} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main(int((sys.argv[1:] or [20])[0]), sys.argv[2:] or list(STRATEGIES))
