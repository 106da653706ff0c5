from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from nasarena.bench._base.errors import RunFailed
from nasarena.bench.cache.run_cache import Folder, Vault
from nasarena.bench.core import record, vector_runner
from nasarena.bench.core.runner import Budget, Rules
from nasarena.bench.core.vectorized import LaneProblem, LaneRandom, LaneStrategy
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.units import compute
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import identity, registry
from nasarena.bench.experiment.form import lane_form
from nasarena.bench.store.store import Unit

HERE = Path(__file__).parents[2] / "helpers"
TOY = f"{HERE}/toy.py:BENCHMARK/a"
STRATEGIES = [
    "random",
    "regularized-evolution",
    "local-search",
    "simulated-annealing",
    "genetic",
    "reinforce",
]
SMALL = {"population_size": 8, "sample_size": 3}


def plan(name, task="nasbench201/cifar10", queries=60, **keys):
    given = {"tasks": [task], "strategies": [name], "budget": {"queries": queries}, "lanes": True}
    return experiments.parse(given | keys)


def runs(experiment, first, last):
    (task,), (spec,) = experiment.tasks, experiment.strategies
    return compute(experiment, spec, Unit(task, spec.label, first, last))


def per_seed(table):
    """(runs, steps) of each column; runs must be of one length."""
    seeds = len(np.unique(table["seed"].to_numpy()))
    return {
        name: table[name].to_numpy().reshape(seeds, -1)
        for name in table.column_names
        if name != "arch"
    }


def test_every_declared_lane_form_is_one():
    found = {name: registry.strategy_factory(name).info.lanes for name in registry.STRATEGIES}
    assert [name for name, where in found.items() if where] == sorted(
        STRATEGIES, key=list(registry.STRATEGIES).index
    )
    task = registry.task(TOY)
    for where in filter(None, found.values()):
        problem = LaneProblem(task.lane_space, 3)
        assert isinstance(registry.load(where)(problem, LaneRandom("", 0, 3)), LaneStrategy)


