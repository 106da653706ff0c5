"""How fast the arena is, as ratios within one run. Nothing here fails for being slow.

``tox -e perf`` prints the figures; docs/performance.md keeps them.
"""

import subprocess
import sys
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time

import numpy as np
import optuna
import pytest
from msgspec.structs import replace

from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget, run_seed, stream
from nasarena.bench.core.task import TableTask
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.units import compute
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import registry
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.manifest import Manifest
from nasarena.bench.store.store import Unit

QUERIES = 200
BUDGET = Budget(queries=QUERIES)


def seconds(function, clock=perf_counter):
    begin = clock()
    function()
    return clock() - begin


def paired(ours, theirs, rounds=15):
    """Median over rounds of ours / theirs, taken in turns so that both meet the same noise.

    Processor time: other processes may hold the core in between.
    """
    ours(), theirs()
    each = (seconds(ours, process_time) / seconds(theirs, process_time) for _ in range(rounds))
    return median(each)


def report(capsys, text):
    with capsys.disabled():
        print(f"\n  {text}")


@pytest.fixture(scope="module")
def cifar10():
    return registry.task("nasbench201/cifar10")


@pytest.fixture(scope="module")
def observations(cifar10):
    """A plain dict with an observation of each architecture: what needs no arena."""
    # A task of its own, so that nothing is filled in beforehand for the runner.
    task = TableTask(cifar10.id, cifar10.benchmark, cifar10.dataset)
    evaluate = task.oracle(Random(0)).evaluate
    return {arch: evaluate(arch).observation for arch in task.space}


def evolution(task):
    """20 runs of regularized evolution, 200 queries each, through the runner and recorded."""
    factory = registry.strategy_factory("regularized-evolution")
    runs = {seed: run_seed(task, factory, {}, seed, BUDGET) for seed in range(20)}
    record.to_table(task, runs, {})


def test_runner_against_a_bare_loop(benchmark, capsys, cifar10, observations):
    """The same strategy with the same streams, told what a dict holds, nothing recorded."""
    factory = registry.strategy_factory("regularized-evolution")

    def bare():
        for seed in range(20):
            strategy = factory(cifar10.problem, stream(0, cifar10.id, seed, "strategy"))
            ask, tell = strategy.ask, strategy.tell
            for _ in range(QUERIES):
                tell(observations[ask()])

    def arena():
        evolution(cifar10)

    ratio = paired(bare, arena, rounds=101)
    benchmark.extra_info["ratio"] = ratio
    benchmark(arena)
    rate = 20 * QUERIES / benchmark.stats.stats.median
    report(
        capsys, f"speed of the runner / of a bare loop: {ratio:.2f}; {rate:,.0f} queries a second"
    )


def test_evolution_against_optunas_random_sampler(benchmark, capsys, cifar10, observations):
    """Queries a second of evolution through the runner, of a study's ask and tell without it."""
    names = [d.name for d in cifar10.space.decisions]
    fixed = {n: optuna.distributions.CategoricalDistribution(range(5)) for n in names}
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def sampler():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(QUERIES):
            trial = study.ask(fixed)
            arch = tuple(trial.params[n] for n in names)
            study.tell(trial, observations[arch].losses[0])

    def arena():
        evolution(cifar10)

    ratio = 20 * paired(sampler, arena)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(arena, rounds=3)
    report(capsys, f"speed of evolution / of Optuna's random sampler: {ratio:.0f}")


