"""A damaged store is noticed, named, and re-run or refused: never silently used."""

import io
import shutil
from contextlib import redirect_stderr
from random import Random

import harness
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from nasarena.bench._base.errors import StoreError
from nasarena.bench.core import record
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment.experiment import parse
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import packed, seal, store, unit_file, upkeep
from nasarena.bench.store.store import Unit

TASK = harness.TASK
UNIT = Unit(TASK, "random", 0, 4)


def plan(**keys):
    given = {"tasks": [TASK], "strategies": ["random"], "seeds": 10, "budget": {"queries": 8}}
    return parse(given | keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "results"
    execute(root, plan(), processes=1)
    return root


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results"


def flipped(data, rng, positions):
    """Copies of ``data`` with one byte changed."""
    for position in positions:
        changed = bytearray(data)
        changed[position] ^= rng.randrange(1, 256)
        yield position, bytes(changed)


EVERY = pytest.mark.parametrize(
    "every", [1 / 10, pytest.param(1, marks=pytest.mark.faults)], ids=["some", "all"]
)


def positions(data, every):
    """The places of all bytes, or of a part of them."""
    return sorted(Random(1).sample(range(len(data)), int(every * len(data))))


@EVERY
def test_any_one_byte_of_a_unit(root, every):
    """One byte after the other: an error, or the very table."""
    path = store.unit_path(root, UNIT)
    data, whole = path.read_bytes(), store.read_unit(path)
    said = unit_file.about(path)
    noticed, said_by = 0, {}
    chosen = positions(data, every)
    mark = range(data.index(seal._MARK), data.index(seal._MARK) + len(seal._MARK))
    for position, changed in flipped(data, Random(0), chosen):
        path.write_bytes(changed)
        try:
            assert store.read_unit(path).equals(whole, check_metadata=True), position
            assert store.damage(path) is None
        except StoreError as error:
            said_by[position] = str(error)
            assert store.damage(path) is not None, position
            noticed += 1
        try:
            assert unit_file.about(path) == said, position
        except StoreError:
            continue
    # But for the mark that says there is a seal: without it the fingerprint is compared.
    assert noticed == len(set(chosen) - set(mark))
    assert all("0-4.parquet is damaged" in text for text in said_by.values())


@EVERY
def test_any_one_byte_of_a_manifest(root, every):
    path = root / "manifest.json"
    data, whole = path.read_bytes(), manifests.read(root)
    noticed = 0
    chosen = positions(data, every)
    for position, changed in flipped(data, Random(0), chosen):
        path.write_bytes(changed)
        try:
            # Between words: nothing that it says has changed.
            assert manifests.read(root) == whole, position
        except StoreError:
            noticed += 1
    assert noticed > 0.8 * len(chosen)


def test_bytes_of_a_file_from_before_there_were_seals(root):
    path = store.unit_path(root, UNIT)
    whole = store.read_unit(path)
    pq.write_table(whole, path, compression="zstd", write_page_checksum=True)
    data = path.read_bytes()
    assert store.read_unit(path).equals(whole)
    assert store.read_unit(path, ["loss", "seed"]).equals(whole.select(["loss", "seed"]))
    rng, noticed = Random(0), 0
    for position, changed in flipped(data, rng, rng.sample(range(len(data)), 200)):
        path.write_bytes(changed)
        try:
            assert store.read_unit(path).equals(whole), position
        except StoreError:
            noticed += 1
    assert noticed > 100


@pytest.mark.parametrize("kept", [0, 1, 7, 100, 0.5, -1])
def test_a_file_that_is_cut_off(root, kept):
    path = store.unit_path(root, UNIT)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(StoreError, match=r"0-4\.parquet is damaged"):
        store.read(root)
    with pytest.raises(StoreError, match=r"0-4\.parquet is damaged"):
        store.fingerprints(root)
    rerun(root, path)


def rerun(root, path, count=1):
    """The same run again says so, sets the file aside and comes to the same bits."""
    there, said = path.read_bytes(), io.StringIO()
    with redirect_stderr(said):
        done = execute(root, plan(), processes=1)
    assert said.getvalue().startswith(f"nasarena: {path}: ")
    assert f"; it is now {path.name}.damaged-1, and its unit runs again\n" in said.getvalue()
    assert [unit.error for unit in done] == [None] * count
    assert path.with_name(f"{path.name}.damaged-1").read_bytes() == there
    assert len(store.read(root)) == 10 * 8
    assert execute(root, plan(), processes=1) == []


def foreign(path, whole):
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)


def not_parquet(path, whole):
    path.write_text("seed,step,loss\n0,1,0.5\n")


def lacks_a_column(path, whole):
    unit_file.write(path.unlink() or path, whole.drop_columns("charged"))


def another_type(path, whole):
    place = whole.column_names.index("loss")
    text = pa.array([str(x) for x in whole["loss"].to_pylist()])
    unit_file.write(path.unlink() or path, whole.set_column(place, "loss", text))


