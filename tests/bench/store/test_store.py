import errno
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import toy

from nasarena.bench._base.errors import StoreError
from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget, Run, run_seed
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit


def unit_record(seeds=(0, 1), queries=6, **about):
    task = toy.task("latency")
    runs = {s: run_seed(task, toy.Sampler, {}, s, Budget(queries=queries)) for s in seeds}
    return record.to_table(task, runs, about)


def make_store(root, labels=("b", "a"), tasks=("toy/z", "toy/a")):
    manifests.write(root, toy.manifest(tasks, labels))
    for task in tasks:
        for label in labels:
            store.write_unit(root, Unit(task, label, 2, 3), unit_record((2, 3)))
            store.write_unit(root, Unit(task, label, 0, 1), unit_record((0, 1)))


def test_a_record_holds_what_was_asked_and_what_it_truly_was():
    task = toy.task("latency")
    run = run_seed(task, toy.Sampler, {}, 4, Budget(queries=6))
    frame = record.to_table(task, {4: run}, {}).to_pandas()
    assert list(frame.seed) == [4] * 6
    assert list(frame.step) == [1, 2, 3, 4, 5, 6]
    for i, answer in enumerate(run.answers):
        seen = answer.observation
        assert tuple(frame.arch[i]) == seen.query.arch
        assert (frame.epochs[i], frame.replica[i]) == seen.query[1:]
        assert (frame.loss[i], frame.loss_latency[i]) == seen.losses
        truth = -toy.ToyTable().columns["validation"][answer.row, -1].mean()
        assert frame.validation[i] == pytest.approx(truth)
        assert frame.test[i] == pytest.approx(truth + 7 + 0.5)
    assert list(frame.finish) == run.finish


def test_the_columns_of_a_record_and_their_types():
    floats = [
        "loss",
        "loss_latency",
        "validation",
        "test",
        "charged",
        "start",
        "finish",
        "thinking",
    ]
    types = {"seed": "int32", "step": "int32", "arch": "list<item: int16>", "network": "int64"}
    types |= {"epochs": "int32", "replica": "int16"} | dict.fromkeys(floats, "double")
    empty = record.to_table(toy.task("latency"), {0: Run()}, {})
    for table in (unit_record(), empty):
        assert {field.name: str(field.type) for field in table.schema} == types
    assert record.about(unit_record(mine=1)) == {
        "mine": 1,
        "fingerprint": record.fingerprint(unit_record()),
    }
    assert record.about(pa.table({})) == {}
    assert unit_record(a=1, b=2).schema.metadata == unit_record(b=2, a=1).schema.metadata


def test_failures_are_nan_on_the_record():
    benchmark = toy.ToyBenchmark()
    benchmark.table.columns["validation"][:12] = np.nan
    task = toy.task(benchmark=benchmark)
    run = run_seed(task, toy.Sampler, {}, 0, Budget(queries=40))
    frame = record.to_table(task, {0: run}, {}).to_pandas()
    failed = [answer.row < 12 for answer in run.answers]
    assert list(frame.loss.isna()) == failed
    assert any(failed) and not all(failed)


def test_a_run_of_no_queries_is_kept():
    table = record.to_table(
        toy.task(),
        {0: run_seed(toy.task(), toy.listed, {"proposals": []}, 0, Budget(queries=1))},
        {},
    )
    assert len(table) == 0
    assert "loss" in table.column_names


def test_the_fingerprint_is_of_the_bits_but_not_of_measured_time(tmp_path):
    first, again = unit_record(), unit_record()
    assert first["thinking"] != again["thinking"]
    assert record.fingerprint(first) == record.fingerprint(again)
    assert record.fingerprint(first) != record.fingerprint(unit_record((0, 2)))
    store.write_unit(tmp_path, Unit("toy/a", "x", 0, 1), first)
    back = store.read_unit(store.unit_path(tmp_path, Unit("toy/a", "x", 0, 1)))
    assert record.fingerprint(back) == record.about(back)["fingerprint"]


def test_reading_gives_sorted_rows_and_categories_in_the_experiments_order(tmp_path):
    make_store(tmp_path)
    frame = store.read(tmp_path)
    assert list(frame.task.cat.categories) == ["toy/z", "toy/a"]
    assert list(frame.strategy.cat.categories) == ["b", "a"]
    assert len(frame) == 4 * 4 * 6
    keys = ["task", "strategy", "seed", "step"]
    assert frame[keys].equals(frame.sort_values(keys, kind="stable")[keys])
    assert tuple(frame.arch[0]) in list(toy.space())


def test_reading_some_columns_tasks_and_strategies(tmp_path):
    make_store(tmp_path)
    frame = store.read(tmp_path, columns=["loss"], tasks=["toy/a"], strategies=["b"])
    assert list(frame.columns) == ["task", "strategy", "loss"]
    assert len(frame) == 4 * 6
    with pytest.raises(StoreError, match="nonsense"):
        store.read(tmp_path, columns=["nonsense"])