@pytest.mark.parametrize("name", ["random", "regularized-evolution", "local-search", "genetic"])
def test_lanes_against_one_seed_after_the_other(benchmark, capsys, cifar10, name):
    """1,000 seeds of 200 queries at once, record included; against 20 seeds of the other form."""
    lanes = experiments.parse({"tasks": [cifar10.id], "strategies": [name], "lanes": True})
    (spec,) = lanes.strategies
    one_by_one = replace(lanes, lanes=False)

    def together():
        compute(lanes, spec, Unit(cifar10.id, name, 0, 999))

    def apart():
        compute(one_by_one, spec, Unit(cifar10.id, name, 0, 19))

    ratio = 50 * paired(apart, together, rounds=7)
    benchmark.extra_info["ratio"] = ratio
    benchmark(together)
    rate = 1000 * QUERIES / benchmark.stats.stats.min
    report(capsys, f"{name}: {ratio:.0f} times as fast in lanes, {rate:,.0f} queries a second")


def test_lanes_to_a_file(benchmark, capsys, cifar10, tmp_path):
    """A unit of 1,000 seeds through the executor, its Parquet file written."""
    keys = {"tasks": [cifar10.id], "strategies": ["regularized-evolution"], "seeds": 1000}
    experiment = experiments.parse({**keys, "lanes": True})
    numbers = iter(range(1000))

    def unit():
        execute(tmp_path / str(next(numbers)), experiment, processes=1)

    benchmark.pedantic(unit, rounds=5)
    rate = 1000 * QUERIES / benchmark.stats.stats.min
    report(capsys, f"regularized evolution in lanes, file written: {rate:,.0f} queries a second")


MINE = """
from nasarena.bench import strategy


@strategy()
def climber(problem, rng):
    best = problem.space.sample(rng)
    loss = (yield best).losses[0]
    while True:
        arch = problem.space.mutate(best, rng)
        seen = (yield arch).losses[0]
        if seen <= loss:
            best, loss = arch, seen
"""


def test_comparing_against_the_box(benchmark, capsys, tmp_path, monkeypatch):
    """``nasarena compare`` of 20 lines, three tasks, 200 seeds of 200 queries, an empty cache."""
    (tmp_path / "mine.py").write_text(MINE)
    numbers = iter(range(100))

    def call():
        number = next(numbers)
        monkeypatch.setenv("NASARENA_VAULT", str(tmp_path / f"vault-{number}"))
        words = ["compare", f"{tmp_path}/mine.py:climber", "--against", "all"]
        words += ["--out", str(tmp_path / f"out-{number}")]
        command = [sys.executable, "-m", "nasarena", *words]
        subprocess.run(command, check=True, capture_output=True)

    benchmark.pedantic(call, rounds=3)
    python = median(
        seconds(lambda: subprocess.run([sys.executable, "-c", "pass"])) for _ in range(7)
    )
    took = benchmark.stats.stats.min
    report(
        capsys, f"nasarena compare against the box: {took:.1f} s; Python starts in {python:.2f} s"
    )


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_adapter_against_optunas_own_loop(benchmark, capsys, cifar10, observations, name):
    """One run of 200 queries through the runner; against study.ask and study.tell."""
    sampler = {"random": "RandomSampler", "tpe": "TPESampler"}[name]
    factory = registry.strategy_factory(f"optuna-{name}")
    losses = {arch: seen.losses[0] for arch, seen in observations.items()}
    names = [d.name for d in cifar10.space.decisions]
    fixed = {n: optuna.distributions.CategoricalDistribution(range(5)) for n in names}
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def own():
        seed = stream(0, cifar10.id, 0, "strategy").getrandbits(32)
        study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
        for _ in range(QUERIES):
            trial = study.ask(fixed)
            study.tell(trial, losses[tuple(trial.params[n] for n in names)])

    def arena():
        run_seed(cifar10, factory, {}, 0, BUDGET)

    ratio = paired(own, arena, rounds=9)
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(arena, rounds=3)
    report(capsys, f"optuna-{name}, speed of the adapter / speed of Optuna's loop: {ratio:.2f}")


@pytest.mark.parametrize("task", ["nasbench201/cifar10", "nasbench-graph/cora", "fcnet/protein"])
def test_opening_a_cached_table(benchmark, capsys, task):
    name, _, dataset = task.partition("/")
    found = registry.benchmark(name)
    found.open(dataset)
    benchmark(found.open, dataset)
    report(capsys, f"opening {task}: {1000 * benchmark.stats.stats.median:.1f} ms")


