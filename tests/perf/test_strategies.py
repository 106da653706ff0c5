"""How fast every strategy thinks: its ask and tell alone, answered from a dictionary.

``tox -e perf`` prints the table; docs/performance.md keeps it. The slowest are asked for 200
queries only. docs/plot_thinking_time.py draws how the time grows.
"""

import importlib.util
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from nasarena.bench.experiment import registry

SCRIPT = Path(__file__).parents[2] / "docs" / "plot_thinking_time.py"
spec = importlib.util.spec_from_file_location("plot_thinking_time", SCRIPT)
thinking = importlib.util.module_from_spec(spec)
spec.loader.exec_module(thinking)

SLOW = ("bananas", "optuna-gp", "optuna-grid", "ppo-lstm", "reinforce-lstm")
MODELS = ("bananas", "npenas", "gp", "gp-wl", "random-forest", "gradient-descent", "parego")
NEEDS = {
    "optuna-gp": "torch",
    "ppo-lstm": "torch",
    "nevergrad": "nevergrad",
    "pymoo": "pymoo",
    "random-forest": "sklearn",
    "reinforce-lstm": "torch",
    "smac": "smac",
    "syne-tune": "syne_tune",
}
SUPERNETS = ("darts", "gdas", "spos", "random-weight-sharing")
"""They search in a supernet, whose time is charged; there is none here."""
NAMES = [*(name for name in registry.STRATEGIES if name not in SUPERNETS), *thinking.SETTINGS]


@pytest.fixture(scope="module")
def answers():
    return thinking.answers("nasbench201/cifar10")


def require(*names):
    for name in names:
        if name in NEEDS:
            pytest.importorskip(NEEDS[name])


@pytest.mark.parametrize("queries", [200, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_queries_a_second(benchmark, answers, name, queries):
    require(name)
    if name in SLOW and queries > 200:
        pytest.skip(f"{name} is measured at 200 queries only")
    rounds = 1 if name in (*SLOW, *MODELS) else 3
    args = (answers, name, queries)
    made = benchmark.pedantic(thinking.run, args, rounds=rounds)
    assert made == queries
    benchmark.extra_info["queries a second"] = made / benchmark.stats.stats.median


@pytest.mark.parametrize("name", MODELS)
def test_models_against_optunas_gaussian_process(benchmark, answers, capsys, name):
    """Thinking time of 100 queries, each measured in turns with Optuna's."""
    require(name, "optuna-gp")

    def seconds(which):
        begin = perf_counter()
        thinking.run(answers, which, 100)
        return perf_counter() - begin

    share = median(seconds(name) / seconds("optuna-gp") for _ in range(3))
    benchmark.pedantic(thinking.run, (answers, name, 100), rounds=1)
    benchmark.extra_info["share"] = share
    with capsys.disabled():
        print(f"\n  {name}: {share:.3f} of the time of Optuna's GP")
