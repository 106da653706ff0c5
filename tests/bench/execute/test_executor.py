import os

import pytest
from plans import TASK, bits, plan

from nasarena.bench._base.errors import StoreError
from nasarena.bench.execute.executor import execute
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit


def test_any_number_of_processes_gives_the_same_bits(tmp_path):
    experiment = plan("random", "good", seeds=25)
    execute(tmp_path / "one", experiment, processes=1)
    execute(tmp_path / "two", experiment, processes=2)
    assert bits(tmp_path / "one") == bits(tmp_path / "two")
    assert len(bits(tmp_path / "one")) == 8


def test_seeds_give_the_same_bits_in_any_block(tmp_path):
    execute(tmp_path / "whole", plan(seeds=6), processes=1)
    for seeds in (1, 3, 6):
        execute(tmp_path / "parts", plan(seeds=seeds), processes=1)
    whole, parts = (store.read(tmp_path / x).drop(columns="thinking") for x in ("whole", "parts"))
    assert whole.astype({"arch": str}).equals(parts.astype({"arch": str}))


def test_the_same_again_runs_nothing_and_more_seeds_only_what_is_missing(tmp_path):
    execute(tmp_path, plan(), processes=1)
    before = bits(tmp_path)
    assert execute(tmp_path, plan(), processes=1) == []
    more = execute(tmp_path, plan("random", "good", seeds=12), processes=1)
    assert {d.unit[1:] for d in more if d.unit.label == "random"} == {
        ("random", 3, 4),
        ("random", 5, 9),
        ("random", 10, 11),
    }
    assert before.items() <= bits(tmp_path).items()
    assert manifests.read(tmp_path).experiment.seeds == 12
    assert len(store.read(tmp_path)) == 2 * 12 * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": {"queries": 6}}, "budget"),
        ({"noise": "mean"}, "noise is 'sampled' there and 'mean' here"),
        ({"duplicates": "free"}, "duplicates"),
        ({"workers": 2}, "workers"),
        ({"seed": 1}, "seed"),
        ({"strategies": [{"name": "random", "label": "random", "replace": False}]}, "stands for"),
    ],
)
def test_a_folder_of_another_experiment_is_refused(tmp_path, change, message):
    execute(tmp_path, plan(), processes=1)
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(StoreError, match=message):
        execute(tmp_path, plan(**change), processes=1)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="not a results folder"):
        execute(tmp_path, plan(), processes=1)
    with pytest.raises(StoreError, match="not a results folder"):
        execute(tmp_path / "thesis.tex", plan(), processes=1)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "seed 0, after step 1: RuntimeError: planted"),
        ("invalid", "not an architecture of toy"),
        ("exits", "SystemExit"),
        ("hangs", "no answer within the time-out of 0.5 s"),
    ],
)
def test_a_bad_strategy_fails_alone(tmp_path, name, message, processes):
    outcomes = execute(tmp_path, plan(name, "good", timeout=0.5), processes=processes)
    by_label = {done.unit.label: done for done in outcomes}
    assert by_label["good"].error is None
    assert message in by_label[name].error
    assert set(store.read(tmp_path).strategy) == {"good"}
    text = store.error_path(tmp_path, Unit(TASK, name, 0, 2)).read_text()
    assert "Traceback" in text


def test_a_process_that_dies_fails_alone(tmp_path):
    outcomes = execute(tmp_path, plan("dies", "good", "random"), processes=2)
    errors = {done.unit.label: done.error for done in outcomes}
    assert errors["good"] is None
    assert errors["random"] is None
    assert "died" in errors["dies"]


def test_a_failed_unit_runs_again_next_time(tmp_path):
    execute(tmp_path, plan("raises"), processes=1)
    assert len(execute(tmp_path, plan("raises"), processes=1)) == 1


def test_a_damaged_unit_is_set_aside_and_run_again(tmp_path):
    execute(tmp_path, plan(), processes=1)
    whole = bits(tmp_path)
    path = store.unit_path(tmp_path, Unit(TASK, "random", 0, 2))
    path.write_bytes(path.read_bytes()[:-20])
    assert len(execute(tmp_path, plan(), processes=1)) == 1
    assert bits(tmp_path) == whole
    assert path.with_name("0-2.parquet.damaged-1").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match="cannot write"):
            execute(tmp_path / "results", plan(), processes=1)
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, processes):
    (tmp_path / "runs").write_text("in the way")
    manifests.write(tmp_path, manifests.read(_started(tmp_path / "other")))
    with pytest.raises(StoreError, match="cannot write"):
        execute(tmp_path, plan(), processes=processes)


def _started(root):
    execute(root, plan(), processes=1)
    return root
