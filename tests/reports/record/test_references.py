"""Random search's expectation beside the curves, and the noise floor, from the task's table."""

import numpy as np
import pytest
from toy import ToyBenchmark

from nasarena.bench.core.task import TableTask
from nasarena.bench.experiment import registry
from nasarena.reports.record.references import expectation
from nasarena.reports.stats.random_reference import RandomSearch
from nasarena.studies import random_curve


@pytest.fixture
def task():
    return TableTask("toy/a", ToyBenchmark(), "a")


@pytest.mark.parametrize("noise", ["sampled", "mean"])
def test_the_expectation_is_that_of_the_exact_formula(task, noise):
    answers = task.random_search("test")
    answers["observed"][3, 1] = np.inf  # a failed training
    answers["observed"][5, 0] = np.nan  # one that was never made
    optimum = task.optimum["test"]
    queries, values = expectation(answers, optimum, 100, noise)
    search = RandomSearch(
        answers["truth"],
        answers["observed"] if noise == "sampled" else None,
        spellings=answers["spellings"],
        redraw=True,
        optimum=optimum,
    )
    np.testing.assert_allclose(values, search.expected(queries.astype(int)), atol=1e-12)
    assert queries[0] == 1 and queries[-1] == 100
    if noise == "mean":
        assert values[0] == pytest.approx(np.mean(answers["truth"]) - optimum)


def test_the_noise_floor_is_the_spread_of_the_best_networks(task):
    # Two trainings of each network, 2 points apart: a standard deviation of the root of 2.
    assert task.noise("validation") == pytest.approx(np.sqrt(2))
    noise = task.facts().noise
    assert (noise.validation, noise.test) == pytest.approx((np.sqrt(2), np.sqrt(0.5)))
    assert task.noise("nothing") is None


def test_another_table_is_no_reference(monkeypatch, task):
    monkeypatch.setattr(registry, "task", lambda name: task)
    assert registry.random_search("toy/a", "toy-1", "validation") is not None
    assert registry.random_search("toy/a", "another", "validation") is None
    monkeypatch.undo()
    assert registry.random_search("no/such", "toy-1", "validation") is None


def test_the_noise_floor_pools_trainings_by_their_degrees_of_freedom():
    benchmark = ToyBenchmark()
    table = benchmark.table
    table.replicas = 3
    spread = np.array([[0, 2, np.nan], [0, 1, 5], [7, np.nan, np.nan], [0, 4, np.nan], [3, 3, 3.0]])
    ranked = 100.0 - np.arange(table.rows)[:, None] * 10
    values = np.concatenate([spread, np.zeros((table.rows - 5, 3))]) + ranked
    table.columns["validation"] = np.repeat(values[:, None], 3, axis=1)
    # Of the five best, less their means: 2 with 1 degree of freedom, 14 with 2, a lone training
    # that tells nothing, 8 with 1, and 0 with 2.
    found = TableTask("toy/a", benchmark, "a").noise("validation")
    assert found == pytest.approx(np.sqrt((2 + 14 + 0 + 8 + 0) / (1 + 2 + 0 + 1 + 2)))


def test_there_is_no_noise_floor_where_nothing_was_trained_twice():
    benchmark = ToyBenchmark()
    benchmark.table.columns["validation"][:, :, 1] = np.nan
    assert TableTask("toy/a", benchmark, "a").noise("validation") is None


def test_rows_without_a_result_do_not_count_towards_the_noise_floor():
    benchmark = ToyBenchmark()
    benchmark.table.columns["validation"][2:] = np.nan
    assert TableTask("toy/a", benchmark, "a").noise("validation") == pytest.approx(np.sqrt(2))


def test_random_search_meets_failed_trainings_but_not_those_that_were_never_made():
    benchmark = ToyBenchmark()
    columns = benchmark.table.columns
    columns["validation"][3] = np.nan  # both trainings failed
    columns["validation"][4, :, 1] = np.nan  # one failed
    for values in columns.values():
        values[5, :, 1] = np.nan  # there was one only
    task = TableTask("toy/a", benchmark, "a")
    seen = task.random_search("validation")["observed"]
    assert seen[3].tolist() == [np.inf, np.inf]
    assert seen[4, 1] == np.inf and np.isfinite(seen[4, 0])
    assert np.isnan(seen[5, 1]) and np.isfinite(seen[5, 0])
    # One query: a failed training is no incumbent, the others are equally likely to be met.
    chance = np.isfinite(seen).sum(axis=1) / (~np.isnan(seen)).sum(axis=1)
    truth = np.nan_to_num(task.truth("validation"))
    expected = chance @ truth / chance.sum() - task.optimum["validation"]
    (first, *_), _ = found = random_curve.compute(task, "sampled", "charge")
    assert first == 1
    assert found[1][0] == pytest.approx(expected)