def test_help(benchmark, capsys):
    def call(*words):
        subprocess.run([sys.executable, *words], check=True, capture_output=True)

    benchmark.pedantic(call, ("-m", "nasarena", "--help"), rounds=7)
    python = median(seconds(lambda: call("-c", "pass")) for _ in range(7))
    took = benchmark.stats.stats.median
    report(capsys, f"nasarena --help: {took:.2f} s, of which Python itself {python:.2f} s")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Ten million rows: 10 tasks, 10 strategies, 500 seeds of 200 queries, 50 seeds a unit."""
    root = tmp_path_factory.mktemp("large")
    task = registry.task("nasbench201/cifar10")
    labels = [f"s{i}" for i in range(10)]
    tasks = [f"t/{i}" for i in range(10)]
    specs = tuple(StrategySpec(label, label) for label in labels)
    experiment = Experiment(tasks=tuple(tasks), strategies=specs, seeds=500, budget=BUDGET)
    facts = dict.fromkeys(tasks, task.facts())
    manifests.write(root, Manifest(experiment=experiment, tasks=facts))
    factory = registry.strategy_factory("random")
    for block in range(10):
        seeds = range(50 * block, 50 * block + 50)
        table = record.to_table(
            task, {seed: run_seed(task, factory, {}, seed, BUDGET) for seed in seeds}, {}
        )
        for name in tasks:
            for label in labels:
                store.write_unit(root, Unit(name, label, seeds[0], seeds[-1]), table)
    return root


def test_ten_million_rows(benchmark, capsys, large):
    """Load the store and compute every regret curve."""
    from nasarena.reports.record.curves import COLUMNS, blocks

    def curves():
        frame = store.read(large, columns=COLUMNS)
        assert len(frame) == 10_000_000
        return blocks(frame, manifests.read(large))

    found = benchmark.pedantic(curves, rounds=3)
    assert len(found) == 100
    assert found[0].validation.shape == (500, QUERIES)
    report(capsys, f"10 million rows to curves: {benchmark.stats.stats.median:.1f} s")


def test_bootstrap_against_scipy(benchmark, capsys):
    """10,000 resamples of 100 runs at 20 points."""
    from scipy.stats import bootstrap

    from nasarena.reports.stats.bootstrap import interval

    values = np.random.default_rng(0).normal(size=(100, 20))

    def ours():
        interval(values, resamples=10_000)

    def theirs():
        bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=0)

    ratio = paired(theirs, ours, rounds=3)
    benchmark(ours)
    took = benchmark.stats.stats.median
    report(capsys, f"bootstrap: {took:.3f} s, {ratio:.1f} times as fast as scipy.stats.bootstrap")


def test_moving_about_a_space(benchmark, capsys, cifar10):
    """One mutation, the part of evolution that is the space's."""
    rng = Random(0)
    arch = cifar10.space.sample(rng)
    benchmark(cifar10.space.mutate, arch, rng)
    report(capsys, f"a mutation: {1e6 * benchmark.stats.stats.median:.2f} µs")


def test_the_default_report(benchmark, capsys, tmp_path):
    """12 tasks, 6 strategies, 20 seeds of 200 queries: page, figures, tables, on all cores."""
    sys.path.insert(0, str(Path(__file__).parent))
    from large_report import make

    make(tmp_path / "results", (12, 6, 20, 200))
    words = ["nasarena", "report", str(tmp_path / "results")]
    benchmark.pedantic(subprocess.run, (words,), {"check": True}, rounds=3)
    assert (tmp_path / "results" / "report" / "index.html").exists()
    report(capsys, f"report on 12 tasks, 6 strategies: {benchmark.stats.stats.median:.1f} s")
