import re
import shutil

import numpy as np
import pytest
from stores import facts, frame, manifest, synthetic, write

from nasarena.bench._base.errors import StoreError
from nasarena.bench.core.runner import Budget
from nasarena.reports import write_report
from nasarena.reports.record.curves import blocks
from nasarena.reports.text.tables import (
    Table,
    effort_table,
    final_regret,
    number,
    plus_minus,
    rank_table,
    regret_table,
)

nan = np.nan
ACROSS = {
    "average-rank",
    "final-regret",
    "overview",
    "performance-profile",
    "probability-of-improvement",
    "time-to-target",
}
NASTY = '<b>&"x" | a_b%$#{}~^\\ ..'


@pytest.fixture
def report(tmp_path):
    def make(data, plan, **options):
        root = tmp_path / "results"
        shutil.rmtree(root, ignore_errors=True)
        return write_report(write(root, data, plan), tmp_path / "out", **options)

    return make


def test_blocks_hold_the_regret_of_the_incumbent():
    data = frame(
        [
            ("t/1", "a", 0, 3.0, -90.0),
            ("t/1", "a", 0, 1.0, -80.0),
            ("t/1", "a", 0, 2.0, -94.0),
            ("t/1", "a", 5, nan, -99.0),
            ("t/1", "a", 5, 1.0, -93.0),
        ]
    )
    (block,) = blocks(data, manifest(["a"], {"t/1": facts()}))
    np.testing.assert_array_equal(block.validation, [[5, 15, 15], [nan, 2, nan]])
    np.testing.assert_array_equal(block.test, [[7, 17, 17], [nan, 4, nan]])
    assert block.seeds.tolist() == [0, 5]
    assert block.lengths.tolist() == [3, 2]
    assert block.failed == 1
    np.testing.assert_array_equal(block.queries, [[1, 2, 3], [1, 2, nan]])


def test_free_repeats_are_no_queries():
    data = frame([("t/1", "a", 0, float(9 - i), -90.0 - i) for i in range(4)])
    data["charged"] = [2.0, 0.0, 2.0, 0.0]
    (block,) = blocks(data, manifest(["a"], {"t/1": facts()}))
    assert block.queries.tolist() == [[1, 1, 2, 2]]
    assert block.against("queries", "validation", np.array([1.0, 2])).tolist() == [[4, 2]]


def test_a_mean_curve_exists_only_where_every_run_does():
    rows = [("t/1", "a", 0, 9.0 - i, -90.0) for i in range(4)]
    rows += [("t/1", "a", 1, nan if i == 0 else 1.0, -92.0) for i in range(3)]
    (block,) = blocks(frame(rows), manifest(["a"], {"t/1": facts()}))
    mean = block.against("finish", "validation", np.arange(1.0, 10)).mean(axis=0)
    assert np.flatnonzero(~np.isnan(mean)).tolist() == [3, 4, 5]  # at 4, 5 and 6 seconds


def test_a_run_that_met_the_deadline_lasts_until_it():
    budget = Budget(queries=4, seconds=9.5)
    rows = [("t/1", "a", 0, 1.0, -90.0)] * 4 + [("t/1", "a", 1, 1.0, -90.0)] * 2
    (block,) = blocks(frame(rows), manifest(["a"], {"t/1": facts()}, budget))
    assert block.ends.tolist() == [8.0, 9.5]


def test_a_run_whose_epochs_may_have_ended_it_is_not_extended_to_the_deadline():
    budget = Budget(epochs=40, seconds=1e6)
    rows = [("t/1", "a", 0, 1.0, -90.0)] * 4 + [("t/1", "a", 1, 1.0, -90.0)] * 2
    (block,) = blocks(frame(rows), manifest(["a"], {"t/1": facts()}, budget))
    assert block.ends.tolist() == [8.0, 4.0]
    curve = block.against("finish", "validation", np.array([4.0, 5, 9, 1e5]))
    np.testing.assert_array_equal(curve, [[5, 5, nan, nan], [5, nan, nan, nan]])


def test_selected_by_validation_even_where_test_says_otherwise():
    data = frame([("t/1", "a", 0, 1.0, -94.0), ("t/1", "a", 0, 2.0, -93.0)])
    data["test"] = [-80.0, -89.0]
    (block,) = blocks(data, manifest(["a"], {"t/1": facts()}))
    assert block.test.tolist() == [[10, 10]]


def test_regret_is_to_the_stated_optimum_and_not_to_the_best_that_was_seen():
    data = frame([("t/1", "a", s, -99.0 - s, -93.0) for s in range(3)])
    (block,) = blocks(data, manifest(["a"], {"t/1": facts()}))
    assert block.validation.tolist() == [[2], [2], [2]]


def test_a_mean_over_fewer_runs_says_so():
    rows = [("t/1", "a", 0, nan, -90.0), ("t/1", "a", 1, 1.0, -92.0), ("t/1", "a", 2, 1.0, -92.0)]
    found = blocks(frame(rows), manifest(["a"], {"t/1": facts()}))
    assert regret_table(found, "validation", ["a"]).rows == [["a", "3 ± 0 (2 of 3 runs)"]]


def test_distinct_networks_are_counted_within_a_run():
    data = frame([("t/1", "a", s, 1.0, -90.0) for s in (0, 0, 1, 1)])
    data["network"] = [3, 3, 3, 4]
    (block,) = blocks(data, manifest(["a"], {"t/1": facts()}))
    assert block.unique == 3 / 4