@pytest.mark.parametrize("task", ["nasbench201/cifar10", "nasbench-graph/cora", "fcnet/protein"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_lane_has_the_same_bits_alone_and_in_company(name, task):
    settings = SMALL if name == "regularized-evolution" else {}
    experiment = plan({"name": name, **settings}, task)
    together = runs(experiment, 0, 40)
    seeds = together["seed"].to_numpy()
    for first, last in ((0, 0), (7, 7), (33, 40)):
        alone = runs(experiment, first, last)
        part = together.filter((seeds >= first) & (seeds <= last)).combine_chunks()
        assert record.fingerprint(alone) == record.fingerprint(part)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_that_has_seen_the_whole_space_goes_on_or_ends(name):
    table = runs(plan(name, TOY, queries=40), 0, 9)
    lengths = np.bincount(table["seed"].to_numpy())
    # The toy has 12 networks: local search ends when it knows them all, the others go on.
    assert set(lengths) == ({12} if name == "local-search" else {40})
    alone = runs(plan(name, TOY, queries=40), 3, 3)
    part = table.filter(table["seed"].to_numpy() == 3).combine_chunks()
    assert record.fingerprint(alone) == record.fingerprint(part)


@pytest.mark.parametrize("noise", ["sampled", "mean"])
@pytest.mark.parametrize("duplicates", ["charge", "resample"])
def test_answers_are_those_of_the_table(noise, duplicates):
    experiment = plan("random", TOY, queries=50, noise=noise, duplicates=duplicates)
    table = runs(experiment, 0, 30)
    task = registry.task(TOY)
    columns = {name: table[name].to_numpy() for name in table.column_names if name != "arch"}
    archs = table["arch"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    keys = np.array([task.space.index(tuple(arch)) for arch in archs.tolist()])
    rows = task.table.row_of[keys]
    values = task.table.columns["validation"][rows, -1]
    expected = values.mean(1) if noise == "mean" else values[range(len(rows)), columns["replica"]]
    assert columns["loss"] == pytest.approx(-expected)
    assert columns["charged"] == pytest.approx(task.table.columns["seconds"][rows, -1, 0])
    assert (columns["network"] == task.table.canonical[keys]).all()
    if noise == "sampled":
        assert 0.4 < columns["replica"].mean() < 0.6
        same = {}
        for seed, row, replica in zip(columns["seed"], rows, columns["replica"], strict=True):
            same.setdefault((seed, row), set()).add(replica)
        assert (max(map(len, same.values())) == 1) == (duplicates == "charge")


def test_the_training_that_answers_does_not_depend_on_the_strategy():
    """Runs of two strategies with one seed are a pair: they meet the same trainings."""
    met = {}
    for name in ("random", "local-search"):
        table = runs(plan(name, TOY, queries=12), 0, 20)
        for seed, network, arch, replica in zip(
            *(table[c].to_pylist() for c in ("seed", "network", "arch", "replica")), strict=True
        ):
            assert met.setdefault((seed, *arch), replica) == replica, network


@pytest.mark.parametrize("budget", [{"seconds": 2000.0}, {"epochs": 35}, {"queries": 5}])
def test_budgets_end_lanes_one_by_one(budget):
    table = runs(plan("random", TOY, budget=budget), 0, 20)
    columns = {name: table[name].to_numpy() for name in ("seed", "step", "finish", "charged")}
    long = runs(plan("random", TOY, queries=100), 0, 20)
    finish = per_seed(long)["finish"]
    for seed in range(21):
        own = columns["finish"][columns["seed"] == seed]
        expected = finish[seed]
        if "seconds" in budget:
            expected = expected[expected <= 2000.0]
        else:
            expected = expected[: 3 if "epochs" in budget else 5]
        assert own.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "keys",
    [
        {"lanes": False},
        {"workers": 2},
        {"duplicates": "free"},
        {"strategies": [{"name": "random", "replace": False}]},
        {"strategies": ["optuna-random"]},
        {"task": f"{TOY}+latency"},
    ],
)
def test_what_lanes_cannot_do_runs_one_seed_after_the_other(keys):
    experiment = plan("random", keys.pop("task", TOY), queries=4, **keys)
    (task,), (spec,) = experiment.tasks, experiment.strategies
    assert lane_form(registry.task(task), spec, experiment) is None
    assert "form" not in record.about(runs(experiment, 0, 1))


def test_a_space_that_moves_in_its_own_ways_has_no_lanes(monkeypatch):
    task = registry.task(TOY)
    experiment = plan("random", TOY)
    assert lane_form(task, experiment.strategies[0], experiment)
    monkeypatch.setattr(type(task.space), "mutate", lambda self, arch, rng: arch)
    assert lane_form(task, experiment.strategies[0], experiment) is None


def test_the_vault_keeps_both_forms_apart(tmp_path, own_vault):
    def run(name, **keys):
        known = Vault([], Folder(own_vault))
        experiment = replace(plan("random", TOY, queries=10, seeds=6), **keys)
        outcomes = execute(tmp_path / name, experiment, processes=1, vault=known)
        assert known.problems == []
        return len(outcomes)

    # Lanes are faster run than read: only the other form is kept.
    assert [run("a"), run("b", lanes=False)] == [1, 2]
    assert [run("c"), run("d", lanes=False)] == [1, 0]
    task, experiment = registry.task(TOY), plan("random", TOY)
    (spec,) = experiment.strategies
    one = identity.identity(task, spec, experiment)
    other = identity.identity(task, spec, replace(experiment, lanes=False))
    assert one.facts["form"] == "lanes"
    assert one.facts["source"] != other.facts["source"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [([10**6] * 3, "not all spellings"), (None, "ZeroDivisionError")],
)
def test_a_lane_form_that_fails_is_named(monkeypatch, asked, message):
    class Bad:
        def __init__(self, problem, draws):
            pass

        def ask(self):
            return np.array(asked) if asked else 1 // 0

    experiment = plan("random", TOY)
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda w: Bad if w.endswith("Lanes") else load(w))
    with pytest.raises(RunFailed, match=rf"'random' on .*seeds 0-2, after step 0.*{message}"):
        runs(experiment, 0, 2)


def test_random_numbers_are_keyed_by_seed_step_and_salt():
    def draw(first, lanes, step, salt, count):
        draws = LaneRandom("x", first, lanes)
        draws.step = step
        return draws.below(1000, salt, count), draws.uniform(salt, count)

    for count in (1, 8, 9, 27):
        whole = draw(0, 9, 5, 3, count)
        part = draw(4, 2, 5, 3, count)
        assert (whole[0][4:6] == part[0]).all()
        assert (whole[1][4:6] == part[1]).all()
        others = [draw(0, 9, 6, 3, count), draw(0, 9, 5, 4, count)]
        assert all((other[1] != whole[1]).all() for other in others)
    numbers = draw(0, 2000, 1, 0, 50)
    assert np.unique(numbers[0]).tolist() == list(range(1000))
    assert np.bincount(numbers[0].ravel() // 100) / 100_000 == pytest.approx(0.1, abs=0.005)
    assert numbers[1].mean() == pytest.approx(0.5, abs=0.005)
    assert abs(np.corrcoef(numbers[1][:-1, 0], numbers[1][1:, 0])[0, 1]) < 0.08


@pytest.mark.parametrize("task", [TOY, "nasbench-graph/proteins", "nasbench201/cifar10"])
def test_lanes_move_as_the_space_does(task, monkeypatch):
    from nasarena.spaces import vectorized as space_lanes

    found = registry.task(task)
    here = found.lane_space
    draws = LaneRandom("moves", 0, 500)
    numbers = here.sample(draws, 0)
    assert (found.table.canonical[numbers] >= 0).all()
    archs = [tuple(arch) for arch in here.choices[numbers].tolist()]
    expected = [{found.space.index(a) for a in found.space.neighbours(arch)} for arch in archs]
    for limit in (space_lanes._AT_HAND, 0):
        monkeypatch.setattr(space_lanes, "_AT_HAND", limit)
        near = here.neighbours(numbers)
        assert [set(row[row >= 0].tolist()) for row in near] == expected
    moved = here.mutate(numbers, draws, 1)
    assert all(new in near for new, near in zip(moved.tolist(), expected, strict=True))
    other = here.sample(draws, 5)
    crossed = here.choices[here.crossover(numbers, other, draws, 6)]
    assert ((crossed == here.choices[numbers]) | (crossed == here.choices[other])).all()
    assert here.number(here.choices[numbers]).tolist() == numbers.tolist()


def test_lanes_know_which_decisions_count():
    from nasarena.spaces import Condition, Decision, SearchSpace
    from nasarena.spaces.vectorized import LaneSpace

    decisions = [
        Decision("cells", ("0", "1", "2")),
        Decision("kind", ("a", "b", "c"), Condition(0, frozenset({1, 2}))),
        Decision("size", ("s", "m"), Condition(1, frozenset({1}))),
    ]
    space = SearchSpace("conditional", decisions)
    canonical = np.array([space.index(space.canonical(a)) for a in space], np.int32)
    lanes = LaneSpace(space, canonical)
    every = np.arange(space.spellings)
    expected = [space.active(space.arch(int(n))) for n in every]
    assert [tuple(row) for row in lanes.active(every).tolist()] == expected
    start = np.repeat(every, 400)
    moved = lanes.mutate(start, LaneRandom("conditional", 0, len(start)), 0)
    for number in every.tolist():
        arch = space.arch(number)
        near = {space.index(other) for other in space.neighbours(arch)}
        reached, counts = np.unique(moved[start == number], return_counts=True)
        assert set(reached.tolist()) == near
        # Every decision that counts is as likely to change as any other.
        changed = {n: sum(a != b for a, b in zip(space.arch(n), arch, strict=True)) for n in near}
        assert set(changed.values()) == {1}
        places = [
            next(i for i, c in enumerate(space.arch(int(n))) if c != arch[i]) for n in reached
        ]
        share = np.bincount(places, counts, minlength=3)[list(space.active(arch))] / 400
        assert share == pytest.approx(np.full(len(share), 1 / len(share)), abs=0.12)


def test_the_experiments_seed_draws_other_training_seeds():
    task = registry.task(TOY)
    rows = np.arange(10)
    found = [
        vector_runner.LaneTable(task, Rules(Budget(1), seed=seed), range(10)).look_up(rows, 0)
        for seed in (0, 1, 0)
    ]
    assert found[0].tolist() == found[2].tolist() != found[1].tolist()
