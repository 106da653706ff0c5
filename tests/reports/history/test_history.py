import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from nasarena.bench._base.errors import StoreError
from nasarena.reports.history import history, track
from nasarena.reports.history.history import Row

ROW = Row(
    commit="0" * 40,
    time="2026-01-01T00:00:00+00:00",
    task="space/data",
    strategy="mine <b>",
    metric="final regret",
    value=1.0,
    deviation=0.1,
    count=20,
    unit="%",
    protocol="p",
    fingerprint="f",
)


def rows(*values, **others):
    return [
        replace(
            ROW, commit=f"{i:040x}", time=f"2026-01-{i + 1:02}T00:00:00+00:00", value=v, **others
        )
        for i, v in enumerate(values)
    ]


@pytest.fixture(params=["folder", "file.jsonl"])
def where(request, tmp_path):
    return tmp_path / "deep" / request.param


def test_what_is_added_comes_back_in_the_order_of_time(where):
    late, early = rows(1.0, 2.0)[::-1], rows(3.0, strategy="other")
    history.add(where, late)
    history.add(where, early)
    assert history.load(where) == sorted([*late, *early], key=lambda r: (r.time, r.commit))


def test_adding_twice_changes_nothing(where):
    file = history.add(where, rows(1.0, 2.0))
    before = file.read_bytes()
    assert history.add(where, rows(1.0, 2.0)) == file
    assert file.read_bytes() == before
    assert len(history.load(where)) == 2


def test_an_empty_history_has_no_rows(where):
    assert history.load(where) == []
    with pytest.raises(StoreError, match="no series that fits"):
        track.read(where)


ADD = """
import sys
from pathlib import Path
from dataclasses import replace
from nasarena.reports.history import history
from nasarena.reports.history.history import Row
where, who = Path(sys.argv[1]), sys.argv[2]
for i in range(10):
    row = Row(f"{who}-{i}", "2026-01-01T00:00:00+00:00", "t", who, "m", i, None, 1, "", "p")
    history.add(where, [row, replace(row, metric="n")])
"""


def test_jobs_that_add_at_once_lose_nothing(where):
    jobs = [subprocess.Popen([sys.executable, "-c", ADD, where, name]) for name in "ab"]
    assert [job.wait() for job in jobs] == [0, 0]
    assert len(history.load(where)) == 2 * 10 * 2


def git(folder, *words, check=True):
    settings = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, done.stderr
    return done


@pytest.mark.parametrize("name", ["history", "history.jsonl"])
def test_branches_merge_without_a_conflict(tmp_path, name):
    git(tmp_path, "init")
    (tmp_path / ".gitattributes").write_text("*.jsonl merge=union\n")
    base, left, right = rows(1.0), rows(2.0, strategy="left"), rows(3.0, strategy="right")
    history.add(tmp_path / name, base)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "base")
    for branch, added in (("left", left), ("right", right)):
        git(tmp_path, "checkout", "-b", branch, "main")
        history.add(tmp_path / name, added)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-m", branch)
    git(tmp_path, "merge", "left", "-m", "merge")
    assert set(history.load(tmp_path / name)) == {*base, *left, *right}


def test_a_conflict_is_named_and_nothing_is_written(tmp_path):
    """Without merge=union, git leaves markers in the file."""
    git(tmp_path, "init")
    file = tmp_path / "history.jsonl"
    history.add(file, rows(1.0))
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "base")
    for branch in ("left", "right"):
        git(tmp_path, "checkout", "-b", branch, "main")
        history.add(file, rows(2.0, strategy=branch))
        git(tmp_path, "commit", "-am", branch)
    assert git(tmp_path, "merge", "left", check=False).returncode != 0
    before = file.read_bytes()
    for act in (lambda: history.load(file), lambda: history.add(file, rows(9.0))):
        with pytest.raises(StoreError, match=r"history.jsonl:2: a merge conflict"):
            act()
    assert file.read_bytes() == before
    # Following the message's advice repairs it.
    kept = [x for x in before.decode().splitlines() if x.startswith("{")]
    file.write_text("\n".join(kept) + "\n")
    assert len(history.load(file)) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"schema": 2}', "schema 2, this version reads 1.*upgrade"),
        ("no json", "expected a row"),
        ("[1]", "expected a row"),
        ('{"schema": 1, "commit": "a"}', "a row without time, task"),
    ],
)
def test_lines_that_cannot_be_read(where, line, said):
    file = history.add(where, rows(1.0))
    with file.open("a") as open_file:
        open_file.write(line + "\n")
    before = {p: p.read_bytes() for p in where.parent.rglob("*.jsonl")}
    for act in (lambda: history.load(where), lambda: history.add(where, rows(5.0))):
        with pytest.raises(StoreError, match=rf"jsonl:2: .*{said}"):
            act()
    assert {p: p.read_bytes() for p in where.parent.rglob("*.jsonl")} == before


