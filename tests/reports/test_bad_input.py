"""Runs that are not as they should be are drawn and counted as what they are."""

import numpy as np
import pytest
from stores import facts, frame, manifest, write

from nasarena.reports.figures.gallery import render
from nasarena.reports.report import prepare

nan = np.nan


@pytest.fixture
def made(tmp_path):
    """All figures of a results folder are drawn; returns its report and figures by name."""

    def make(rows, labels=("a", "b"), tasks=("t/1",)):
        plan = manifest(labels, {task: facts(noise=0.1) for task in tasks})
        report = prepare([write(tmp_path / "r", frame(rows), plan)], "icml", None)
        plates = [*report.plates(), *(p for t in report.charts.tasks for p in report.plates(t))]
        for plate in plates:
            render(plate, report.style, report.looks, {"png": {}})
        return report, {plate.name: plate for plate in plates}

    return make


def test_runs_of_unequal_length_end_where_the_first_of_them_does(made):
    rows = [("t/1", "a", s, -i, -90.0 - i) for s in range(3) for i in range(4 - s)]
    _, plates = made(rows, ("a",))
    curve = plates["overview"].data[0][0].curves[0]
    assert curve.x.tolist() == [1, 2]
    assert curve.y.tolist() == [5, 4]
    assert plates["final-regret"].data[0].values[0].tolist() == [2, 3, 4]


def test_missing_seeds_are_counted(made):
    rows = [("t/1", "a", s, -i, -90.0) for s in range(3) for i in range(4)]
    rows += [("t/1", "b", s, -i, -91.0) for s in range(2) for i in range(4)]
    report, plates = made(rows)
    effort = next(table for table in report.tables if table.name == "effort")
    assert [row[1] for row in effort.rows] == ["3", "2 of 3"]
    assert "2–3 runs" in plates["overview"].note


def test_failed_runs_are_shown_and_counted(made):
    rows = [("t/1", "a", s, nan if s == 0 else -1.0, -90.0) for s in range(3) for _ in range(4)]
    rows += [("t/1", "b", s, -1.0, -91.0) for s in range(3) for _ in range(4)]
    report, plates = made(rows)
    panel = plates["final-regret"].data[0]
    assert panel.without == (1, 0)
    assert [len(values) for values in panel.values] == [2, 3]
    hits = {curve.label: curve.y[-1] for curve in plates["time-to-target"].data[0][0].curves}
    assert hits["a"] < hits["b"]  # a run that failed reaches nothing, and counts
    effort = next(table for table in report.tables if table.name == "effort")
    assert [row[3] for row in effort.rows] == ["4", "0"]


def test_constant_values(made):
    rows = [("t/1", x, s, -1.0, -95.0) for x in "ab" for s in range(3) for _ in range(4)]
    _, plates = made(rows)
    assert all((c.y == 0).all() for c in plates["overview"].data[0][0].curves)


def test_negative_regret_is_on_the_axis(made):
    from matplotlib import rc_context

    from nasarena.reports.figures.gallery import draw

    rows = [("t/1", x, s, -i, -94.5 - i) for x in "ab" for s in range(3) for i in range(3)]
    report, plates = made(rows)
    with rc_context(report.style.rc()):
        figure = draw(plates["overview"], report.style, report.looks)
    low, high = figure.axes[0].get_ylim()
    assert low < -1.5 < 0.5 < high
    assert plates["overview"].data[0][0].curves[0].y.tolist() == [0.5, -0.5, -1.5]


def test_too_few_tasks_are_explained(made):
    from nasarena.reports.figures.gallery import refusals

    rows = [("t/1", x, s, -1.0, -94.0) for x in "ab" for s in range(3) for _ in range(4)]
    report, plates = made(rows)
    assert "critical-difference" not in plates
    assert "needs 6" in refusals(report.charts)["critical-difference"]


def test_a_strategy_that_was_not_run_everywhere(made):
    rows = [("t/1", x, s, -1.0, -94.0) for x in "ab" for s in range(3) for _ in range(4)]
    rows += [("t/2", "a", s, -1.0, -94.0) for s in range(3) for _ in range(4)]
    report, plates = made(rows, tasks=("t/1", "t/2"))
    assert report.tables[0].rows[1][1:] == ["1 ± 0", "–"]
    assert "t_2" in plates
