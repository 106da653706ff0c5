"""Several results folders as one record, and what is refused."""

import numpy as np
import pytest
from msgspec.structs import replace
from stores import facts, manifest, synthetic, with_experiment, write

from nasarena.bench._base.errors import StoreError
from nasarena.bench.core.runner import Budget
from nasarena.bench.core.task_facts import PerMetric
from nasarena.reports import write_report
from nasarena.reports.record.sources import open_record

TASKS = {"t/1": facts(), "t/2": facts()}


def folder(root, name, change=None, **shape):
    data = synthetic(**shape)
    plan = manifest(
        list(data["strategy"].cat.categories), {t: facts() for t in data["task"].cat.categories}
    )
    if change is not None:
        plan = change(plan)
    return write(root / name, data, plan)


def test_strategies_tasks_and_seeds_of_several_folders_are_joined(tmp_path):
    one = folder(tmp_path, "one", labels=("a",), tasks=("t/1",))
    two = folder(tmp_path, "two", labels=("b",), tasks=("t/1", "t/2"))
    three = folder(tmp_path, "three", labels=("a",), tasks=("t/1",), first=3)
    record = open_record([one, two, three])
    assert record.tasks == ["t/1", "t/2"]
    assert record.labels == ["a", "b"]
    seeds = {(b.task, b.strategy): b.seeds.tolist() for b in record.blocks()}
    assert seeds == {
        ("t/1", "a"): [0, 1, 2, 3, 4, 5],
        ("t/1", "b"): [0, 1, 2],
        ("t/2", "b"): [0, 1, 2],
    }
    apart = {(b.task, b.strategy): b for b in open_record([one]).blocks()}
    joined = {(b.task, b.strategy): b for b in record.blocks()}
    alone = apart["t/1", "a"].validation
    both = joined["t/1", "a"].validation[:3, : alone.shape[1]]
    np.testing.assert_array_equal(both, alone)


def test_a_unit_that_two_folders_hold_with_the_same_bits_counts_once(tmp_path):
    one, two = (folder(tmp_path, name) for name in ("one", "two"))
    alone, both = open_record([one]), open_record([one, two])
    assert list(both.units) == list(alone.units)
    for a, b in zip(alone.blocks(), both.blocks(), strict=True):
        np.testing.assert_array_equal(a.validation, b.validation)


def other_version(plan):
    return replace(plan, packages=plan.packages | {"nasarena": "0.0.9"})


def other_table(plan):
    return replace(plan, tasks=plan.tasks | {"t/2": replace(plan.tasks["t/2"], hash="xyz")})


def other_budget(plan):
    return with_experiment(plan, budget=Budget(queries=5))


def other_settings(plan):
    first, *others = plan.experiment.strategies
    return with_experiment(plan, strategies=(replace(first, settings={"k": 2}), *others))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_version, r"nasarena's version is 0\.1\.0 in the first and 0\.0\.9 in the second"),
        (other_table, r"the hash of t/2's table is abc in the first and xyz in the second"),
        (other_budget, r"budget is .*4.* in the first and .*5.* in the second"),
        (other_settings, r"what 'a' stands for is a \{'k': 1\} in the first"),
    ],
)
def test_folders_that_do_not_belong_together_are_refused_saying_what(tmp_path, change, said):
    one = folder(tmp_path, "one")
    two = folder(tmp_path, "two", change, first=3)
    with pytest.raises(StoreError, match=said) as refusal:
        open_record([one, two])
    assert str(one) in str(refusal.value)
    assert str(two) in str(refusal.value)


def test_the_same_runs_with_different_results_are_refused(tmp_path):
    one = folder(tmp_path, "one")
    two = folder(tmp_path, "two", steps=5)
    with pytest.raises(StoreError, match=r"same runs with different results \(t/1, a, seeds 0-2"):
        open_record([one, two])


def test_several_folders_need_a_place_to_go_to(tmp_path):
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two", first=3)
    with pytest.raises(StoreError, match="give --out"):
        write_report([one, two])
    assert write_report([one, two], tmp_path / "out", ["md"]) == tmp_path / "out"
    assert "6" in (tmp_path / "out/tables/effort.md").read_text()


def test_no_folder_and_no_run(tmp_path):
    with pytest.raises(StoreError, match="got none"):
        open_record([])
    empty = write(tmp_path / "r", synthetic().iloc[:0], manifest(["a"], TASKS))
    with pytest.raises(StoreError, match="holds no finished run"):
        open_record([empty])


def test_the_best_found_stands_for_an_optimum_that_nobody_knows(tmp_path):
    unknown = {task: replace(facts(), optimum=PerMetric()) for task in TASKS}
    data = synthetic()
    results = open_record([write(tmp_path / "live", data, manifest(["a", "b"], unknown))])
    for task in TASKS:
        least = data[data["task"] == task]["validation"].min()
        said = results.manifest.tasks[task]
        assert said.optimum == PerMetric(least, least + 7)
        assert said.best("validation").endswith("% (the best found)")
        regrets = [np.nanmin(b.validation) for b in results.blocks() if b.task == task]
        assert min(regrets) == 0
