"""The runner charges what a second accounting says, under every rule and number of workers."""

from random import Random

import numpy as np
import pandas as pd
import pytest
import toy
from accounting import Record, record_of, rescore

from nasarena.bench import Query, strategy
from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry

nan = np.nan
MANY = Budget(queries=100_000)


@strategy(family="test", asynchronous=True)
class Listed:
    """Proposes a fixed list, whatever it is told."""

    def __init__(self, problem, rng, *, make):
        self.left = make(problem, rng)

    def ask(self):
        return next(self.left, None)

    def tell(self, observation):
        pass


def repeating(problem, rng):
    """Architectures at full epochs, a third of them seen before or respelled."""
    seen = []
    for number in range(80):
        if number > 5 and rng.random() < 0.3:
            arch = rng.choice(seen)
        else:
            arch = problem.space.sample(rng)
            seen.append(arch)
        yield arch


def climbing(problem, rng):
    """The same few architectures at more and fewer epochs in turn."""
    archs = list({problem.space.canonical(problem.space.sample(rng)): 0 for _ in range(8)})
    for _ in range(90):
        yield Query(rng.choice(archs), rng.choice(problem.epochs))


def records(task, make, seeds=3, **rules):
    """The rows of some runs under ``rules``, as `store.read` would give them."""
    noise = rules.pop("noise", "mean")
    settings = {"make": make}
    runs = {
        seed: run_seed(task, Listed, settings, seed, MANY, noise=noise, **rules)
        for seed in range(seeds)
    }
    table = record.to_table(task, runs, {})
    return pd.DataFrame({name: table[name].to_numpy() for name in table.column_names}), runs


def columns(frame, name, runs):
    lengths = [len(run) for run in runs.values()]
    found = np.full((len(lengths), max(lengths)), nan)
    found[np.arange(max(lengths)) < np.array(lengths)[:, None]] = frame[name].to_numpy()
    return found


def assert_the_same(account, frame, runs, source):
    np.testing.assert_allclose(account.cost, columns(frame, "charged", runs), rtol=1e-9)
    np.testing.assert_allclose(account.start, columns(frame, "start", runs), rtol=1e-9)
    np.testing.assert_allclose(account.finish, columns(frame, "finish", runs), rtol=1e-9)
    epochs = [sum(answer.epochs for answer in run.answers) for run in runs.values()]
    queries = [sum(answer.epochs > 0 for answer in run.answers) for run in runs.values()]
    assert np.nanmax(account.spent["epochs"], axis=1).tolist() == epochs
    assert np.nanmax(account.spent["queries"], axis=1).tolist() == queries
    loss = account.of(columns(source, "loss", runs))
    np.testing.assert_allclose(loss, columns(frame, "loss", runs))


@pytest.fixture(scope="module")
def cells():
    return registry.task("nasbench201/cifar10")


@pytest.fixture(scope="module")
def fcnet():
    return registry.task("fcnet/protein")


@pytest.mark.parametrize("made", ["charge", "free"])
@pytest.mark.parametrize("asked", ["charge", "free"])
@pytest.mark.parametrize(("was", "now"), [(1, 1), (1, 4), (3, 3), (4, 1)])
def test_it_equals_a_run_under_those_rules(fcnet, made, asked, was, now):
    source, _ = records(fcnet, repeating, duplicates=made, workers=was)
    target, runs = records(fcnet, repeating, duplicates=asked, workers=now)
    account = rescore(record_of(source, fcnet.facts(), made), duplicates=asked, workers=now)
    if was in (1, now):
        assert_the_same(account, target, runs, source)
    else:  # the record does not hold in which order the first were asked
        total = np.nansum(columns(target, "charged", runs), axis=1)
        np.testing.assert_allclose(np.nanmax(account.finish, axis=1), total)


@pytest.mark.parametrize("asked", ["charge", "free"])
@pytest.mark.parametrize("now", [1, 2, 5])
def test_it_equals_such_a_run_with_trainings_resumed(asked, now):
    task = toy.task()
    source, _ = records(task, climbing, duplicates="charge")
    target, runs = records(task, climbing, duplicates=asked, workers=now)
    account = rescore(record_of(source, task.facts(), "charge"), duplicates=asked, workers=now)
    assert_the_same(account, target, runs, source)
    free, _ = records(task, climbing, duplicates="free")
    account = rescore(record_of(free, task.facts(), "free"), duplicates="free", workers=now)
    if asked == "free":
        assert_the_same(account, target, runs, free)


