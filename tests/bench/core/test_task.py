"""What a task says of its table: places, losses, the truth, and what a report must know."""

from itertools import product
from random import Random

import numpy as np
import pytest
import toy

from nasarena.bench._base.errors import InvalidProposal, UnknownName
from nasarena.bench.core.contracts import is_reproducible, supernets_of, table_of
from nasarena.bench.core.task_facts import ColumnFacts, PerMetric, TaskFacts
from nasarena.bench.core.types import MEAN, Query
from nasarena.spaces import Column

ARCH = (1, 2, 0)
ROW = toy.space().index(ARCH)
ROWS, EPOCHS, REPLICAS = 24, len(toy.EPOCHS), 2
EVERYWHERE = list(product(range(ROWS), range(EPOCHS), range(MEAN, REPLICAS)))


def holed():
    """A table in which one training was never made and another has failed."""
    benchmark = toy.ToyBenchmark()
    for values in benchmark.table.columns.values():
        values[ROW, :, 1] = np.nan
    benchmark.table.columns["validation"][ROW + 1] = np.nan
    return benchmark


def test_places_are_numbers_from_0_and_tell_row_epochs_and_training():
    task = toy.task()
    numbers = [task.place(*where) for where in EVERYWHERE]
    assert numbers == list(range(ROWS * EPOCHS * (REPLICAS + 1)))
    found = task.places(np.array(numbers))
    assert list(zip(*(part.tolist() for part in found), strict=True)) == EVERYWHERE
    assert task.place(*np.array(EVERYWHERE).T).tolist() == numbers


@pytest.mark.parametrize("objectives", [(), ("latency", "seconds")])
def test_values_and_observations_say_what_the_table_says(objectives):
    benchmark = holed()
    task = toy.task(*objectives, benchmark=benchmark)
    columns = benchmark.table.columns
    signs = {"validation": -1, "latency": 1, "seconds": 1}
    assert task.objectives == ("validation", *objectives)
    numbers = np.array([task.place(*where) for where in EVERYWHERE])
    values = {name: task.values(name, numbers) for name in columns}
    arch = (0, 0, 0)
    for i, (row, epoch, replica) in enumerate(EVERYWHERE):
        seen = task.observation(arch, int(numbers[i]))
        assert seen.query == Query(arch, toy.EPOCHS[epoch], replica)
        for name, column in columns.items():
            trained = column[row, epoch] if replica == MEAN else column[row, epoch, replica]
            known = trained[~np.isnan(trained)]
            right = signs.get(name, 1) * known.mean() if known.size else np.nan
            assert values[name][i] == pytest.approx(right, nan_ok=True)
            if name in task.objectives:
                loss = seen.losses[task.objectives.index(name)]
                assert loss == (np.inf if np.isnan(right) else pytest.approx(right))
            if name == "seconds":
                assert seen.seconds == pytest.approx(right, nan_ok=True)
    assert len(seen.losses) == len(task.objectives)


def test_choices_are_the_same_with_all_spellings_at_hand():
    task, keys = toy.task(), np.array([5, 0, 23, 5])
    before = task.choices(keys)
    assert "lane_space" not in vars(task)
    assert before.tolist() == [list(task.space.arch(int(key))) for key in keys]
    assert task.lane_space is task.lane_space
    assert task.choices(keys).tolist() == before.tolist()


def test_networks_are_the_numbers_of_canonical_spellings():
    task = toy.task()
    assert task.networks(np.array([0, 1, 7])).tolist() == [0, 0, 6]
    assert task.networks(np.array([0])).dtype == np.int64


