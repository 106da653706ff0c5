from random import Random

import numpy as np
import pytest
from driving import drive, seen

from nasarena.bench import Problem
from nasarena.bench.experiment import registry
from nasarena.spaces import Decision, SearchSpace
from nasarena.spaces.published.nasbench201 import NASBench201
from nasarena.strategies._shared.history import (
    History,
    expected_improvement,
    path_or_one_hot,
    standardized,
)
from nasarena.strategies._shared.mlp import Ensemble
from nasarena.strategies.bananas import Bananas
from nasarena.strategies.gaussian_process import GaussianProcess, Model, neighborhoods, unit
from nasarena.strategies.gradient_descent import GradientDescent, Relaxation
from nasarena.strategies.npenas import Npenas
from nasarena.strategies.random_forest import Forest, RandomForest
from nasarena.strategies.zero_cost import ZeroCost

CELLS = Problem(NASBench201(), (1,))


def more_convolutions(arch, epochs):
    """Easy to learn: every 3x3 convolution helps."""
    return -float(arch.count(3))


def test_losses_are_standardized_and_failures_count_as_the_worst():
    y = standardized([1.0, 3.0, float("inf"), float("nan")])
    assert y.mean() == pytest.approx(0)
    assert y.std() == pytest.approx(1)
    assert y[1] == y[2] == y[3] > y[0]
    assert standardized([float("inf")] * 3).tolist() == [0, 0, 0]
    assert standardized([2.0, 2.0]).tolist() == [0, 0]


def test_expected_improvement_is_the_mean_of_what_falls_below():
    rng = np.random.default_rng(0)
    mean, spread = np.array([0.0, 1.0, -0.5]), np.array([1.0, 0.3, 2.0])
    drawn = rng.normal(mean, spread, (400_000, 3))
    simulated = np.maximum(0.2 - drawn, 0).mean(axis=0)
    assert expected_improvement(mean, spread, 0.2) == pytest.approx(simulated, rel=0.02)


def test_history_knows_a_network_by_any_spelling_and_finds_the_last_new_one(conditional):
    history = History(conditional, Random(0), conditional.space.one_hots)
    history.ask((0, 0))
    assert not history.is_new((0, 2))
    for arch in ((1, 0), (1, 1), (1, 2), (2, 0)):
        history.ask(arch)
    assert history.random() == (2, 1)
    assert history.mutants([(2, 0)], 5) == [(2, 1)]
    history.ask((2, 1))
    assert history.random() is None
    assert history.mutants([(2, 0)], 5) == []


def test_the_path_encoding_is_used_where_it_is_short():
    assert path_or_one_hot(CELLS)([(3, 0, 0, 3, 0, 0)]).shape == (1, len(CELLS.space.path_names))
    graph = registry.task("nasbench-graph/cora").problem
    assert path_or_one_hot(graph)([graph.space.simplest()]).shape == (1, 9 + 4 * 9)


def ensemble(layers=2):
    return Ensemble(5, np.random.default_rng(0), members=3, width=16, layers=layers)


def test_the_ensembles_input_gradient_is_that_of_its_mean():
    network = ensemble()
    x = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    gradient = network.gradient(x)
    for feature in range(5):
        step = np.zeros(5, np.float32)
        step[feature] = 1e-2
        up, down = network.predict(x + step).mean(axis=0), network.predict(x - step).mean(axis=0)
        assert gradient[:, feature] == pytest.approx((up - down) / 2e-2, abs=2e-2)


def test_the_ensemble_learns_and_its_members_differ():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2, size=(200, 5)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] - x[:, 2]).astype(np.float32)
    network = ensemble()
    before = np.square(network.predict(x) - y).mean()
    network.fit(x, y, epochs=200)
    predicted = network.predict(x)
    assert np.square(predicted - y).mean() < 0.02 * before
    assert (predicted[0] != predicted[1]).any()


def test_weights_say_which_errors_count():
    x = np.eye(5, dtype=np.float32)[[0, 0]]
    y = np.array([-1.0, 1.0], np.float32)
    network = ensemble(layers=1)
    network.fit(x, y, epochs=400, weights=np.array([1.0, 0.1], np.float32))
    # The absolute error is least at the value that weighs more.
    assert network.predict(x).mean() == pytest.approx(-1.0, abs=0.2)


def test_relaxation_is_a_softmax_in_every_decision(problem):
    relaxed = Relaxation(problem.space)
    logits = relaxed.logits([(3, 2, 1, 0), (0, 0, 0, 0)])
    soft = relaxed.softmax(logits)
    assert soft[:, :4].sum(axis=1) == pytest.approx([1, 1])
    assert soft.sum(axis=1) == pytest.approx([4, 4])
    assert relaxed.round(logits) == [(3, 2, 1, 0), (0, 0, 0, 0)]
    slope = np.random.default_rng(0).normal(size=soft.shape).astype(np.float32)
    back = relaxed.through_softmax(soft, slope)
    for feature in range(soft.shape[1]):
        step = np.zeros_like(logits)
        step[:, feature] = 1e-2
        change = (relaxed.softmax(logits + step) - relaxed.softmax(logits - step)) / 2e-2
        assert back[:, feature] == pytest.approx((slope * change).sum(axis=1), abs=2e-3)


