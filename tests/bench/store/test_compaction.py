"""Joined unit files: the same bits, whatever reads them, whenever a compaction is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from nasarena.bench.core import record
from nasarena.bench.execute import verify
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.units import missing_units
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.store import doctor, packed, scan, store, unit_file
from nasarena.bench.store.compaction import compact
from nasarena.bench.store.store import Unit

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"


def plan(seeds=25):
    given = {"tasks": [TASK], "strategies": ["random"], "seeds": seeds, "budget": {"queries": 5}}
    return experiments.parse(given)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of four units, and what a reader sees of it."""
    root = tmp_path_factory.mktemp("made") / "results"
    execute(root, plan(), processes=1)
    return root


@pytest.fixture
def results(made, tmp_path):
    root = tmp_path / "results"
    for path in made.rglob("*"):
        target = root / path.relative_to(made)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return root


def seen(root):
    """All rows, and every unit with its fingerprint."""
    frame = store.read(root).astype({"arch": str})
    return frame.to_csv(), [(part.unit, part.fingerprint, part.rows) for part in scan.units(root)]


def files(root):
    return sorted(path.name for path in root.glob("runs/**/*.parquet"))


def test_rows_units_and_fingerprints_stay(results, made):
    before = seen(results)
    done = compact(results)
    assert (done.files_before, done.files_after, done.left_out) == (4, 1, [])
    assert files(results) == ["0-24.parquet"]
    assert seen(results) == before == seen(made)
    for part, table in zip(scan.units(results), scan.read_parts(scan.units(results)), strict=True):
        assert record.fingerprint(table) == part.fingerprint
    assert compact(results).files_after == 1
    assert store.fingerprints(results) == store.fingerprints(made)


def test_a_file_takes_no_more_rows_than_asked_for(results, made):
    done = compact(results, rows=70)
    assert (done.files_before, done.files_after) == (4, 2)
    assert files(results) == ["0-13.parquet", "14-24.parquet"]
    assert seen(results) == seen(made)
    assert compact(results, rows=1000).files_after == 1
    assert seen(results) == seen(made)


def test_resume_more_seeds_and_joining_again(results, tmp_path):
    compact(results)
    assert execute(results, plan(), processes=1) == []
    more = execute(results, plan(seeds=40), processes=1)
    assert [done.unit[2:] for done in more] == [(25, 29), (30, 39)]
    execute(tmp_path / "whole", plan(seeds=40), processes=1)
    rows = [
        store.read(r).drop(columns="thinking").astype({"arch": str})
        for r in (results, tmp_path / "whole")
    ]
    assert rows[0].equals(rows[1])
    assert compact(results).files_after == 1
    assert files(results) == ["0-39.parquet"]
    assert [p.unit[2:] for p in scan.units(results)][-2:] == [(25, 29), (30, 39)]
    assert execute(results, plan(seeds=40), processes=1) == []


def test_verify_and_pack_take_it(results, made, tmp_path):
    compact(results)
    found = list(verify.sample(results, 10, Random(0)))
    assert [v.problem for v in found] == [None] * 4
    assert {v.unit.last - v.unit.first for v in found} == {6, 3}
    pairs = [packed.pack(root, tmp_path / f"{n}.parquet") for n, root in enumerate((results, made))]
    assert store.read(pairs[0]).astype(str).equals(store.read(pairs[1]).astype(str))


def test_what_the_units_said_of_themselves_is_kept(results):
    path = store.unit_path(results, Unit(TASK, "random", 7, 13))
    table = store.read_unit(path)
    said = record.about(table) | {"vault": "abc"}
    path.unlink()
    store.write_unit(
        results,
        Unit(TASK, "random", 7, 13),
        table.replace_schema_metadata({"nasarena": json.dumps(said)}),
    )
    compact(results)
    about = record.about(store.read_unit(store.unit_path(results, Unit(TASK, "random", 0, 24))))
    assert about["strategy"] == "random"
    assert [unit.get("vault") for unit in about["units"]] == [None, "abc", None, None]


