"""NAS-Bench-201: the published facts, and measurements of others as a cross-check."""

import csv
import gzip
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest

from nasarena.spaces.published.nasbench201 import BENCHMARK, EDGES, OPERATIONS, SPACE

DATA = Path(__file__).parents[4] / "shared" / "data"
BEST = {"cifar10": 91.6067, "cifar100": 73.4933, "imagenet16-120": 46.7333}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    cache = tmp_path_factory.mktemp("tables")
    return {dataset: BENCHMARK.open(dataset, cache) for dataset in BENCHMARK.datasets}


def measurements(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"measurements to compare with are not here: {path}")
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def test_counts(tables):
    for table in tables.values():
        assert (table.rows, table.replicas, table.epochs) == (15625, 3, (200,))
        assert len(np.unique(table.canonical)) == 6466
        recorded = (~np.isnan(table.columns["validation"][:, 0])).sum(axis=1)
        assert np.bincount(recorded).tolist() == [0, 0, 7456, 8169]


@pytest.mark.parametrize("dataset", BENCHMARK.datasets)
def test_best_average_over_training_seeds(tables, dataset):
    assert tables[dataset].mean("validation").max() == pytest.approx(BEST[dataset], abs=5e-5)


def test_every_spelling_has_its_own_row(tables):
    for table in tables.values():
        assert np.array_equal(table.row_of, np.arange(SPACE.spellings))
        assert np.array_equal(table.spelling, np.arange(SPACE.spellings))


def test_canonical_is_the_first_spelling_of_its_class(tables):
    canonical = tables["cifar10"].canonical
    assert (canonical <= np.arange(SPACE.spellings)).all()
    assert np.array_equal(canonical[canonical], canonical)


def test_some_equal_and_unequal_cells():
    conv = (0, 0, 0, 3, 0, 0)  # one convolution straight from input to output
    assert SPACE.canonical((1, 0, 0, 0, 3, 0)) == SPACE.canonical(conv)  # a skip passes on
    assert SPACE.canonical((0, 0, 4, 3, 2, 0)) == SPACE.canonical(conv)  # from a void node
    assert SPACE.canonical((0, 0, 0, 2, 0, 0)) != SPACE.canonical(conv)
    assert SPACE.canonical((2, 3, 0, 0, 4, 1)) != SPACE.canonical((2, 3, 0, 0, 1, 4))
    # As published, node 2 with a void term is not the input: these count as two.
    assert SPACE.canonical((0, 1, 0, 0, 0, 3)) != SPACE.canonical(conv)


def test_training_time_facts(tables):
    ten, hundred = (tables[name].columns["seconds"] for name in ("cifar10", "cifar100"))
    assert np.array_equal(hundred, 2 * ten, equal_nan=True)
    assert (np.nanmax(ten, axis=2) == np.nanmin(ten, axis=2)).all()


def test_parameters_follow_the_operations(tables):
    arch = SPACE.archs(np.arange(SPACE.spellings))
    large, small = ((arch == OPERATIONS.index(f"nor_conv_{k}")).sum(axis=1) for k in ("3x3", "1x1"))
    expected = 0.073306 + 0.24304 * large + 0.028 * small
    recorded = tables["cifar10"].columns["parameters"][:, 0]
    off = np.abs(recorded - expected[:, None]) > 1e-6
    assert off.sum(axis=0).tolist() == [150, 0, 144] and off.any(axis=1).sum() == 204


def test_describe_is_the_published_string_and_parse_its_inverse():
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|none~2|"
    assert SPACE.parse(text) == (3, 2, 1, 0, 4, 0)
    assert SPACE.describe((3, 2, 1, 0, 4, 0)) == text
    assert all(SPACE.parse(SPACE.describe(arch)) == arch for arch in SPACE)


@pytest.mark.parametrize("text", ["", "|none~0|", "|nor~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
def test_parse_refuses_other_text(text):
    with pytest.raises(ValueError, match="expected a cell like"):
        SPACE.parse(text)


def test_path_encoding():
    assert len(SPACE.path_names) == 4 + 16 + 64
    arch = SPACE.parse(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
    )
    found = {SPACE.path_names[i] for i in np.flatnonzero(SPACE.path_encoding(arch))}
    assert found == {("nor_conv_1x1",), ("nor_conv_3x3", "skip_connect", "avg_pool_3x3")}
    assert not SPACE.path_encoding((0,) * 6).any()
    assert SPACE.path_encoding(SPACE.simplest()).sum() == 1


def test_zero_cost_file_agrees_on_parameters(tables):
    rows = measurements("nb201_zero-cost_proxies_cifar10.csv.gz")
    recorded = tables["cifar10"].columns["parameters"][:, 0, 1]  # a seed that no cell lacks
    ours = np.array([recorded[SPACE.index(SPACE.parse(row["net_str"]))] for row in rows])
    theirs = np.array([float(row["params"]) for row in rows])
    assert len(rows) == 9445 and np.abs(ours - theirs).max() < 1e-6


def test_hardware_file_agrees_on_edges(tables):
    """Latency on a Raspberry Pi goes with accuracy, less so if two edges are confused."""
    rows = measurements("hw-nas-bench_nb201_cifar10.csv.gz")
    theirs = {literal_eval(row["net"]): float(row["raspi4_latency"]) for row in rows}
    operation = {"skip_connect": 0, "none": 1, "nor_conv_3x3": 2, "nor_conv_1x1": 3}
    number = [operation.get(name, 4) for name in OPERATIONS]
    accuracy = tables["cifar10"].mean("validation")

    def correlation(places):
        matched = [theirs[tuple(number[arch[place]] for place in places)] for arch in SPACE]
        ranks = [np.argsort(np.argsort(values)) for values in (accuracy, matched)]
        return np.corrcoef(*ranks)[0, 1]

    assert len(theirs) == SPACE.spellings
    in_their_order = [EDGES.index(edge) for edge in sorted(EDGES)]
    assert correlation(in_their_order) > 0.6 > correlation(range(6))