def test_a_unit_is_never_overwritten(tmp_path):
    unit = Unit("toy/a", "x", 0, 1)
    store.write_unit(tmp_path, unit, unit_record())
    before = store.unit_path(tmp_path, unit).read_bytes()
    store.write_unit(tmp_path, unit, unit_record((5, 6)))
    assert store.unit_path(tmp_path, unit).read_bytes() == before


@pytest.mark.parametrize("label", ["..", ".", "../../x", "a/b", "a\\b", "k=3", "Ü: *?", "%2E"])
def test_no_label_leads_out_of_the_folder_or_to_another_label(tmp_path, label):
    path = store.unit_path(tmp_path, Unit("toy/a", label, 0, 1))
    assert path.resolve().parent.parent == (tmp_path / "runs/toy/a").resolve()
    others = ["x", "b", "%252E"]
    assert all(path != store.unit_path(tmp_path, Unit("toy/a", o, 0, 1)) for o in others)
    make_store(tmp_path, labels=(label,), tasks=("toy/a",))
    assert len(store.read(tmp_path)) == 4 * 6


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "text"])
def test_a_damaged_unit_is_named(tmp_path, harm):
    make_store(tmp_path)
    path = store.unit_path(tmp_path, Unit("toy/a", "b", 0, 1))
    data = bytearray(path.read_bytes())
    if harm == "cut":
        data = data[: len(data) // 2]
    elif harm == "flip":
        data[60] ^= 0xFF
    else:
        data = bytearray(b"" if harm == "empty" else b"not parquet at all")
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"0-1\.parquet is damaged"):
        store.read(tmp_path)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    def full(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"cannot write .*x\.txt: No space left"):
        store.write_atomically(tmp_path / "x.txt", full)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a results folder"),
        ("{", "cannot be read"),
        ("[]", "not a manifest"),
        (json.dumps({"schema": 999}), "schema 999"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=message):
        manifests.read(tmp_path)


def table_of(**columns):
    given = {"seed": np.zeros(4, np.int32), "finish": np.arange(4.0)}
    return pa.table({**given, "arch": [[0, 1]] * 4, **columns})


@pytest.mark.parametrize(
    "other",
    [
        {"seed": np.zeros(4, np.int16)},
        {"seed": np.zeros(4, np.uint32)},
        {"finish": np.arange(4.0) + 1e-12},
        {"finish": -np.arange(4.0)},
        {"start": np.arange(4.0)},
    ],
    ids=["width", "sign", "last bit", "negative", "one column more"],
)
def test_the_fingerprint_is_of_every_column_its_type_and_its_values(other):
    assert record.fingerprint(table_of()) == record.fingerprint(table_of())
    assert record.fingerprint(table_of(**other)) != record.fingerprint(table_of())


def test_the_fingerprint_is_of_the_names_of_columns():
    renamed = table_of().rename_columns(["seed", "finished", "arch"])
    assert record.fingerprint(renamed) != record.fingerprint(table_of())


def test_no_value_passes_for_another_column_in_the_fingerprint(monkeypatch):
    fed = []

    class Digest:
        def update(self, data):
            fed.append(bytes(data))

        def hexdigest(self):
            return b"".join(fed).hex()

    def bytes_of(table):
        with monkeypatch.context() as patch:
            patch.setattr(record.hashlib, "sha256", Digest)
            fed.clear()
            record.fingerprint(table)
        return fed.copy()

    def with_arch(*rows, **more):
        arch = pa.array([list(row) for row in rows], pa.list_(pa.uint8()))
        return pa.table({"arch": arch, **more})

    two = with_arch([7], start=pa.array([9], pa.uint8()))
    one = with_arch(b"".join(bytes_of(two)[1:]))  # its values are all that follows the first name
    assert bytes_of(one)[1:] == [b"".join(bytes_of(two)[1:])]
    assert record.fingerprint(one) != record.fingerprint(two)
    short, long = with_arch([1, 2], [3, 4]), with_arch([1, 2, 3, 4])
    assert record.fingerprint(short) != record.fingerprint(long)


def test_units_that_share_one_seed_are_refused(tmp_path):
    manifests.write(tmp_path, toy.manifest(["toy/a"], ["x"]))
    store.write_unit(tmp_path, Unit("toy/a", "x", 0, 1), unit_record((0, 1)))
    store.write_unit(tmp_path, Unit("toy/a", "x", 2, 3), unit_record((2, 3)))
    assert list(store.apart(tmp_path, "toy/a", "x")) == [(0, 1), (2, 3)]
    store.write_unit(tmp_path, Unit("toy/a", "x", 3, 4), unit_record((3, 4)))
    for reader in (store.read, store.fingerprints):
        with pytest.raises(StoreError, match=r"2-3\.parquet and 3-4\.parquet hold the same seeds"):
            reader(tmp_path)
