"""Random search's expectation beside the curves, and the noise floor, from the task's table."""

import numpy as np
import pytest
from toy import ToyBenchmark

from nasarena.bench.core.task import TableTask
from nasarena.bench.experiment import registry
from nasarena.reports.record.references import expectation
from nasarena.reports.stats.random_reference import RandomSearch


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