def test_a_file_that_was_cut_off_is_not_added_to(tmp_path):
    file = history.add(tmp_path / "h.jsonl", rows(1.0))
    file.write_text(file.read_text().rstrip("\n"))
    with pytest.raises(StoreError, match="cut off in its last line"):
        history.add(file, rows(2.0))


def test_a_commit_measured_again_counts_once_and_protocols_stay_apart():
    again = replace(rows(1.0)[0], value=5.0, time="2026-02-01T00:00:00+00:00")
    other = rows(1.0, protocol="q")
    found = history.series([*rows(1.0, 2.0), again, *other])
    assert [[row.value for row in each.rows] for each in found] == [[2.0, 5.0], [1.0]]
    assert history.series(rows(1.0), metrics=["mean*"]) == []


def test_times_are_utc():
    assert history.moment("2026-01-01T01:00:00+01:00") == "2026-01-01T00:00:00+00:00"
    assert history.moment("2026-01-01") == "2026-01-01T00:00:00+00:00"
    with pytest.raises(StoreError, match="ISO 8601"):
        history.moment("yesterday")


# Change points.


@pytest.fixture
def changed():
    pytest.importorskip("ruptures")
    from nasarena.reports.history import change_points

    def where(values):
        (series,) = history.series(rows(*values))
        return change_points.changes(series)

    return where


def test_in_results_that_are_deterministic_every_difference_is_a_change(changed):
    first, second = changed([0.5] * 6 + [0.7] * 5 + [0.3] * 4)
    assert (first.row.commit, first.before, first.after) == (f"{6:040x}", 0.5, 0.7)
    assert first.worse
    assert not second.worse
    assert first.share == pytest.approx(0.4)
    assert changed([0.5] * 9) == []
    assert changed([0.5]) == []
    assert len(changed([0.5, 0.6, 0.6, 0.6])) == 1


def test_in_noise_jumps_are_found_and_little_else():
    pytest.importorskip("ruptures")
    from nasarena.reports.history.change_points import levels

    rng = np.random.default_rng(0)
    quiet = [len(levels(list(rng.normal(10, 1, 20)))) > 1 for _ in range(100)]
    assert np.mean(quiet) <= 0.1
    jumps = [np.r_[rng.normal(10, 1, 15), rng.normal(14, 1, 15)] for _ in range(50)]
    found = [levels(list(jump)) for jump in jumps]
    assert np.mean([len(each) == 2 and abs(each[0][1] - 15) <= 1 for each in found]) >= 0.9


def test_without_ruptures_the_error_names_the_pip_command(monkeypatch):
    from nasarena.reports.history import change_points

    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(StoreError, match=r"pip install 'nasarena\[track\]'"):
        change_points.levels([1.0, 2.0])


# What is shown.


def test_table_json_and_pages(where, tmp_path):
    pytest.importorskip("ruptures")
    history.add(where, rows(*[1.0] * 5, *[2.0] * 5))
    history.add(where, rows(*[3.0] * 10, metric="mean regret"))
    found = track.known_changes(track.read(where))
    table = track.table(found)
    assert table[0]["trend"] == "▁▁▁▁▁█████"
    assert table[0]["latest change"] == "0000000000: 1 → 2 (worse)"
    assert table[1]["latest change"] == "–"
    data = json.loads(json.dumps(track.to_json(found)))
    assert data[0]["changes"] == [
        {"commit": f"{5:040x}", "before": 1.0, "after": 2.0, "worse": True}
    ]
    index = track.publish(where, tmp_path / "pages", "https://host/x?a=<b>")
    text = index.read_text()
    assert text.count("<tr>") == 2
    assert 'href="https://host/x?a=&lt;b&gt;/commit/' in text
    assert "mine &lt;b&gt;" in text
    assert "<b>" not in text
    page = (tmp_path / "pages" / "task-space_data.html").read_text()
    assert page.count("<svg") == 2
    assert page.count("<circle") == 20
    assert page.count('class="level"') == 3
    assert "<b>" not in page


def test_an_address_that_is_none_makes_no_link(tmp_path):
    pytest.importorskip("ruptures")
    history.add(tmp_path / "h", rows(1.0, 2.0))
    index = track.publish(tmp_path / "h", tmp_path / "pages", "javascript:alert(1)")
    assert "javascript" not in index.read_text()