def without_seal_or_fingerprint(path, whole):
    pq.write_table(whole.replace_schema_metadata(None), path)


def edited_without_seal(path, whole):
    place = whole.column_names.index("loss")
    better = whole.set_column(place, "loss", pa.array(np.asarray(whole["loss"]) - 1))
    pq.write_table(better, path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (foreign, "no column seed"),
        (not_parquet, "no Parquet file"),
        (lacks_a_column, "no column charged"),
        (another_type, "column loss holds string"),
        (without_seal_or_fingerprint, "neither seal nor fingerprint"),
        (edited_without_seal, "do not match the fingerprint"),
    ],
)
def test_files_that_are_no_record(root, harm, message):
    path = store.unit_path(root, UNIT)
    harm(path, store.read_unit(path))
    with pytest.raises(StoreError, match=message):
        store.read(root)
    rerun(root, path)


def test_a_unit_at_another_units_place(root):
    path = store.unit_path(root, UNIT)
    shutil.copy(store.unit_path(root, UNIT._replace(first=5, last=9)), path)
    for use in (store.read, store.fingerprints):
        with pytest.raises(StoreError, match=r"0-4.*it holds the seeds 5-9"):
            use(root)
    rerun(root, path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"budget": {"queries": 9}}, "it was run with budget"),
        ({"noise": "mean"}, "it was run with noise mean, the manifest says sampled"),
        ({"seed": 3}, "it was run with seed 3, the manifest says 0"),
        (
            {"strategies": [{"name": "random", "label": "random", "replace": False}]},
            "settings {'replace': False}",
        ),
        ({"strategies": [{"name": "local-search", "label": "random"}]}, "strategy local-search"),
    ],
)
def test_a_unit_of_another_experiment(root, tmp_path, keys, message):
    execute(tmp_path / "other", plan(**keys), processes=1)
    path = store.unit_path(root, UNIT)
    shutil.copy(store.unit_path(tmp_path / "other", UNIT), path)
    for use in (store.read, store.fingerprints):
        with pytest.raises(StoreError, match=message):
            use(root)
    rerun(root, path)


def test_a_unit_of_another_table(root):
    path = store.unit_path(root, UNIT)
    whole = store.read_unit(path)
    about = record.about(whole) | {"data": "toy-0"}
    unit_file.write(path.unlink() or path, record.described(whole, about))
    with pytest.raises(StoreError, match="run with data toy-0, the manifest says toy-1"):
        store.read(root)
    rerun(root, path)


def test_two_units_that_hold_the_same_seeds(root, tmp_path):
    execute(tmp_path / "other", plan(seeds=8), processes=1)
    path = store.unit_path(root, UNIT._replace(first=5, last=7))
    shutil.copy(store.unit_path(tmp_path / "other", UNIT._replace(first=5, last=7)), path)
    for use in (store.read, store.fingerprints):
        with pytest.raises(StoreError, match=r"5-7\.parquet and 5-9\.parquet hold the same seeds"):
            use(root)
    rerun(root, path, count=0)


@pytest.mark.parametrize(("schema", "version"), [(1, "schema 1"), (3, "schema 3")])
def test_a_manifest_of_another_version_is_refused(root, schema, version):
    manifests.write(root, replace(manifests.read(root), schema=schema))
    before = sorted(root.rglob("*"))
    for use in (store.read, store.fingerprints, lambda where: execute(where, plan())):
        with pytest.raises(StoreError, match=f"has {version}, this version reads 2"):
            use(root)
    assert sorted(root.rglob("*")) == before


def test_a_manifest_that_was_edited_is_refused(root):
    path = root / "manifest.json"
    path.write_text(path.read_text().replace('"queries": 8', '"queries": 9'))
    with pytest.raises(StoreError, match="its checksum differs"):
        store.read(root)


def test_a_file_that_cannot_be_read_now_is_not_damaged(root, monkeypatch):
    def none_left(name):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(pa, "memory_map", none_left)
    with pytest.raises(StoreError, match="cannot be read: Too many open files"):
        execute(root, plan(), processes=1)
    monkeypatch.undo()
    assert upkeep.unsound(root, manifests.read(root), TASK, "random") == []
    assert not list(root.rglob("*.damaged-*"))


def test_bytes_of_a_packed_folder(root, tmp_path):
    file = packed.pack(root, tmp_path / "packed.parquet")
    data, whole = file.read_bytes(), store.read(file)
    said = manifests.read(file)
    rng, noticed = Random(0), 0
    for position, changed in flipped(data, rng, rng.sample(range(len(data)), 100)):
        file.write_bytes(changed)
        try:
            assert store.read(file).astype({"arch": str}).equals(whole.astype({"arch": str}))
            assert manifests.read(file) == said, position
        except StoreError:
            noticed += 1
    assert noticed > 50