def test_the_truth_is_a_loss_averaged_over_the_trainings_at_full_epochs():
    task = toy.task(benchmark=holed())
    columns = task.table.columns
    right = -columns["validation"][:, -1].mean(axis=1)
    right[ROW] = -columns["validation"][ROW, -1, 0]
    np.testing.assert_allclose(task.truth("validation"), right)
    np.testing.assert_allclose(task.truth("latency"), np.nanmean(columns["latency"][:, -1], axis=1))
    assert task.truth("nothing").shape == (ROWS,)
    assert np.isnan(task.truth("nothing")).all()
    archs = [task.space.arch(key) for key in (3, ROW + 1)]
    shown = task.reveal([Query(arch, 9, 0) for arch in archs])
    np.testing.assert_allclose(shown["validation"], [right[3], np.nan])
    np.testing.assert_allclose(shown["test"], task.truth("test")[[3, ROW + 1]])
    assert list(shown) == ["validation", "test"]


def test_the_optimum_leaves_failed_trainings_out():
    task = toy.task(benchmark=holed())
    assert task.optimum == {
        name: pytest.approx(np.nanmin(task.truth(name))) for name in ("validation", "test")
    }


def test_the_noise_floor_is_of_the_best_hundredth_of_a_large_table():
    benchmark = toy.ToyBenchmark()
    table, rows, best = benchmark.table, 9900, 99
    table.rows = rows
    first = np.repeat(np.arange(float(rows))[:, None] * 10, 3, axis=1)
    values = np.stack([first, first + 1], axis=2)
    values[:, :-1, 1] += 4  # at fewer epochs
    values[rows - best, :, 1] += 2  # the last of them: 3 apart
    values[: rows - best, :, 1] += 5
    table.columns["validation"] = values
    squares = (best - 1) * 0.5 + 3**2 / 2
    found = toy.task(benchmark=benchmark).noise("validation")
    assert found == pytest.approx((squares / best) ** 0.5)


def test_of_rows_that_are_tied_the_first_count_towards_the_noise_floor():
    benchmark = toy.ToyBenchmark()
    apart = np.where(np.arange(ROWS) < 5, 1.0, 3.0)[:, None]
    values = np.stack([50 - np.repeat(apart, 3, 1), 50 + np.repeat(apart, 3, 1)], axis=2)
    benchmark.table.columns["validation"] = values
    assert toy.task(benchmark=benchmark).noise("validation") == pytest.approx(2**0.5)


def test_what_random_search_draws_from():
    benchmark = holed()
    table = benchmark.table
    table.row_of = table.row_of.copy()
    table.row_of[[0, 1, 2, 23]] = [5, 5, -1, 5]
    table.columns["validation"] = table.columns["validation"].astype(np.float32)
    task = toy.task(benchmark=benchmark)
    found = task.random_search("test")
    counts = np.ones(ROWS)
    counts[[0, 1, 2, 5, 23]] = [0, 0, 0, 4, 0]
    assert found["spellings"].tolist() == counts.tolist()
    np.testing.assert_allclose(found["truth"], task.truth("test"))
    seen = -table.columns["validation"][:, -1]
    seen[ROW + 1] = np.inf
    np.testing.assert_allclose(found["observed"], seen)
    assert found["observed"].dtype == np.float64


def test_a_training_that_was_broken_off_was_not_made():
    benchmark = toy.ToyBenchmark()
    for values in benchmark.table.columns.values():
        values[ROW, -1, 1] = np.nan
        values[ROW + 1, :-1, 1] = np.nan
    task = toy.task(benchmark=benchmark)
    assert task.replicas(ROW) == (0,)
    assert task.replicas(ROW + 1) == (0, 1)
    assert np.isnan(task.random_search("test")["observed"][ROW, 1])
    assert len(task.look_up(ARCH)[2]) == 1


def test_random_search_sees_a_column_that_is_a_loss_as_it_is():
    loss = (Column("validation", "%", False), *toy.ToyBenchmark.columns[1:])
    task = toy.task(benchmark=toy.ToyBenchmark(columns=loss))
    seen = task.table.columns["validation"][:, -1]
    np.testing.assert_allclose(task.random_search("validation")["observed"], seen)
    np.testing.assert_allclose(task.truth("validation"), seen.mean(axis=1))


