"""The adapters of other libraries' optimizers, each where its library is installed."""

import logging
import os
import random
from importlib.util import find_spec
from random import Random

import numpy as np
import pytest
from driving import answer, drive

from nasarena.bench import Observation, Problem, Query
from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry
from nasarena.spaces import Decision, PoolSpace, SearchSpace
from nasarena.strategies.adapters import peers

MODULES = {"nevergrad": "nevergrad", "pymoo": "pymoo", "smac": "smac", "syne-tune": "syne_tune"}
CASES = [
    ("nevergrad", {}),
    ("nevergrad", {"optimizer": "TwoPointsDE", "ordered": False, "workers": 16}),
    ("pymoo", {}),
    ("smac", {"trials": 12}),
    ("smac", {"facade": "random"}),
    ("syne-tune", {}),
    ("syne-tune", {"scheduler": "REA", "settings": {"population_size": 9, "sample_size": 3}}),
    ("syne-tune", {"scheduler": "RandomSearch"}),
]
CURVES = [
    ("smac", {"trials": 12}),
    ("syne-tune", {"scheduler": "BOHB"}),
    ("syne-tune", {"scheduler": "ASHA"}),
]


def needs(name):
    there = find_spec(MODULES[name]) is not None
    skip = pytest.mark.skipif(not there, reason=f"{MODULES[name]} is not installed")
    return [pytest.mark.peers, skip]


def cases(chosen):
    return [
        pytest.param(name, settings, marks=needs(name), id="-".join([name, *map(str, settings)]))
        for name, settings in chosen
    ]


def one_each(**settings):
    return cases([(name, settings.get(name.replace("-", "_"), {})) for name in MODULES])


def some(name, queries):
    """So many queries, fewer for SMAC, whose forests take long."""
    return min(queries, 14) if name == "smac" else queries


def made(name, problem, seed, settings):
    return registry.strategy_factory(name)(problem, Random(seed), **settings)


def least_sum(arch, epochs):
    return float(sum(arch))


def archs(asked):
    return [query.arch if isinstance(query, Query) else query for query in asked]


@pytest.fixture
def curves():
    decisions = [Decision(f"d{i}", ("a", "b", "c", "d")) for i in range(4)]
    return Problem(SearchSpace("curves", decisions), (1, 3, 9, 27))