def test_the_process_interpolates_and_extending_it_is_refitting():
    space = CELLS.space
    rng = Random(0)
    archs = [space.sample(rng) for _ in range(40)]
    x = unit(space.one_hots(archs)).astype(np.float32)
    y = standardized([more_convolutions(arch, 1) for arch in archs])
    model = Model()
    model.choose(x[:30], y[:30])
    model.extend(x)
    kernel = np.exp(-model._scale * (1 - (x @ x.T).astype(float)))
    noisy = kernel + model._noise * np.eye(40)
    mean, spread = model.predict(x[:5], y)
    assert mean == pytest.approx(kernel[:5] @ np.linalg.solve(noisy, y), abs=1e-4)
    explained = np.einsum("ij,ji->i", kernel[:5], np.linalg.solve(noisy, kernel[:, :5]))
    assert spread**2 == pytest.approx(1 - explained, abs=1e-4)


def test_neighborhoods_are_the_same_for_isomorphic_cells_only():
    space = CELLS.space
    # Nodes 1 and 2 exchanged.
    one, two = (3, 2, 0, 0, 1, 4), (2, 3, 0, 0, 4, 1)
    other = (3, 2, 0, 0, 4, 1)
    rows = neighborhoods(space, 2, [one, two, other])
    assert (rows[0] == rows[1]).all()
    assert (rows[0] != rows[2]).any()
    # Five operations and input and output, at each of three levels.
    assert rows[0].sum() == 3 * (4 + 2)


@pytest.mark.models
def test_a_forest_predicts_what_it_learned_and_doubts_what_it_did_not():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(300, 6)).astype(np.float32)
    y = x[:, 0] - 2.0 * x[:, 1]
    forest = Forest(x, y, 10, 5 / 6, Random(0))
    mean, spread = forest.predict(x)
    assert mean == pytest.approx(y, abs=0.2)
    noisy = Forest(x, y + rng.normal(size=300), 10, 5 / 6, Random(0))
    assert noisy.predict(x)[1].mean() > 3 * spread.mean()


MODELS = [
    (Bananas, {}),
    (Npenas, {}),
    (GradientDescent, {}),
    (GaussianProcess, {}),
    (GaussianProcess, {"kernel": "weisfeiler-lehman"}),
    pytest.param(RandomForest, {}, marks=pytest.mark.models),
]


@pytest.mark.parametrize(("factory", "settings"), MODELS)
def test_models_learn_an_easy_loss_quickly(factory, settings):
    if factory is RandomForest:
        pytest.importorskip("sklearn")
    asked = drive(factory(CELLS, Random(0), **settings), more_convolutions, 70)
    assert len({CELLS.space.canonical(arch) for arch in asked}) == 70
    # Random architectures have 1.2 of six; five or more have a chance of 0.16 % each.
    assert max(arch.count(3) for arch in asked) >= 5


@pytest.mark.parametrize(("factory", "settings"), MODELS)
def test_models_end_when_the_space_is_exhausted(factory, settings, conditional):
    if factory is RandomForest:
        pytest.importorskip("sklearn")
    if settings:
        with pytest.raises(ValueError, match="no cells"):
            factory(conditional, Random(0), **settings)
        return
    asked = drive(factory(conditional, Random(0), initial=2), lambda a, e: float(sum(a)), 50)
    assert sorted(map(conditional.space.canonical, asked)) == [
        (0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1),
    ]  # fmt: skip


def test_zero_cost_queries_in_the_order_of_the_proxy(problem):
    known = Problem(problem.space, (1,), proxies={"size": lambda arch: float(sum(arch))})
    asked = drive(ZeroCost(known, Random(0), proxy="size"), lambda a, e: 0.0, 30)
    sizes = [sum(arch) for arch in asked]
    assert sizes == sorted(sizes, reverse=True)
    small = drive(ZeroCost(known, Random(0), proxy=sum, minimize=True), lambda a, e: 0.0, 30)
    assert [sum(arch) for arch in small] == sorted(sum(arch) for arch in small)


def test_zero_cost_asks_unknown_scores_last(problem):
    def score(arch):
        return float("nan") if arch[0] == 3 else float(arch[1])

    asked = drive(ZeroCost(problem, Random(0), proxy=score), lambda a, e: 0.0, 72)
    assert [arch[0] == 3 for arch in asked[:20]] == [False] * 20
    assert len(asked) == 72


def test_zero_cost_warms_up_evolution(problem):
    search = ZeroCost(problem, Random(0), proxy=sum, warm_up=10)
    first = drive(search, lambda a, e: float(-sum(a)), 10)
    later = drive(search, lambda a, e: float(-sum(a)), 40)
    assert min(map(sum, first)) > np.mean([sum(arch) for arch in problem.space])
    child = later[0]
    assert any(sum(a != b for a, b in zip(child, arch, strict=True)) == 1 for arch in first)


def test_zero_cost_names_the_proxies_that_there_are(problem):
    with pytest.raises(ValueError, match="no 'synflow'; it has: none"):
        ZeroCost(problem, Random(0), proxy="synflow")


def test_observations_of_failures_do_not_stop_a_model():
    model = GaussianProcess(CELLS, Random(0), initial=3)
    for loss in (float("inf"), float("nan"), float("inf"), 1.0, float("inf"), 0.5):
        model.tell(seen(model.ask(), loss))
    assert CELLS.space.is_valid(model.ask())


def test_a_space_without_choice_is_exhausted_at_once():
    lonely = Problem(SearchSpace("lonely", [Decision("only", ("x",))]), (1,))
    assert drive(Npenas(lonely, Random(0)), lambda a, e: 0.0, 5) == [(0,)]