def test_final_regret_and_ranks():
    rows = []
    for task, (a, b) in {"t/1": (1, 2), "t/2": (1, 4)}.items():
        for label, r in (("a", a), ("b", b)):
            rows += [(task, label, s, 0.0, -95.0 + r + s) for s in range(3)]
    found = blocks(frame(rows), manifest(["a", "b"], {t: facts() for t in ("t/1", "t/2")}))
    finals = final_regret(found, "validation")
    assert finals["mean"].tolist() == [2, 3, 2, 5]
    assert finals["std"].tolist() == [1, 1, 1, 1]
    table = regret_table(found, "validation", ["a", "b"])
    assert table.rows == [["a", "2.0 ± 1.0", "2.0 ± 1.0"], ["b", "3.0 ± 1.0", "5.0 ± 1.0"]]
    assert table.bold == {(0, 1), (0, 2)}
    assert rank_table(found, ["a", "b"]).rows == [["a", "1"], ["b", "2"]]
    assert effort_table(found, ["a", "b"]).rows[0][:4] == ["a", "6", "1", "0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (nan, "–"), (-1.5, "−1.5"), (3217.8, "3,218"), (0.0123456, "0.0123")],
)
def test_numbers_read_well(value, text):
    assert number(value) == text


def test_mean_and_deviation_share_their_last_digit():
    assert plus_minus(0.002418, 0.000771) == "0.00242 ± 0.00077"
    assert plus_minus(12.3456, 3.21) == "12.3 ± 3.2"
    assert plus_minus(1.0, nan) == "1"
    assert plus_minus(2.0, 0.0) == "2 ± 0"


def test_tables_escape_what_their_format_would_read_as_its_own():
    table = Table("x", NASTY, ["task", NASTY], [[NASTY, "1 ± 2"]], frozenset({(0, 1)}))
    tex = table.tex().splitlines()
    assert r"a\_b\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in tex[5]
    assert r"\textbf{1 $\pm$ 2}" in tex[5]
    row = table.markdown().splitlines()[2]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "**1 ± 2**" in row


def test_a_report_has_every_file(report, tmp_path):
    tasks = {"t/1": facts(), "t/2": facts(test=False)}
    page = report(synthetic(), manifest(["a", "b"], tasks))
    out = tmp_path / "out"
    assert page == out / "index.html"
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    drawn = {*ACROSS, "overview-test", "final-regret-test"}
    drawn |= {name + end for name in ("t_1", "t_2") for end in ("", "-map")}
    figures = {f"figures/{n}.{k}" for n in drawn for k in ("png", "pdf")}
    tables = {
        f"tables/{n}.{k}"
        for k in ("md", "tex")
        for n in ("validation-regret", "test-regret", "average-rank", "effort")
    }
    csv = {"tables/validation-regret.csv", "tables/test-regret.csv"}
    floats = {f"floats/{n}.tex" for n in drawn}
    floats |= {f"floats/table-{t[7:-4]}.tex" for t in tables if t.endswith(".tex")}
    assert names == figures | tables | csv | floats | {"index.html", "report.md"}
    text = page.read_text()
    assert text.count("<img") == len(drawn) - 4  # the curves are interactive
    assert "cut off below two thirds" in text
    assert "no test column" in text
    assert b"/Type3" not in (out / "figures/t_1.pdf").read_bytes()


def test_the_same_record_gives_the_same_files(report, tmp_path):
    data, plan = synthetic(tasks=("t/1",)), manifest(["a", "b"], {"t/1": facts(test=False)})
    report(data, plan)
    first = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    report(data, plan)
    assert {p: p.read_bytes() for p in first} == first


def test_names_are_escaped_in_the_page_and_in_file_names(report, tmp_path):
    tasks = ("../<script>alert(1)</script>",)
    page = report(synthetic((NASTY, "b"), tasks), manifest([NASTY, "b"], {tasks[0]: facts()}))
    text = page.read_text()
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert "a &lt;test&gt;" in text
    inside = (tmp_path / "out/figures").resolve()
    names = {p.stem for p in inside.iterdir()}
    assert names >= ACROSS
    assert all(re.fullmatch(r"[\w.+-]+", name) for name in names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "results"]


@pytest.mark.parametrize(
    "shape",
    [
        {"labels": ("a",), "tasks": ("t/1",), "seeds": 1, "steps": 1},
        {"labels": ("a",), "tasks": ("t/1",), "seeds": 3},
        {"tasks": ("t/1",), "seeds": 1},
    ],
)
def test_one_task_one_strategy_one_seed_one_step(report, shape):
    data = synthetic(**shape)
    plan = manifest(shape.get("labels", ("a", "b")), {t: facts() for t in set(data["task"])})
    assert report(data, plan, formats=["html", "md", "tex"]).is_file()


def test_zero_and_negative_regret_and_failed_runs_are_drawn(report):
    rows = [("t/1", "a", s, 9.0 - i, -94.0 - i) for s in range(2) for i in range(4)]
    rows += [("t/1", "b", s, nan, -94.0) for s in range(2) for i in range(4)]
    tasks = {"t/1": facts()}
    page = report(frame(rows), manifest(["a", "b"], tasks))
    assert "8" in page.read_text()
    found = blocks(frame(rows), manifest(["a", "b"], tasks))
    assert final_regret(found, "validation")["mean"].tolist() == [-2]
    assert [block.failed for block in found] == [0, 8]


def test_formats_are_chosen(report, tmp_path):
    plan = manifest(["a", "b"], {"t/1": facts(), "t/2": facts()})
    assert report(synthetic(), plan, formats=["csv"]) == tmp_path / "out"
    assert {p.suffix for p in (tmp_path / "out").rglob("*") if p.is_file()} == {".csv"}
    with pytest.raises(StoreError, match=r"unknown format \['doc'\]"):
        report(synthetic(), plan, formats=["doc"])


def test_an_empty_store_is_said_to_be_empty(report):
    with pytest.raises(StoreError, match="holds no finished run"):
        report(synthetic().iloc[:0], manifest(["a"], {"t/1": facts()}))
