"""NAS-Bench-Graph: the published facts, and the package's own hash as a cross-check."""

from itertools import product
from random import Random

import numpy as np
import pytest

from nasarena.spaces.published.nasbench_graph import (
    BENCHMARK,
    LINKS,
    OPERATIONS,
    PROTEINS,
    SPACE,
    space,
)
from nasarena.spaces.unpickle import load

architecture = pytest.importorskip("nas_bench_graph.architecture")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    cache = tmp_path_factory.mktemp("tables")
    return {name: BENCHMARK.open(name, cache) for name in ("cora", "arxiv", "proteins")}


@pytest.mark.parametrize(
    ("dataset", "rows"), [("cora", 26206), ("arxiv", 26206), ("proteins", 2021)]
)
def test_counts(tables, dataset, rows):
    table = tables[dataset]
    assert (table.rows, table.replicas, table.epochs) == (rows, 1, (1,))
    assert len(np.unique(table.canonical[table.canonical >= 0])) == rows
    assert (table.row_of < 0).sum() == (table.canonical < 0).sum() == len(LINKS)


@pytest.mark.parametrize(("dataset", "best"), [("cora", 0.8193), ("arxiv", 0.7367)])
def test_best(tables, dataset, best):
    assert tables[dataset].mean("validation").max() == pytest.approx(best, abs=5e-5)


@pytest.mark.parametrize(("dataset", "spellings"), [("cora", 59049), ("proteins", 5625)])
def test_every_spelling_finds_the_row_that_the_package_finds(tables, dataset, spellings):
    table, here = tables[dataset], space(dataset)
    networks = load(BENCHMARK.source(dataset))
    row_of_key = {key: row for row, key in enumerate(sorted(networks))}
    assert here.spellings == spellings
    for number in range(spellings):
        arch = here.arch(number)
        names = [here.operations[op] for op in arch[1:]]
        key = architecture.Arch(list(LINKS[arch[0]]), names).valid_hash()
        assert table.row_of[number] == row_of_key.get(key, -1), arch
        assert here.is_valid(arch) == (key in row_of_key)
    keys = sorted(networks)
    assert table.columns["test"][:, 0, 0].tolist() == [networks[key]["perf"] for key in keys]


def test_canonical_is_a_fixed_point_everywhere(tables):
    for table in tables.values():
        valid = table.canonical[table.canonical >= 0]
        assert np.array_equal(table.canonical[valid], valid)
        assert np.isin(table.spelling, valid).all()


@pytest.mark.parametrize("here", [SPACE, PROTEINS], ids=["nine", "proteins"])
def test_parse_takes_any_order_of_links(here):
    rng = Random(0)
    for links in product(range(1), range(2), range(3), range(4)):
        for _ in range(20):
            names = [rng.choice(here.operations) for _ in links]
            if names == ["skip"] * 4:
                continue
            key = f"{architecture.Arch(list(links), names).valid_hash():05}"
            own = (int(key[0]), *(here.operations.index(OPERATIONS[int(d)]) for d in key[1:]))
            assert here.parse(list(links), names) == here.canonical(own)


def test_parse_and_spelling_agree():
    rng = Random(1)
    for arch in (SPACE.sample(rng) for _ in range(200)):
        names = [OPERATIONS[op] for op in arch[1:]]
        assert SPACE.parse(LINKS[arch[0]], names) == SPACE.canonical(arch)


@pytest.mark.parametrize(
    ("links", "names", "message"),
    [
        ([0, 2, 0, 0], ["gcn"] * 4, "the n-th from 0 to n - 1"),
        ([0, 0, 0], ["gcn"] * 3, "four operations"),
        ([0, 0, 0, 0], ["gcn", "gcn", "gcn", "mlp"], r"unknown operations \['mlp'\]"),
        ([0, 1, 2, 3], ["skip"] * 4, "four skips"),
    ],
)
def test_parse_refuses(links, names, message):
    with pytest.raises(ValueError, match=message):
        SPACE.parse(links, names)


def test_simplest_is_one_layer_behind_skips():
    assert SPACE.describe(SPACE.simplest()) == "1:skip(0) 2:skip(1) 3:skip(2) 4:fc(3)"
    assert PROTEINS.describe(PROTEINS.simplest()) == SPACE.describe(SPACE.simplest())


def test_path_encoding():
    assert len(SPACE.path_names) == 9 + 81 + 729 + 6561
    arch = (LINKS.index((0, 0, 1, 3)), *map(OPERATIONS.index, ("gat", "gcn", "skip", "fc")))
    found = {SPACE.path_names[i] for i in np.flatnonzero(SPACE.path_encoding(arch))}
    assert found == {("gcn",), ("gat", "skip", "fc")}
