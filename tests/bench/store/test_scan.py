"""Big folders: listed by an index that is only a cache, read in pieces, filtered by scanning."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nasarena.bench._base.errors import StoreError
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.store import scan, store, unit_index
from nasarena.bench.store.compaction import compact
from nasarena.bench.store.unit_index import UnitIndex

HERE = Path(__file__).parents[2] / "helpers"
TASKS = [f"{HERE}/toy.py:BENCHMARK/a"]


@pytest.fixture
def results(tmp_path):
    given = {
        "tasks": TASKS,
        "strategies": ["random", "local-search"],
        "seeds": 12,
        "budget": {"queries": 5},
    }
    execute(tmp_path / "r", experiments.parse(given), processes=1)
    return tmp_path / "r"


@pytest.mark.parametrize("joined", [False, True])
def test_filtering_is_what_filtering_the_frame_is(results, joined):
    if joined:
        compact(results)
    frame = store.read(results, columns=["seed", "step", "loss"])
    words = "loss < -60 and step <= 3 and strategy == 'random'"
    schema, batches = scan.filtered(results, words, ["task", "strategy", "seed", "step", "loss"])
    found = [row for batch in batches for row in batch.to_pylist()]
    wanted = frame[(frame.loss < -60) & (frame.step <= 3) & (frame.strategy == "random")]
    assert schema.names == ["task", "strategy", "seed", "step", "loss"]
    assert 0 < len(wanted) < len(frame)
    assert found == wanted.astype({"task": str, "strategy": str}).to_dict("records")


def test_tasks_and_strategies_are_chosen_without_opening_others(results):
    for path in (results / "runs").rglob("*.parquet"):
        if "random" in path.parts:
            path.write_bytes(b"not parquet")
    _, batches = scan.filtered(results, strategies=["local-search"])
    assert sum(batch.num_rows for batch in batches) == 60
    with pytest.raises(StoreError, match="holds no finished unit"):
        scan.filtered(results, tasks=["nonsense"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("loss", "cannot read 'loss'; expected column, comparison and value"),
        ("lost < 3", "no column 'lost'; expected one of task, strategy, seed"),
        ("loss < x", "loss: expected a number, got x"),
        ("arch == 3", "arch is a list"),
        ("__import__('os') == 1", "cannot read"),
    ],
)
def test_conditions_that_cannot_be_read(results, words, message):
    with pytest.raises(StoreError, match=message.replace("(", r"\(")):
        scan.filtered(results, words)


def test_damage_in_the_data_is_noticed_by_whoever_scans(results):
    path = next((results / "runs").rglob("*.parquet"))
    data = bytearray(path.read_bytes())
    spot = pq.read_metadata(path).row_group(0).column(0).data_page_offset + 30
    data[spot] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        list(scan.filtered(results)[1])
    with pytest.raises(StoreError, match=f"{path.name} is damaged"):
        list(scan.read_parts(scan.units(results)))


def test_the_command_writes_a_file_or_counts(nasarena, results, tmp_path):
    code, out, _ = nasarena("store", "filter", results, "--where", "step == 1")
    assert (code, out) == (0, "24 rows\n")
    out = tmp_path / "part.parquet"
    assert nasarena("store", "filter", results, "--where", "step == 1", "--out", out)[0] == 0
    assert pq.read_table(out).num_rows == 24
    assert nasarena("store", "filter", results, "--out", out)[0] == 2
    out = tmp_path / "part.csv"
    words = ("--columns", "task,seed,loss", "--out", out)
    assert nasarena("store", "filter", results, *words)[0] == 0
    assert out.read_text().splitlines()[0] == '"task","seed","loss"'
    code, _, err = nasarena("store", "filter", results, "--out", tmp_path / "all.csv")
    assert (code, "without arch" in err) == (2, True)


# The index.


def test_a_file_is_opened_once_and_again_when_it_is_another(results, monkeypatch):
    opened = []
    before = unit_index._read
    monkeypatch.setattr(unit_index, "_read", lambda path: opened.append(path) or before(path))
    first = scan.units(results)
    assert len(opened) == len(first) == 6
    assert scan.units(results) == first
    assert len(opened) == 6
    path = first[3].path
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    assert scan.units(results) == first
    assert opened[6:] == [path]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "files": {"a": 3}}', "null"])
def test_an_index_that_is_damaged_is_no_matter(results, text):
    first = scan.units(results)
    (results / unit_index.NAME).write_text(text)
    assert scan.units(results) == first


def test_what_only_the_index_knows_is_not_believed(results):
    first = scan.units(results)
    first[0].path.unlink()
    assert scan.units(results) == first[1:]


def test_a_folder_that_cannot_be_written_can_be_listed(results, monkeypatch):
    def fail(*_):
        raise StoreError("read-only")

    monkeypatch.setattr(store, "write_atomically", fail)
    assert len(scan.units(results)) == 6
    assert not (results / unit_index.NAME).exists()
    UnitIndex(results).save()


def test_listing(nasarena, results):
    code, out, _ = nasarena("store", "list", results)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["task", "strategy", "units", "files", "seeds", "rows", "MB"]
    assert lines[1].split()[:6] == [TASKS[0], "random", "3", "3", "12", "60"]
    assert lines[-1].split()[:5] == ["total", "6", "6", "24", "120"]
    code, out, _ = nasarena("store", "list", results, "--units", "--json")
    listed = json.loads(out)["list"]
    assert len(listed) == 6
    assert listed[0]["file"].endswith("random/0-4.parquet")
    code, out, _ = nasarena("store", "list", results, "--units")
    assert len(out.splitlines()) == 7