@pytest.mark.parametrize(("name", "settings"), cases(CASES))
def test_one_seed_is_one_run_and_valid(name, settings, problem):
    queries = some(name, 30)
    runs = [drive(made(name, problem, seed, settings), least_sum, queries) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == queries
    assert all(problem.space.is_valid(arch) for arch in archs(runs[0]))


@pytest.mark.parametrize(("name", "settings"), cases(CASES[:1] + CASES[2:4] + CASES[5:6]))
def test_it_leaves_global_randomness_files_and_the_screen_alone(
    name, settings, problem, capfd, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - the legacy generator is what must be left alone
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    level = logging.getLogger().level
    drive(made(name, problem, 0, settings), least_sum, some(name, 25))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []
    assert logging.getLogger().level == level


@pytest.mark.parametrize(("name", "settings"), cases(CASES[:3] + CASES[4:7]))
def test_two_instances_in_turns_behave_as_each_alone(name, settings, problem):
    alone = drive(made(name, problem, 1, settings), least_sum, 20)
    one, other = made(name, problem, 1, settings), made(name, problem, 2, settings)
    turns = []
    for _ in range(20):
        turns += drive(one, least_sum, 1)
        random.random()
        drive(other, least_sum, 1)
    assert turns == alone


@pytest.mark.parametrize(("name", "settings"), cases(CASES))
def test_many_workers_and_failures_in_any_order(name, settings, problem):
    def fails(arch, epochs):
        return float("nan") if arch[0] == 3 else float("inf") if arch[1] == 2 else sum(arch)

    strategy, rng, waiting, asked = made(name, problem, 0, settings), Random(0), [], 0
    for _ in range(35 if name == "smac" else 60):
        proposal = strategy.ask()
        if proposal is not None:
            asked += 1
            assert problem.space.is_valid(archs([proposal])[0])
            waiting.append(proposal)
        else:
            assert waiting  # it waits for an answer, and has not ended
        if proposal is None or len(waiting) == 16:
            strategy.tell(answer(waiting.pop(rng.randrange(len(waiting))), fails))
    assert asked > 20


@pytest.mark.parametrize(("name", "settings"), one_each())
def test_everything_may_fail(name, settings, problem):
    drive(made(name, problem, 0, settings), lambda arch, epochs: float("inf"), some(name, 25))


@pytest.mark.parametrize(("name", "settings"), one_each(smac={"trials": 8}))
def test_conditions_and_forbidden_spellings_are_kept(name, settings, conditional):
    asked = archs(drive(made(name, conditional, 0, settings), least_sum, 30))
    assert all(conditional.space.is_valid(arch) for arch in asked)
    assert all(conditional.space.canonical(arch) == arch for arch in asked)
    assert len(set(asked)) > 3  # of 6


@pytest.mark.parametrize(("name", "settings"), one_each())
def test_in_a_pool_it_asks_members(name, settings):
    decisions = [Decision(f"d{i}", tuple("abcde")) for i in range(6)]
    rng = Random(0)
    members = [tuple(rng.randrange(5) for _ in range(6)) for _ in range(50)]
    pool = Problem(PoolSpace("pool", decisions, members), (1,))
    asked = archs(drive(made(name, pool, 0, settings), least_sum, 30))
    assert set(asked) <= set(members)
    assert len(set(asked)) > 8


@pytest.mark.parametrize(("name", "settings"), one_each(smac={"trials": 12}))
def test_several_objectives(name, settings, problem):
    several = Problem(problem.space, (1,), ("validation", "latency"))
    assert registry.strategy_factory(name).info.multi_objective
    strategy = made(name, several, 0, settings)
    for number in range(some(name, 40)):
        proposal = strategy.ask()
        query = Query(archs([proposal])[0], 1, 0)
        losses = float(sum(query.arch)), float("inf") if number % 7 == 3 else -float(query.arch[0])
        strategy.tell(Observation(query, losses, 1.0))


@pytest.mark.parametrize(("name", "settings"), cases(CURVES))
def test_early_epochs_are_used_and_trainings_resumed(name, settings, curves):
    def loss(arch, epochs):
        return sum(arch) + 3 / epochs

    strategy, reached, count = made(name, curves, 0, settings), {}, 0
    for number in range(60 if name == "smac" else 120):
        query = strategy.ask()
        replica = number if query.replica is None else query.replica
        assert (query.replica is None) == (replica not in reached)
        reached.setdefault(replica, []).append(query.epochs)
        seen = Query(query.arch, query.epochs, replica)
        strategy.tell(Observation(seen, (loss(query.arch, query.epochs),), 1.0))
        count += query.epochs == 27
    assert all(epochs == sorted(set(epochs)) for epochs in reached.values())
    assert 0 < count < len(reached)


@pytest.mark.parametrize(
    ("name", "settings"),
    one_each(
        smac={"trials": 60},
        # Not its TPE: that draws at random until 15 % of the answers outnumber the decisions, for
        # 47 queries here, and with the best of 120 at 1.5 it is not told from random search.
        syne_tune={"scheduler": "REA", "settings": {"population_size": 20, "sample_size": 5}},
    ),
)
def test_it_learns(name, settings):
    """It finds better ones than random search does, with a chance of error below 2 %.

    There are 4,096 architectures, a sum of 0 to 18. Random search's best of 120, averaged over
    four seeds, is 2.3, and below 1.25 once in a hundred times (1,500 draws); its best of 60 is 0
    with a chance of 60 / 4,096.
    """
    decisions = [Decision(f"d{i}", tuple("abcd")) for i in range(6)]
    problem = Problem(SearchSpace("sum", decisions), (1,))
    seeds, queries, bound = (1, 60, 1.0) if name == "smac" else (4, 120, 1.25)
    best = [
        min(map(sum, archs(drive(made(name, problem, seed, settings), least_sum, queries))))
        for seed in range(seeds)
    ]
    assert np.mean(best) < bound


@pytest.mark.parametrize(("name", "settings"), one_each(smac={"trials": 12}))
def test_a_run_on_a_table_by_several_workers(name, settings):
    task = registry.task("nasbench201/cifar10")
    runs = [
        run_seed(
            task,
            registry.strategy_factory(name),
            settings,
            0,
            Budget(queries=some(name, 24)),
            workers=4,
        )
        for _ in range(2)
    ]
    assert runs[0].answers == runs[1].answers
    assert len(runs[0]) == some(name, 24)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nevergrad", {"optimizer": "TwoPointDE"}, "no 'TwoPointDE'; near it: TwoPointsDE"),
        ("nevergrad", {"budget": 0}, "budget: expected at least 1"),
        ("pymoo", {"algorithm": "nsga"}, "expected one of ga, nsga2, sms, got 'nsga'"),
        ("pymoo", {"algorithm": "sms"}, "sms is for several objectives, the task has 1"),
        ("pymoo", {"population": 1}, "population: expected at least 2"),
        ("smac", {"facade": "hpo"}, "facade: expected one of"),
        ("smac", {"facade": "multi-fidelity"}, "the task has 1 and 1"),
        ("smac", {"trials": 0}, "trials: expected at least 1"),
        ("syne-tune", {"scheduler": "ASHA"}, "1 objectives at 1 numbers of epochs, got 'ASHA'"),
    ],
)
def test_wrong_settings_are_named(name, settings, message, problem, monkeypatch):
    if find_spec(MODULES[name]) is None and name == "nevergrad" and "optimizer" in settings:
        pytest.skip("nevergrad is not installed")
    monkeypatch.setattr(peers, "find_spec", lambda name: True)
    with pytest.raises(ValueError, match=message):
        made(name, problem, 0, settings)


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_library_names_its_pip_command(name, problem, monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf'pip install "nasarena\[{name}\]"'):
        made(name, problem, 0, {})


def test_own_randomness_goes_on_where_it_was():
    def numbers(own, count):
        with own():
            return [(random.random(), np.random.rand()) for _ in range(count)]  # noqa: NPY002

    whole = numbers(peers.OwnRandomness(3, "x"), 4)
    one, other = peers.OwnRandomness(3, "x"), peers.OwnRandomness(4, "x")
    parts = numbers(one, 2)
    assert numbers(other, 2) != parts
    random.random()
    assert parts + numbers(one, 2) == whole
    with pytest.raises(KeyError), one():
        raise KeyError
    assert numbers(one, 1) != numbers(one, 1)


def test_a_failure_counts_as_the_worst_success():
    finite = peers.Finite()
    assert finite((float("inf"), 1.0)) == [0.0, 0.0]
    assert finite((3.0, 1.0)) == [3.0, 1.0]
    assert finite((2.0, 5.0)) == [2.0, 5.0]
    assert finite((float("nan"), 1.0)) == [3.0, 5.0]
