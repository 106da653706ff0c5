"""Published comparisons, replayed: the machinery, and those that embedded tables suffice for."""

import json
from pathlib import Path

import numpy as np
import pytest

from nasarena.bench.experiment.published import PROTOCOLS, Figure
from nasarena.spaces import Table, library
from nasarena.spaces.formats import Imported
from nasarena.spaces.formats.trainings import COLUMNS
from nasarena.spaces.published import nasbench201
from nasarena.studies import data, reproduce

SHARED = Path(__file__).parents[4] / "shared/data"
ORIGIN = {"format": "nasbench201", "reader": 1, "sources": [], "imported": "2026-11-26"}


def test_every_protocol_has_a_state(nasarena):
    rows = json.loads(nasarena("reproduce", "--list", "--json")[1])
    states = {row["protocol"]: row["state"] for row in rows}
    assert set(states) == set(PROTOCOLS)
    assert states["local-search-cifar100"] == "can be run"
    assert states["nasbench-graph-cora-by-test"] == "can be run"
    for name in ("nasbench201-table5", "nasbench101-figure7", "nats-sss-cifar10"):
        assert states[name].startswith("cannot be run: ")
        assert PROTOCOLS[name].needs in states[name]
    assert "nasbench201-table5" in nasarena("reproduce")[1]


def test_protocols_are_sound():
    for protocol in PROTOCOLS.values():
        players = {player.label for player in protocol.players}
        scores = {score.name for score in protocol.scores}
        for figure in protocol.figures:
            assert figure.strategy in players
            assert figure.score in scores
        assert protocol.source
    figures = {(f.strategy, f.score): f for f in PROTOCOLS["nasbench201-table5"].figures}
    assert len(figures) == 12
    assert figures["BOHB", "ImageNet16-120 test"].mean == 44.42
    assert figures["BOHB", "ImageNet16-120 test"].deviation == 1.49


@pytest.mark.parametrize(
    ("mean", "error", "state"),
    [
        (93.92, 0.01, "agrees"),
        (93.95, 0.01, "agrees"),
        (93.97, 0.01, "differs"),
        (93.97, 0.03, "agrees"),
        (93.84, 0.01, "differs"),
    ],
)
def test_verdicts(mean, error, state):
    figure = Figure("REA", "test", 93.92, 0.30)  # a standard error of 0.0134 in 500 runs
    assert reproduce.state_of(mean, error, figure, 500) == state
    assert reproduce.state_of(mean, error, None, 500) == "no published figure"
    # Where nobody says how many runs there were, the deviation itself is the error.
    assert reproduce.state_of(94.4, 0.01, figure, None) == "agrees"
    assert reproduce.state_of(94.6, 0.01, figure, None) == "differs"


def test_local_search_finds_the_optimum_as_published(nasarena):
    code, out, _ = nasarena("reproduce", "local-search-cifar100", "--runs", 60, "--json")
    assert code == 0
    (verdict,) = json.loads(out)["local-search-cifar100"]
    assert verdict["state"] == "agrees"
    assert 100 < verdict["mean"] < 140
    rows = json.loads(nasarena("reproduce", "--list", "--json")[1])
    states = {row["protocol"]: row["state"] for row in rows}
    assert states["local-search-cifar100"] == "agrees (60 runs)"


def test_selecting_on_test_is_what_the_published_figures_do(nasarena):
    by_test, honest = (
        {v.strategy: v for v in reproduce.play(PROTOCOLS[f"nasbench-graph-cora-by-{s}"], 5)}
        for s in ("test", "validation")
    )
    for label, verdict in by_test.items():
        # By test, every strategy comes within one percent of its figure; by validation none does.
        assert abs(verdict.mean - verdict.published.mean) < 0.01
        assert honest[label].mean < verdict.published.mean - 0.005
    out = nasarena("reproduce", "nasbench-graph-cora-by-validation", "--runs", 2)[1]
    assert "(unchecked)" in out
    assert "select on test" in out


