"""FCNet: the published grid, and that every number of it lands in its place."""

from random import Random

import numpy as np
import pytest

from nasarena.spaces.published.fcnet import BENCHMARK, SPACE
from nasarena.spaces.unpickle import load


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return BENCHMARK.open("protein", tmp_path_factory.mktemp("tables"))


def test_counts(table):
    assert (table.rows, table.replicas, table.epochs) == (62208, 4, (100,))
    assert np.array_equal(table.row_of, np.arange(SPACE.spellings))
    assert not np.isnan(table.columns["validation"]).any()


def test_rows_are_the_published_ones(table):
    networks = load(BENCHMARK.source("protein"))
    rng = Random(0)
    for arch in (SPACE.sample(rng) for _ in range(500)):
        network = networks["".join(map(str, arch))]
        row = table.row_of[SPACE.index(arch)]
        assert table.columns["validation"][row, 0].tolist() == network["val_loss"]
        assert table.columns["seconds"][row, 0].tolist() == network["train_time"]


def test_parameters_follow_the_units(table):
    """Two hidden layers on nine inputs, with biases, and one output with its own."""
    rng = Random(1)
    for arch in (SPACE.sample(rng) for _ in range(500)):
        first, second = (int(SPACE.decisions[place].choices[arch[place]]) for place in (7, 8))
        expected = (9 + 1) * first + (first + 1) * second + (second + 1)
        assert table.mean("parameters")[SPACE.index(arch)] == expected


def test_simplest():
    assert SPACE.describe(SPACE.simplest()) == (
        "activation_fn_1=relu, activation_fn_2=relu, batch_size=8, dropout_1=0.0, dropout_2=0.0, "
        "init_lr=0.0005, lr_schedule=cosine, n_units_1=16, n_units_2=16"
    )


@pytest.mark.parametrize("dataset", BENCHMARK.datasets)
def test_every_dataset_has_its_file(dataset):
    assert BENCHMARK.source(dataset).is_file()