@pytest.mark.parametrize("workers", [1, 3])
def test_respelled_networks_get_the_first_spellings_answer(cells, workers):
    def respelled(problem, rng):
        for arch in repeating(problem, rng):
            yield arch
            if arch != problem.space.canonical(arch):
                yield problem.space.canonical(arch)

    source, _ = records(cells, respelled, duplicates="charge")
    target, runs = records(cells, respelled, duplicates="free", workers=workers)
    account = rescore(
        record_of(source, cells.facts(), "charge"), duplicates="free", workers=workers
    )
    assert (account.epochs == 0).sum() > 30
    assert_the_same(account, target, runs, source)


def test_sampled_noise_where_the_same_training_seeds_are_drawn(fcnet):
    source, runs = records(fcnet, repeating, noise="sampled", duplicates="charge")
    target, others = records(fcnet, repeating, noise="sampled", duplicates="free", workers=2)
    account = rescore(record_of(source, fcnet.facts(), "charge"), duplicates="free", workers=2)
    assert_the_same(account, target, others, source)
    again = rescore(record_of(source, fcnet.facts(), "charge"))
    assert_the_same(again, source, runs, source)
    resampled, runs = records(fcnet, repeating, noise="sampled", duplicates="resample")
    account = rescore(record_of(resampled, fcnet.facts(), "resample"), duplicates="resample")
    assert_the_same(account, resampled, runs, resampled)


def test_without_resuming_every_training_starts_at_epoch_0():
    task = toy.task()
    source, _ = records(task, climbing, seeds=2)
    account = rescore(record_of(source, task.facts(), "charge"), resume=False)
    # What a first query at these epochs costs, asked of the table.
    oracle = task.oracle(Random(0), noise="mean")
    for run, frame in source.groupby("seed"):
        for step, row in enumerate(frame.itertuples()):
            seen = oracle.evaluate(Query(tuple(int(i) for i in row.arch), row.epochs)).observation
            assert account.cost[run, step] == pytest.approx(seen.seconds)
            assert account.epochs[run, step] == row.epochs
    resumed = rescore(record_of(source, task.facts(), "charge"))
    assert resumed.spent["epochs"][0, -1] < account.spent["epochs"][0, -1]


def plain(network, epochs, charged, start=None, **more):
    network = np.array(network, dtype=float)
    epochs, charged = np.array(epochs, dtype=float), np.array(charged, dtype=float)
    finish = np.cumsum(np.nan_to_num(charged), axis=1)
    begun = finish - charged if start is None else np.array(start, dtype=float)
    replica = np.where(np.isnan(network), nan, 0)
    return Record(network, network, epochs, replica, charged, begun, **more)


def test_by_hand():
    found = plain([[7, 7, 8, 7]], [[1, 3, 3, 3]], [[10, 25, 30, 35]])
    assert rescore(found, resume=False).cost.tolist() == [[10, 35, 30, 35]]
    free = rescore(found, duplicates="free")
    assert free.cost.tolist() == [[10, 25, 30, 0]]
    assert free.answer.tolist() == [[0, 1, 2, 1]]
    assert free.spent["queries"].tolist() == [[1, 2, 3, 3]]
    two = rescore(found, workers=2)
    assert two.finish.tolist() == [[10, 25, 40, 60]]
    assert two.answer.tolist() == [[0, 1, 2, 3]]
    assert two.start.tolist() == [[0, 0, 10, 25]]


def test_runs_of_unequal_length_and_an_empty_one():
    found = plain([[7, 8], [7, nan], [nan, nan]], [[1, 1], [1, nan], [nan, nan]],
                  [[2, 3], [4, nan], [nan, nan]])  # fmt: skip
    account = rescore(found, workers=2, duplicates="free")
    np.testing.assert_array_equal(account.finish, [[2, 3], [4, nan], [nan, nan]])
    np.testing.assert_array_equal(account.of(np.array([[5.0, 6], [7, nan], [nan, nan]])),
                                  [[5, 6], [7, nan], [nan, nan]])  # fmt: skip
    np.testing.assert_array_equal(account.spent["queries"], [[1, 2], [1, nan], [nan, nan]])


def test_what_was_never_paid_for_has_no_cost():
    found = plain([[7, 7]], [[3, 1]], [[30, 0]], duplicates="free")
    with pytest.raises(ValueError, match=r"run 0, step 2: .* to 1 epochs"):
        rescore(found)
    assert rescore(found, duplicates="free").cost.tolist() == [[30, 0]]
