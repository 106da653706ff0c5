"""Measures what docs/live.md says of weight sharing: what it finds beside random search, and what a
search costs in trainings of the same run, on cells for digits and by the table of CIFAR-10.

python docs/weight_sharing_and_random.py [--seeds 2] [--epochs 10]
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import numpy as np

from nasarena.bench.core.runner import Budget, Run, run_seed
from nasarena.bench.experiment import registry
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training

TRAINING = Training(epochs=(3,), device="cpu")
BENCHMARK = LiveBenchmark(
    {
        "cells": LiveSetup(
            "digits", space="nasarena.spaces.published.nasbench201:SPACE", training=TRAINING
        ),
        "by-table": LiveSetup("digits", table="nasbench201/cifar10", training=TRAINING),
    }
)
RATE = {"architecture_learning_rate": 0.02}


def strategies(epochs: int) -> dict[str, tuple[str, dict[str, Any], int]]:
    """By what the table calls it: the strategy, its settings and its queries."""
    return {
        "random": ("random", {}, 4),
        "random, more queries": ("random", {}, 12),
        "random-weight-sharing": ("random-weight-sharing", {"epochs": epochs, "paths": 50}, 4),
        "spos": ("spos", {"epochs": epochs, "population_size": 10, "iterations": 5, "top": 5}, 4),
        "gdas": ("gdas", {"epochs": epochs, "searches": 1, **RATE}, 4),
        "darts, first order": (
            "darts",
            {"order": 1, "epochs": max(2 * epochs // 5, 1), "searches": 1, **RATE},
            4,
        ),
    }


def the_task(dataset: str) -> Any:
    """Under the id with which the guide's figures were measured: random streams depend on it."""
    return BENCHMARK.task(f"mine.py:BENCHMARK/{dataset}", dataset)


def row(task: Any, run: Run, training: float) -> str:
    """First and best validation accuracy, the test accuracy of the best, cost of the search."""
    best = int(np.argmin([answer.observation.losses[0] for answer in run.answers]))
    # Where a table answers, the truth is averaged over its training seeds.
    revealed = task.reveal([answer.observation.query for answer in run.answers])
    validation, test = -np.array(revealed["validation"]), -revealed["test"][best]
    search = sum(answer.cost - answer.observation.seconds for answer in run.answers)
    shown = f"{validation[0]:6.1f} {validation[best]:6.1f} {test:6.1f} {search:8.1f} s"
    return shown + (f" = {search / training:4.1f} trainings" if training else "")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    print(f"{'':34} {'first':>6} {'best':>6} {'test':>6} {'search':>8}")
    for dataset in BENCHMARK.datasets:
        task = the_task(dataset)
        training = 0.0
        for name, (strategy, settings, queries) in strategies(options.epochs).items():
            for seed in range(options.seeds):
                factory, budget = registry.strategy_factory(strategy), Budget(queries=queries)
                run = run_seed(task, factory, settings, seed, budget)
                if name == "random, more queries" and dataset == "cells":
                    seconds = [answer.observation.seconds for answer in run.answers]
                    training = float(np.mean(seconds))
                print(f"{dataset:9} {name:22} {seed} {row(task, run, training)}", flush=True)


if __name__ == "__main__":
    main()