@pytest.mark.parametrize("harm", ["cut off", "other rows", "not there"])
def test_what_is_damaged_is_left_out_and_named(results, harm):
    path = store.unit_path(results, Unit(TASK, "random", 7, 13))
    if harm == "cut off":
        path.write_bytes(path.read_bytes()[:-9])
    elif harm == "other rows":
        table = store.read_unit(path)
        loss = table["loss"].to_numpy() + 1
        spot = table.column_names.index("loss")
        path.unlink()
        pq.write_table(table.set_column(spot, "loss", [loss]), path)
    else:
        path.unlink()
    done = compact(results)
    said = {"cut off": 1, "other rows": 1, "not there": 0}[harm]
    assert len(done.left_out) == said
    assert all("7-13.parquet" in reason for reason in done.left_out)
    assert ("0-6.parquet" in files(results)) and "0-24.parquet" not in files(results)


def test_files_that_no_compaction_joined_are_not_passed_over(results):
    whole = store.unit_path(results, Unit(TASK, "random", 0, 24))
    whole.write_bytes(store.unit_path(results, Unit(TASK, "random", 0, 6)).read_bytes())
    assert len(store.unit_files(results, TASK, "random")) == 5


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", range(7))
def test_killed_at_any_step_nothing_is_lost_or_counted_twice(results, made, monkeypatch, moment):
    steps = iter(range(100))

    def counted(name, owner):
        before = getattr(owner, name)

        def step(*args, **keys):
            if next(steps) == moment:
                raise Killed
            return before(*args, **keys)

        monkeypatch.setattr(owner, name, step)

    counted("unlink", Path)
    counted("replace", Path)
    with pytest.raises(Killed):
        compact(results)
    monkeypatch.undo()
    assert seen(results) == seen(made)
    assert list(missing_units(results, plan())) == []
    assert compact(results).left_out == []
    assert files(results) == ["0-24.parquet"]
    assert seen(results) == seen(made)


def test_leftovers_of_other_bits_are_kept_and_named(results, made):
    old = store.unit_path(results, Unit(TASK, "random", 0, 6)).read_bytes()
    compact(results)
    left = store.unit_path(results, Unit(TASK, "random", 0, 6))
    left.write_bytes(old)
    assert seen(results) == seen(made)
    table = store.read_unit(left)
    changed = table.set_column(
        table.column_names.index("loss"), "loss", [table["loss"].to_numpy() + 1]
    )
    left.unlink()
    about = {key: value for key, value in record.about(table).items() if key != "fingerprint"}
    unit_file.write(left, record.described(changed, about))
    done = compact(results)
    assert "hold the same seeds with other bits" in done.left_out[0]
    assert left.exists()


def test_a_real_kill(results, made):
    """SIGKILL some milliseconds after the command has begun to write."""
    rng = Random(1)
    call = "import sys; from nasarena.bench.store.compaction import compact; print(1, flush=True); "
    call += "compact(sys.argv[1], rows=70)"
    for _ in range(3):
        command = [sys.executable, "-c", call, str(results)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(rng.random() / 10)
            process.send_signal(signal.SIGKILL)
        assert seen(results) == seen(made)
    compact(results)
    assert files(results) == ["0-24.parquet"]
    assert seen(results) == seen(made)


def test_doctor_removes_what_was_left_over(results, made):
    old = store.unit_path(results, Unit(TASK, "random", 0, 6)).read_bytes()
    compact(results)
    assert list(doctor.examine(results)) == []
    left = store.unit_path(results, Unit(TASK, "random", 0, 6))
    left.write_bytes(old)
    (finding,) = doctor.examine(results)
    assert (finding.path, finding.problem) == (left, "left over by a compaction that was killed")
    finding.mend()
    assert not left.exists()
    assert seen(results) == seen(made)


def test_below_a_joined_file_that_is_damaged_the_others_count_again(results, made):
    olds = {path: path.read_bytes() for path in (results / "runs").rglob("*.parquet")}
    compact(results)
    whole = store.unit_path(results, Unit(TASK, "random", 0, 24))
    os.truncate(whole, whole.stat().st_size - 5)
    for path, data in olds.items():
        path.write_bytes(data)
    assert execute(results, plan(), processes=1) == []
    assert seen(results) == seen(made)


def test_the_command(nasarena, results):
    code, out, _ = nasarena("store", "compact", results)
    assert (code, out.split(",")[0]) == (0, "4 files")
    assert "-> 1 files" in out
    code, out, _ = nasarena("store", "list", results, "--json")
    assert json.loads(out)["files"] == 1
    path = store.unit_path(results, Unit(TASK, "random", 0, 24))
    os.truncate(path, path.stat().st_size - 5)
    code, _, err = nasarena("store", "compact", results)
    assert code == 1
    assert "left as it is" in err
