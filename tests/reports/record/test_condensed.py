"""A report reads its record in pieces and keeps the steps of change: the numbers are the same."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from stores import facts, frame, manifest, synthetic, write

from nasarena.bench.store import store
from nasarena.bench.store.compaction import compact
from nasarena.bench.store.store import Unit
from nasarena.reports import write_report
from nasarena.reports.figures.charts import Charts
from nasarena.reports.figures.finals import chances, distributions, profile
from nasarena.reports.figures.gallery import _varies
from nasarena.reports.page.page_data import task_curves
from nasarena.reports.record import condensed as condensing
from nasarena.reports.record.condensed import condensed
from nasarena.reports.record.curves import COLUMNS, blocks
from nasarena.reports.record.provenance import digest
from nasarena.reports.report import prepare
from nasarena.reports.text.tables import final_regret

LABELS, TASKS = ["a", "b"], {"t/1": facts(), "t/2": facts()}


def plain(rng):
    return synthetic(seeds=6, steps=40)


def ragged(rng):
    """Runs of unlike lengths, some trainings failed, one run all failed."""
    data = plain(rng)
    step = data["step"].to_numpy()
    data = data[step <= 10 + 7 * data["seed"].to_numpy() % 31].reset_index(drop=True)
    data.loc[rng.random(len(data)) < 0.3, "loss"] = np.nan
    data.loc[data["seed"] == 2, "loss"] = np.nan
    return data


def several_epochs(rng):
    """Epochs rise, networks come back, duplicates are free."""
    data = plain(rng)
    data["epochs"] = rng.choice([3, 9, 27], len(data))
    data["network"] = rng.integers(0, 12, len(data))
    data["charged"] = np.where((rng.random(len(data)) < 0.3) & (data["step"] > 1), 0.0, 2.0)
    return data


def worse_later(rng):
    """An incumbent's truth rises and falls."""
    data = plain(rng)
    data["validation"] = -94 + rng.random(len(data))
    data["thinking"] = rng.random(len(data))
    return data


KINDS = (plain, ragged, several_epochs, worse_later)


def both(data):
    plan = manifest(LABELS, TASKS)
    whole = blocks(data, plan)
    return plan, whole, list(in_pieces(data, plan, 1))


def in_pieces(data, plan, seeds):
    """The blocks by units of so many seeds."""
    for (task, label), part in data.groupby(["task", "strategy"], observed=True, sort=False):
        units = [own for _, own in part.groupby(part["seed"] // seeds)]
        columns = ({name: unit[name].to_numpy() for name in COLUMNS} for unit in units)
        optimum, budget = plan.tasks[task].optimum, plan.experiment.budget
        yield condensed(task, label, columns, optimum, budget)


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_and_table_is_the_same(kind):
    plan, whole, small = both(kind(np.random.default_rng(1)))
    assert small[0].finish.shape[1] < whole[0].finish.shape[1]
    shown = []
    for found in (whole, small):
        charts = Charts(found, plan, LABELS)
        shown.append(
            [
                *(
                    charts.regret(t, axis, m)
                    for t in charts.tasks
                    for axis in ("queries", "epochs", "finish")
                    for m in ("validation", "test")
                ),
                charts.ranks(),
                charts.ecdf(),
                profile(charts),
                chances(charts),
                *distributions(charts),
                *(task_curves(charts.of_task[t], plan.tasks[t], LABELS) for t in charts.tasks),
                *(_varies(charts.of_task[t]) for t in charts.tasks),
                final_regret(found, "validation").to_csv(),
                [(b.failed, b.unique, b.lengths, b.seeds, b.ends) for b in found],
            ]
        )
    for one, other in zip(*shown, strict=True):
        assert digest(one) == digest(other)
    for one, other in zip(whole, small, strict=True):
        assert one.thinking == pytest.approx(other.thinking, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 100, 10_000])
def test_how_runs_are_divided_changes_no_bit(monkeypatch, kind, rows):
    data, plan = kind(np.random.default_rng(2)), manifest(LABELS, TASKS)
    first = list(in_pieces(data, plan, 1))
    monkeypatch.setattr(condensing, "ROWS", rows)
    for seeds in (2, 6):
        for one, other in zip(first, in_pieces(data, plan, seeds), strict=True):
            for field in dataclasses.fields(one):
                np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_long_runs_take_little():
    steps = 5000
    rng = np.random.default_rng(3)
    rows = [("t/1", "a", 0, value, value) for value in rng.random(steps)]
    (block,) = in_pieces(frame(rows), manifest(["a"], TASKS), 1)
    assert block.lengths.tolist() == [steps]
    assert block.finish.shape[1] < 25


def split(root, data, plan):
    """The same record in units of one run."""
    for seed in range(6):
        write(root, data[data["seed"] == seed], plan)
    return root


def test_a_report_is_the_same_before_and_after_compaction(tmp_path):
    data, plan = ragged(np.random.default_rng(4)), manifest(LABELS, TASKS)
    root = split(tmp_path / "r", data, plan)
    assert len(list(root.rglob("*.parquet"))) == 24
    report = prepare([root], "screen", None)
    shown = [digest(plate.data) for task in TASKS for plate in report.plates(task)]
    page = write_report(root, formats=["html", "csv"], figures=False).read_bytes()
    assert compact(root).files_after == 4
    again = prepare([root], "screen", None)
    assert again.provenance == report.provenance
    assert shown == [digest(plate.data) for task in TASKS for plate in again.plates(task)]
    assert write_report(root, formats=["html", "csv"], figures=False).read_bytes() == page


def test_a_compacted_folder_and_a_plain_one_are_reported_together(tmp_path):
    data, plan = plain(None), manifest(LABELS, TASKS)
    one, two = split(tmp_path / "one", data, plan), split(tmp_path / "two", data, plan)
    compact(one)
    store.unit_path(two, Unit("t/1", "a", 3, 3)).unlink()
    apart, joined = prepare([one], "screen", None), prepare([one, two], "screen", None)
    assert joined.provenance.record == apart.provenance.record
    assert digest(list(joined.charts.blocks)) == digest(list(apart.charts.blocks))


def test_pandas_is_not_needed_for_the_rows(tmp_path, monkeypatch):
    root = write(tmp_path / "r", synthetic(), manifest(LABELS, TASKS))

    def refuse(*_, **__):
        raise AssertionError("the whole record was read")

    monkeypatch.setattr(store, "read", refuse)
    monkeypatch.setattr(pd, "concat", refuse)
    assert write_report(root, formats=["md"], figures=False)
