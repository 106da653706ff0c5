"""Tables: kept as Arrow files, noticed when damaged, never half-written, never written to."""

import errno
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from nasarena.spaces import Column, Decision, SearchSpace, TableBenchmark
from nasarena.spaces.table import MissingPackage, Rows, packaged_file
from nasarena.spaces.unpickle import UnsafePickle, load

SPACE = SearchSpace("tiny", [Decision("a", ("x", "y")), Decision("b", ("x", "y"))])


class Counting:
    """A reader of text files that knows how often it was asked."""

    def __init__(self):
        self.reads = 0

    def __call__(self, path, dataset):
        self.reads += 1
        first = float(path.read_text())
        validation = np.array([[[first, np.nan]], [[2, 4]], [[np.nan, np.nan]]])
        return Rows(
            (5,),
            {"validation": validation, "seconds": np.ones((3, 1, 2))},
            spelling=np.array([0, 1, 3], np.int32),
            canonical=np.array([0, 1, 1, -1], np.int32),
        )


@pytest.fixture
def reader():
    return Counting()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.txt"
    path.write_text("1.5")
    return path


@pytest.fixture
def tiny(reader, source):
    return TableBenchmark(
        name="tiny",
        datasets=("one", "two"),
        space=lambda dataset: SPACE,
        source=lambda dataset: source,
        read=reader,
        columns=(Column("validation"), Column("seconds", "s")),
        citation="",
    )


def check(table):
    assert table.epochs == (5,) and (table.rows, table.replicas) == (3, 2)
    assert table.columns["validation"][1, 0].tolist() == [2, 4]
    np.testing.assert_array_equal(table.mean("validation"), [1.5, 3, np.nan])
    assert table.row_of.tolist() == [0, 1, 1, 2]
    assert table.canonical.tolist() == [0, 1, 1, -1]
    assert table.spelling.tolist() == [0, 1, 3]


def only_file(folder):
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_second_opening_reads_the_cache(tiny, reader, tmp_path):
    cache = tmp_path / "cache"
    first, second = tiny.open("one", cache), tiny.open("one", cache)
    check(first)
    check(second)
    assert reader.reads == 1 and first.hash == second.hash
    assert first.hash in only_file(cache).name


def test_environment_names_the_cache(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("NASARENA_CACHE", str(tmp_path / "elsewhere"))
    tiny.open("one")
    assert only_file(tmp_path / "elsewhere").suffix == ".arrow"


def test_arrays_are_read_only(tiny, tmp_path):
    for _ in ("in memory", "mapped"):
        table = tiny.open("one", tmp_path)
        for array in (*table.columns.values(), table.row_of, table.mean("validation")):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_changed_source_replaces_only_its_own_file(tiny, reader, source, tmp_path):
    cache = tmp_path / "cache"
    before, other = tiny.open("one", cache), tiny.open("two", cache)
    source.write_text("2.5")
    after = tiny.open("one", cache)
    assert reader.reads == 3 and after.mean("validation")[0] == 2.5
    assert before.hash != after.hash
    names = sorted(path.name[:16] for path in cache.rglob("*.arrow"))
    assert names == sorted([after.hash, other.hash])


def test_raised_version_is_read_anew(tiny, reader, tmp_path):
    tiny.open("one", tmp_path)
    replace(tiny, version=2).open("one", tmp_path)
    assert reader.reads == 2


@pytest.mark.parametrize("size", [0, 7, 300, -1])
def test_truncated_file_is_rebuilt(tiny, reader, tmp_path, size):
    cache = tmp_path / "cache"
    tiny.open("one", cache)
    path = only_file(cache)
    content = path.read_bytes()
    path.write_bytes(content[:size])
    check(tiny.open("one", cache))
    assert reader.reads == 2 and path.read_bytes() == content


def test_any_flipped_byte_is_harmless(tiny, reader, tmp_path):
    """Most are noticed and mended; the rest are padding, and change nothing."""
    cache = tmp_path / "cache"
    tiny.open("one", cache)
    path = only_file(cache)
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        check(tiny.open("one", cache))
    assert reader.reads > 100


def test_every_flipped_number_is_noticed(tiny, reader, tmp_path):
    cache = tmp_path / "cache"
    tiny.open("one", cache)
    path = only_file(cache)
    content = path.read_bytes()
    place = content.index(np.float64(1.5).tobytes())
    for byte in range(place, place + 8):
        damaged = bytearray(content)
        damaged[byte] ^= 1
        path.write_bytes(damaged)
        reads = reader.reads
        check(tiny.open("one", cache))
        assert reader.reads == reads + 1


def test_unwritable_folder_leaves_the_table_in_memory(tiny, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.warns(UserWarning, match="cannot keep a table in .*a file"):
        check(tiny.open("one", blocked))


def test_full_disk_leaves_no_partial_file(tiny, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache = tmp_path / "cache"
    with pytest.warns(UserWarning, match="No space left"):
        check(tiny.open("one", cache))
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_unknown_dataset_is_refused(tiny):
    with pytest.raises(ValueError, match="tiny has no dataset 'three'; it has one, two"):
        tiny.open("three")


def test_missing_package_names_the_command():
    with pytest.raises(MissingPackage, match="pip install some-table"):
        packaged_file("no_such_package_of_tables", "table.pkl", "some-table")


def test_missing_file_of_a_package_is_named():
    with pytest.raises(FileNotFoundError, match=r"no file nothing\.pkl"):
        packaged_file("numpy", "nothing.pkl", "numpy")


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_code_is_refused(tmp_path, protocol):
    path, marker = tmp_path / "table.pkl", tmp_path / "was here"
    path.write_bytes(pickle.dumps({"cell": Malicious(marker)}, protocol))
    with pytest.raises(UnsafePickle, match=r"table\.pkl asks for the global (posix|nt)\.system"):
        load(path)
    assert not marker.exists()


def test_numpy_scalars_come_back_as_numbers(tmp_path):
    path = tmp_path / "table.pkl"
    numbers = [np.float64(0.1), np.float32(0.5), np.int64(-3), np.bool_(True), 2.5]
    path.write_bytes(pickle.dumps(numbers))
    assert load(path) == [0.1, 0.5, -3, True, 2.5]
    assert {type(number) for number in load(path)} == {float, int, bool}


@pytest.mark.parametrize(
    "value", [np.arange(3), np.datetime64("2020-01-01")], ids=["array", "date"]
)
def test_other_numpy_values_are_refused(tmp_path, value):
    path = tmp_path / "table.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(UnsafePickle):
        load(path)


def test_what_a_killed_writer_left_goes_with_the_next_table(tiny, tmp_path):
    check(tiny.open("one", tmp_path))
    (kept,) = tmp_path.rglob("*.arrow")
    left = kept.with_name(f".{kept.name}.abcdefgh.part")
    left.write_bytes(b"half")
    replace(tiny, version=2).open("one", tmp_path)
    assert not left.exists()
