"""How often the gate is wrong, and how often it sees what is there: by simulation.

    python docs/gate_error_rates.py            # prints the table
    python docs/gate_error_rates.py --write    # and puts it into docs/regression-tracking.md

A gate here is twelve strategies, each with a baseline and a current value a seed. Where nothing
changed, both come from one distribution. Where something is planted, one of the twelve has its
current values shifted by what the gate says it can find in 80 % of cases.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry
from nasarena.reports.gate.gate import Options, Pair, Verdict, compare_metric, settle
from nasarena.reports.stats import evidence
from nasarena.reports.stats.sequential import plan, weights

PAGE = Path(__file__).with_name("regression-tracking.md")
STRATEGIES = 12
ALPHA = 0.05
Sampler = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def normal(rng, n):
    seed = rng.normal(0, 1, n)
    return seed + rng.normal(0, 1, n), seed + rng.normal(0, 1, n)


def skewed(rng, n):
    """Log-normal with a long tail: a few runs are far worse than the rest."""
    return rng.lognormal(0, 1, n), rng.lognormal(0, 1, n)


def tied(rng, n):
    """As on a small table: half of the runs end at one of three values, many pairs are equal."""
    values = np.array([0.0, 0.0, 0.0, 0.1, 0.25, 0.4, 0.9])
    return rng.choice(values, n), rng.choice(values, n)


@cache
def _pool(runs: int = 3000) -> np.ndarray:
    """Final regrets of regularized evolution on a real table, 100 queries."""
    task = registry.task("nasbench201/cifar10")
    factory = registry.strategy_factory("regularized-evolution")
    settings = {"population_size": 15, "sample_size": 5}
    truth = task.truth("validation")
    found = []
    for seed in range(runs):
        run = run_seed(task, factory, settings, seed, Budget(queries=100))
        best = min(run.answers, key=lambda answer: answer.observation.losses[0])
        found.append(truth[best.row] - task.optimum["validation"])
    return np.array(found)


def real(rng, n):
    drawn = rng.choice(_pool(), 2 * n, replace=False)
    return drawn[:n], drawn[n:]


SAMPLERS: dict[str, Sampler] = {
    "normal, paired": normal,
    "skewed": skewed,
    "many ties": tied,
    "evolution on NAS-Bench-201": real,
}


class Rates(NamedTuple):
    """Shares of simulated gates; ``seeds`` is the mean that the planted pair needed."""

    alarms: float
    wrongly_equal: float
    found: float
    seeds: float


def _gate(old, new, n, looks, margin) -> list[Verdict]:
    stated = {} if margin is None else {"final": margin}
    options = Options(alpha=ALPHA, metrics=("final",), margin=stated, looks=looks)
    pairs = [
        Pair("task", str(i), Verdict.CHANGED, n, (compare_metric("final", "", a, b, options),))
        for i, (a, b) in enumerate(zip(old, new, strict=True))
    ]
    return [pair.verdict for pair in settle(pairs, options)]


def _judge(old, new, looks, margin=None) -> tuple[list[Verdict], int]:
    """The verdicts, and how many seeds a sequential gate needed for the first strategy."""
    total = len(old[0])
    if not looks:
        return _gate(old, new, total, (), margin), total
    used = [total] * len(old)
    verdicts: list[Verdict] = []
    for n in looks:
        cut = [min(n, u) for u in used]
        parts = [[side[:c] for side, c in zip(s, cut, strict=True)] for s in (old, new)]
        verdicts = _gate(*parts, n, looks, margin)
        settled = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.EQUIVALENT)
        used = [min(u, n) if v in settled else u for u, v in zip(used, verdicts, strict=True)]
    return verdicts, used[0]


def _draw(sampler: Sampler, rng, seeds: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    drawn = [sampler(rng, seeds) for _ in range(STRATEGIES)]
    return [old for old, _ in drawn], [new for _, new in drawn]


def rates(
    sampler: Sampler, seeds: int, gates: int, *, quiet: int = 0, block: int = 0, seed: int = 0
) -> Rates:
    """Simulate ``quiet`` gates where nothing changed (2 ``gates``, if 0), then where something did.

    A shift of one strategy by what can be found, then a shift of all by the margin itself, which
    here is one standard deviation of the differences.
    """
    rng = np.random.default_rng([seed, seeds, block])
    looks = plan(seeds, block) if block else ()
    old, new = sampler(rng, 1000)
    margin = float((new - old).std(ddof=1))
    share = weights(looks)[-1] if looks else 1.0
    shift = evidence.detectable(margin, seeds, share * ALPHA / STRATEGIES)
    loud = {Verdict.REGRESSED, Verdict.IMPROVED}
    quiet = quiet or 2 * gates
    alarms = sum(
        bool(loud & {*_judge(*_draw(sampler, rng, seeds), looks)[0]}) for _ in range(quiet)
    )
    equal = found = used = 0
    for _ in range(gates):
        olds, news = _draw(sampler, rng, seeds)
        verdicts, count = _judge(olds, [news[0] + shift, *news[1:]], looks)
        found += verdicts[0] is Verdict.REGRESSED
        used += count
        verdicts, _ = _judge(olds, [values + margin for values in news], looks, margin)
        equal += Verdict.EQUIVALENT in verdicts
    return Rates(alarms / quiet, equal / gates, found / gates, used / gates)


def table(gates: int) -> Iterator[str]:
    """The rows of the table, in Markdown."""
    yield "| results | seeds | gate | false alarms | wrongly equivalent | planted shift found |"
    yield "| --- | ---: | --- | ---: | ---: | ---: |"
    for name, sampler in SAMPLERS.items():
        for seeds, block in ((12, 0), (20, 0), (50, 0), (50, 13)):
            r = rates(sampler, seeds, gates, block=block)
            kind = f"sequential, found after {r.seeds:.0f}" if block else "all at once"
            yield (
                f"| {name} | {seeds} | {kind} | {100 * r.alarms:.1f} % | "
                f"{100 * r.wrongly_equal:.1f} % | {100 * r.found:.1f} % |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=200, help="gates a row with something planted")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    asked = parser.parse_args()
    lines = []
    for line in table(asked.gates):
        print(line, flush=True)
        lines.append(line)

    joined = "\n".join(lines)
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        marked = re.compile(r"(<!-- table of error rates -->\n).*?(\n<!-- end -->)", re.DOTALL)
        PAGE.write_text(marked.sub(rf"\1{joined}\2", text), encoding="utf-8")


if __name__ == "__main__":
    main()