@pytest.mark.parametrize("averaged", [False, True])
def test_looking_up_gives_each_training_and_keeps_what_it_gave(averaged):
    task = toy.task(benchmark=holed())
    row, canonical, answers = task.look_up(ARCH, averaged=averaged)
    assert (row, canonical) == (ROW, ROW)
    assert answers == (None,)  # there is one training, and nobody has asked for it
    answer = task.answer(ARCH, 0, averaged=averaged)
    replica = MEAN if averaged else 0
    assert answer.observation == task.observation(ARCH, task.place(ROW, EPOCHS - 1, replica))
    assert answer.cost == answer.observation.seconds == 9 * (10 + ROW)
    assert answer[2:] == (9, ROW, ROW, task.place(ROW, EPOCHS - 1, replica))
    kept = {"sampled": task.sampled, "averaged": task.averaged}
    assert kept.pop("averaged" if averaged else "sampled") == {ARCH: (row, canonical, (answer,))}
    assert kept.popitem()[1] == {}
    assert len(task.look_up((0, 0, 0))[2]) == 2


def test_what_is_not_in_the_table_cannot_be_looked_up():
    benchmark = toy.ToyBenchmark()
    benchmark.table.row_of = benchmark.table.row_of.copy()
    benchmark.table.row_of[ROW] = -1
    task = toy.task(benchmark=benchmark)
    with pytest.raises(InvalidProposal, match=r"holds no row for \(1, 2, 0\)"):
        task.look_up(ARCH)
    with pytest.raises(InvalidProposal, match=r"3 choice indices below \(4, 3, 2\)"):
        task.look_up((4, 0, 0))
    assert np.isnan(task.problem.proxies["latency"](ARCH))
    assert task.problem.proxies["latency"]((0, 0, 0)) == 1


def test_the_recorded_trainings_of_a_row():
    task = toy.task(benchmark=holed())
    assert task.replicas(ROW) == (0,)
    assert task.replicas(0) == (0, 1)
    assert {type(replica) for replica in task.replicas(0)} == {int}


def test_a_problem_is_the_space_its_epochs_and_the_objectives():
    task = toy.task("latency")
    assert task.problem.space is task.space
    assert task.problem.epochs == toy.EPOCHS
    assert task.problem.objectives == ("validation", "latency")
    assert list(task.problem.proxies) == ["latency"]


def test_a_column_that_is_not_in_the_table_is_no_proxy():
    benchmark = toy.ToyBenchmark()
    del benchmark.table.columns["latency"]
    assert dict(toy.task(benchmark=benchmark).problem.proxies) == {}


def test_an_oracle_samples_trainings_and_charges_repeats_unless_told():
    task = toy.task()
    asked = task.oracle(Random(0))
    first = asked.evaluate(ARCH)
    assert first.observation.query.replica in (0, 1)
    assert asked.evaluate(ARCH) == first
    other = task.oracle(Random(0), noise="mean", duplicates="free")
    assert other.evaluate(ARCH).observation.query.replica == MEAN
    assert other.evaluate(ARCH).cost == 0


@pytest.mark.parametrize("name", ["validation", "test", "nothing"])
def test_an_objective_is_a_column_besides(name):
    with pytest.raises(UnknownName, match="objective of toy/a"):
        toy.task(name)


def test_facts_are_all_that_a_report_needs():
    task = toy.task("latency")
    validation = ColumnFacts("validation accuracy", "%", True)
    assert task.facts() == TaskFacts(
        optimum=PerMetric(**task.optimum),
        validation=validation,
        test=ColumnFacts("test accuracy", "%", True),
        cost=ColumnFacts("training time", "s"),
        noise=PerMetric(task.noise("validation"), task.noise("test")),
        objectives={"validation": validation, "latency": ColumnFacts("latency", "s")},
        architectures=24,
        unique=12,
        rows=24,
        replicas=2,
        epochs=(1, 3, 9),
        hash="toy-1",
        citation="made up",
    )
    assert repr(task) == "<TableTask toy/a>"
    assert is_reproducible(task) and table_of(task) is task and supernets_of(task) is None