def test_macro(nasarena):
    path = SHARED / "nas-bench-macro_cifar10.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    code, _, err = nasarena("reproduce", "nasbench-macro-optimum")
    assert code == 2
    assert "nas-bench-macro_cifar10.json" in err
    data.import_files("nasbench-macro", [path])
    assert nasarena("reproduce", "nasbench-macro-optimum")[0] == 0
    assert reproduce.state(PROTOCOLS["nasbench-macro-optimum"]) == "agrees (1 runs)"


def stand_in(kind, dataset, seed):
    """A table of the official benchmark's form: real final accuracies, others made up."""
    plain = nasbench201.BENCHMARK.open("cifar10" if dataset == "cifar10" else dataset)
    final = plain.columns["validation"]
    rng = np.random.default_rng(seed)
    spread = 1.0 if kind == "hp12" else 0.1
    columns = {
        "validation": final + rng.normal(0, spread, final.shape),
        "test": final + 2,
        "seconds": plain.columns["seconds"] * (12 / 200 if kind == "hp12" else 1),
        "evaluation": np.full(final.shape, 2.5),
    }
    table = Table(
        (12 if kind == "hp12" else 200,),
        columns,
        spelling=plain.spelling,
        canonical=plain.canonical,
        row_of=plain.row_of,
    )
    kept = tuple(column for column in COLUMNS if column.name in columns)
    return Imported(f"nasbench201-{kind}", dataset, table, kept, "nasbench201", "made up")


def test_table_5_runs_when_its_tables_are_there():
    protocol = PROTOCOLS["nasbench201-table5"]
    wanted = [("hp12", "cifar10"), *(("hp200", d) for d in nasbench201.BENCHMARK.datasets)]
    found = [stand_in(kind, dataset, n) for n, (kind, dataset) in enumerate(wanted)]
    library.add(found, ORIGIN | {"identity": "0" * 64})
    assert reproduce.missing(protocol) == []
    told = []
    verdicts = list(reproduce.play(protocol, 4, told.append))
    assert told[-1] == pytest.approx(1)
    assert len(verdicts) == 12
    for verdict in verdicts:
        assert verdict.runs == 4
        assert verdict.low <= verdict.mean <= verdict.high
        assert verdict.published is not None
    # Searched by noisy 12-epoch validation, scored by the seed-averaged test of another table.
    scores = {(v.strategy, v.score): v.mean for v in verdicts}
    best = {d: nasbench201.BENCHMARK.open(d).mean("validation").max() + 2 for _, d in wanted[1:]}
    assert best["cifar10"] - 4 < scores["REA", "CIFAR-10 test"] <= best["cifar10"]
    assert scores["RS", "ImageNet16-120 test"] < best["imagenet16-120"]
    # What was kept is forgotten when a table changes.
    reproduce.keep(protocol, verdicts)
    assert reproduce.state(protocol).startswith(("differs in", "agrees"))
    library.add([stand_in("hp12", "cifar10", 9)], ORIGIN | {"identity": "1" * 64})
    assert reproduce.state(protocol) == "can be run"


def test_evaluations_are_charged_beside_the_training():
    library.add([stand_in("hp12", "cifar10", 0)], ORIGIN | {"identity": "0" * 64})
    protocol = PROTOCOLS["nasbench201-table5"]
    benchmark = library.benchmark("nasbench201-hp12")
    charged = reproduce._Replayed(benchmark, protocol).open("cifar10")
    plain = benchmark.open("cifar10")
    difference = charged.columns["seconds"] - plain.columns["seconds"]
    np.testing.assert_allclose(difference[~np.isnan(difference)], 2.5)


def test_misuse(nasarena):
    code, out, err = nasarena("reproduce", "nasbench201-table")
    assert (code, out) == (2, "")
    assert "did you mean 'nasbench201-table5'" in err
    code, _, err = nasarena("reproduce", "nasbench101-figure7")
    assert code == 2
    assert "nasbench_full.tfrecord" in err
