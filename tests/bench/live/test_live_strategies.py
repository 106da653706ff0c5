"""Every strategy of the catalogue trains on digits; those that can stop early and go on do."""

from collections import defaultdict

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nasarena.bench.core import record  # noqa: E402
from nasarena.bench.core.runner import Budget, run_seed  # noqa: E402
from nasarena.bench.experiment import registry  # noqa: E402
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training  # noqa: E402
from nasarena.spaces.flops import parameters  # noqa: E402

TRAINING = Training(epochs=(1, 2, 4), examples=100, measured=50, replicas=1, device="cpu")
CELLS = Training(epochs=(1,), examples=20, measured=20, replicas=1, device="cpu")
PEERS = {"nevergrad": "nevergrad", "pymoo": "pymoo", "smac": "smac", "syne-tune": "syne_tune"}
NAMES = {n: registry.strategy_factory(n).info for n in registry.strategy_names() if n not in PEERS}
EARLY = [name for name, info in NAMES.items() if info.multi_fidelity]
FEW = {"initial": 3}
START = {"n_startup_trials": 3}
SETTINGS = {
    # Few random architectures first: what a strategy has learned shapes the later queries.
    **dict.fromkeys(("bananas", "npenas", "gp", "gradient-descent", "parego"), FEW),
    **dict.fromkeys(("optuna-tpe", "optuna-gp", "optuna-cmaes"), START),
    "random-forest": {"initial": 3, "trees": 4},
    "regularized-evolution": {"population_size": 3, "sample_size": 2},
    "genetic": {"population_size": 3, "start": "simplest", "elites": 1},
    "nsga2": {"population_size": 4},
    "successive-halving": {"width": 4, "eta": 2},
    "hyperband": {"eta": 2},
    "asha": {"eta": 2},
    "bohb": {"eta": 2},
    "dehb": {"eta": 2},
}


QUERIES = {
    # After its four networks without layers, millions of spellings pass before the next new one.
    "exhaustive": 4,
    # On cells: the growing space has conditional decisions, and no grid.
    "optuna-grid": 2,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    setups = {"digits": LiveSetup("digits", "nasarena.spaces.published.nasbench201:SPACE", CELLS)}
    return LiveBenchmark(setups, root=tmp_path_factory.mktemp("cells")).task("live/d", "digits")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Digits in small; what one strategy has trained the others need not."""
    setups = {"digits": LiveSetup("digits", training=TRAINING)}
    return LiveBenchmark(setups, root=tmp_path_factory.mktemp("live")).task("live/digits", "digits")


def search(task, name, queries):
    settings = dict(SETTINGS.get(name, {}))
    if name == "zero-cost":
        settings = {"pool": 10, "proxy": lambda arch: parameters(task.network(arch))}
    run = run_seed(task, registry.strategy_factory(name), settings, 0, Budget(queries=queries))
    return run.answers, record.to_table(task, {0: run}, {})


@pytest.mark.parametrize("name", [*NAMES, *PEERS])
def test_it_searches_by_training(task, cells, name):
    if name in PEERS:
        pytest.importorskip(PEERS[name])
    info = registry.strategy_factory(name).info
    if info.weight_sharing:
        pytest.skip("the growing space has no supernet; tests/strategies/test_weight_sharing.py")
    task, queries = cells if name == "optuna-grid" else task, QUERIES.get(name, 5)
    answers, table = search(task, name, queries)
    assert len(answers) == queries
    for answer, loss, test in zip(answers, table["loss"], table["test"], strict=True):
        asked, seen = answer.observation.query, answer.observation
        trained = task.trained(asked.arch, asked.replica, asked.epochs)
        assert seen.losses == (-trained.validation[asked.epochs - 1],) == (loss.as_py(),)
        assert test.as_py() == -trained.test[asked.epochs - 1]
        assert seen.seconds == trained.seconds[asked.epochs - 1] > 0


def test_strategies_share_what_was_trained(task):
    asked = [answer.observation for answer in search(task, "random", 3)[0]]
    before = len(task.journal.trainings())
    # Its first population is drawn from the same stream. Seconds too are those of the training.
    again = [answer.observation for answer in search(task, "regularized-evolution", 3)[0]]
    assert asked == again
    assert len(task.journal.trainings()) == before


@pytest.mark.parametrize("name", EARLY)
def test_learning_curves_let_it_stop_early_and_go_on(task, name):
    answers, _ = search(task, name, 16)
    curves = defaultdict(list)
    for answer in answers:
        asked = answer.observation.query
        curves[task.space.canonical(asked.arch), asked.replica].append(answer)
    reached = [curve[-1].observation.query.epochs for curve in curves.values()]
    assert min(reached) < 4, "nothing was stopped early"
    assert max(reached) == 4, "nothing was trained in full"
    for (arch, replica), curve in curves.items():
        trained = task.trained(arch, replica, 1)
        epochs = [answer.observation.query.epochs for answer in curve]
        assert epochs == sorted(epochs)
        for before, answer in zip([None, *curve], curve, strict=False):
            done = before.observation.query.epochs if before else 0
            if done == answer.observation.query.epochs:
                continue  # asked twice
            # Going on costs what it adds.
            wanted = answer.observation.query.epochs
            paid = trained.seconds[done - 1] if done else 0.0
            assert answer.epochs == wanted - done
            assert answer.cost == pytest.approx(trained.seconds[wanted - 1] - paid)
    assert np.isfinite([answer.observation.losses[0] for answer in answers]).all()
