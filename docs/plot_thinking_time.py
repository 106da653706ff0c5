"""Draws how the time that strategies take to think grows with the queries.

    python docs/plot_thinking_time.py docs/thinking-time.png

Each strategy is asked and told from a dictionary, without the arena around it, and every run
ends when it has taken a minute. The least of three runs counts, one where it takes seconds.
"""

from __future__ import annotations

import sys
from random import Random
from time import perf_counter
from typing import Any

from nasarena.bench import Problem
from nasarena.bench.core.runner import stream
from nasarena.bench.experiment import registry

MARKS = (100, 200, 500, 1000, 2000)
LIMIT = 60.0
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gp-wl": ("gp", {"kernel": "weisfeiler-lehman"}),
    "ppo-lstm": ("ppo", {"controller": "lstm"}),
    "reinforce-lstm": ("reinforce", {"controller": "lstm"}),
}
SHOWN = {
    "no model": [
        "random",
        "local-search",
        "regularized-evolution",
        "genetic",
        "asha",
        "dehb",
        "nsga2",
        "zero-cost",
    ],
    "policy or model": [
        "reinforce",
        "ppo",
        "ppo-lstm",
        "gradient-descent",
        "bananas",
        "npenas",
        "gp",
        "random-forest",
        "bohb",
    ],
    "Optuna": ["optuna-random", "optuna-tpe", "optuna-gp", "optuna-cmaes", "optuna-nsgaii"],
}


def answers(task_id: str) -> tuple[Problem, dict[Any, Any]]:
    """A task's problem, and an observation of each of its architectures."""
    task = registry.task(task_id)
    evaluate = task.oracle(Random(0)).evaluate
    return task.problem, {arch: evaluate(arch).observation for arch in task.space}


def run(given: tuple[Problem, dict[Any, Any]], name: str, queries: int) -> int:
    """One run of so many queries; returns how many were made."""
    return len(times(given, name, queries))


def times(given: tuple[Problem, dict[Any, Any]], name: str, queries: int) -> list[float]:
    """Seconds from the start of a run to each of its answers."""
    problem, known = given
    name, settings = SETTINGS.get(name, (name, {}))
    factory = registry.strategy_factory(name)
    found: list[float] = []
    begin = perf_counter()
    strategy = factory(problem, stream(0, "thinking", 0, "strategy"), **settings)
    ask, tell = strategy.ask, strategy.tell
    while len(found) < queries and (not found or found[-1] < LIMIT):
        if (proposal := ask()) is None:
            break
        # A query is a tuple of three, an architecture here one of six.
        tell(known[proposal.arch if len(proposal) == 3 else proposal])
        found.append(perf_counter() - begin)
    return found


def draw(target: str) -> None:
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper")
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
    given = answers("nasbench201/cifar10")
    for axis, (title, names) in zip(axes, SHOWN.items(), strict=True):
        colors = sns.color_palette("husl", len(names))
        for name, color in zip(names, colors, strict=True):
            found = times(given, name, MARKS[-1])
            if found[-1] < 3:
                again = [times(given, name, MARKS[-1]) for _ in range(2)]
                found = [min(each) for each in zip(found, *again, strict=True)]
            marks = [mark for mark in MARKS if mark <= len(found)]
            axis.plot(marks, [found[m - 1] for m in marks], "o-", label=name, color=color, ms=3)
            print(f"{name:24}", *(f"{m}: {found[m - 1]:.4f} s" for m in marks), flush=True)
        axis.plot(MARKS, [1e-5 * m for m in MARKS], "k--", lw=0.8, label="10 µs a query")
        axis.plot(MARKS, [1e-7 * m * m for m in MARKS], "k:", lw=0.8, label="∝ queries²")
        axis.set(xscale="log", yscale="log", title=title, xlabel="queries")
        axis.set_xticks(MARKS, [f"{m:,}" for m in MARKS])
        axis.minorticks_off()
        axis.legend(fontsize=7, loc="upper left", ncols=2)
    axes[0].set(ylabel="thinking time of the run so far (s)", ylim=(1e-4, 1e3))
    figure.savefig(target, dpi=150)


if __name__ == "__main__":
    draw(sys.argv[1])
