"""Files that mean harm: none runs code, writes elsewhere, or takes all the memory there is."""

import bz2
import gzip
import json
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nasarena.spaces import bounds, unpickle
from nasarena.spaces.formats import NAMES, find, own
from nasarena.spaces.formats.stream import Unpickler
from nasarena.spaces.table import BadFile
from nasarena.spaces.unpickle import UnsafePickle


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def attacks(mark):
    text = f"open({str(mark)!r}, 'w').close()"
    return {
        "os.system": Evil(os.system, (f"touch {mark}",)),
        "exec": Evil(exec, (text,)),
        "eval": Evil(eval, (text,)),
        "open": Evil(open, (str(mark), "w")),
        "getattr": Evil(getattr, ("a", "upper")),
        "subprocess": Evil(subprocess.Popen, (["touch", str(mark)],)),
        "nested": {"a": [1, (2, Evil(os.system, (f"touch {mark}",)))]},
        "a class of NumPy's": np.arange(3),
    }


def read_all(name, *files):
    return list(find(name).read(list(files), None, lambda part: None))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("attack", attacks("x"))
def test_no_pickle_runs_code(tmp_path, attack, protocol):
    mark = tmp_path / "mark"
    path = tmp_path / "table.pkl"
    path.write_bytes(pickle.dumps(attacks(mark)[attack], protocol))
    with pytest.raises(UnsafePickle):
        unpickle.load(path)
    with path.open("rb") as file, pytest.raises((UnsafePickle, BadFile)):
        Unpickler(file, str(path)).load()
    assert not mark.exists()


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        ("nasbench201", "NAS-Bench-201-v1_1.pth"),
        ("transnas", "transnas-bench_v10141024.pth"),
        ("hw-nas-bench", "HW-NAS-Bench-v1_0.pickle"),
        ("nasbench-asr", "nb-asr-e40-1234.pickle"),
        ("nasbench-graph", "cora0.bench"),
        ("nats-bench", "nats/000000.pickle.pbz2"),
    ],
)
def test_no_reader_of_pickles_runs_code(tmp_path, reader, name):
    mark, path = tmp_path / "mark", tmp_path / name
    path.parent.mkdir(exist_ok=True)
    evil = pickle.dumps({"a": Evil(os.system, (f"touch {mark}",))}, 2)
    path.write_bytes(bz2.compress(evil) if name.endswith("pbz2") else evil)
    with pytest.raises((UnsafePickle, BadFile), match=r"posix\.system|torch\.save"):
        read_all(reader, path.parent if reader == "nats-bench" else path)
    if path.suffix == ".pth":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", evil)
        with pytest.raises(UnsafePickle, match=r"posix\.system"):
            read_all(reader, path)
    assert not mark.exists()


def test_the_attacks_would_work(tmp_path):
    """Python's own unpickler falls for them: the tests above test something."""
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(attacks(mark)["exec"]))
    assert mark.exists()


def test_checkpoints_run_no_code(tmp_path):
    torch = pytest.importorskip("torch")
    from nasarena.bench.live.journal import Journal

    mark = tmp_path / "mark"
    journal = Journal(tmp_path)
    for save in (torch.save, lambda what, file: file.write_bytes(pickle.dumps(what))):
        save({"a": Evil(os.system, (f"touch {mark}",))}, journal._file((0,), 0, ".pt"))
        assert journal.checkpoint((0,), 0) is None
        assert not mark.exists()


# Memory.


@pytest.fixture
def strict(monkeypatch):
    """Bounds a hundred times as strict, so that small bombs do."""
    monkeypatch.setattr(bounds, "LEAST", 1 << 19)


def refusal(reader, path, describe=None):
    with pytest.raises(BadFile) as error:
        list(find(reader).read([path], describe, lambda part: None))
    return str(error.value)


DESCRIPTION = 'name="a"\ndecisions=["x"]\nvalidation={column="v", direction="maximize"}\n'


@pytest.fixture
def describe(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(DESCRIPTION)
    return path


@pytest.mark.usefixtures("strict")
def test_zip_bombs_are_refused(tmp_path):
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            archive.writestr(f"{number}.json", b" " * (1 << 20))
    assert path.stat().st_size < 1 << 14
    assert "a zip bomb?" in refusal("nasbench-nlp", path)
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N" * (1 << 20))
    assert "compresses nothing" in refusal("transnas", tmp_path / "a.pth")


def test_a_zip_file_that_lies_of_its_sizes_is_not_unpacked(tmp_path):
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * (1 << 20))
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 10)
    path.write_bytes(bytes(data))
    # Ten bytes are unpacked, and their checksum is not that of the megabyte.
    assert "Bad CRC-32" in refusal("nasbench-nlp", path)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_compressed_tables_are_bounded(tmp_path, describe, suffix, pack):
    path = tmp_path / f"a.csv.{suffix}"
    path.write_bytes(pack(b"x,v\n" + b"a" * (1 << 23)))
    assert "a zip bomb?" in refusal("table", path, describe)
    path.write_bytes(pack(b"x,v\n1,2\n"))
    assert len(own.read_frame(path)) == 1


@pytest.mark.usefixtures("strict")
def test_compressed_pickles_and_costs_are_bounded(tmp_path):
    nats = tmp_path / "nats"
    nats.mkdir()
    (nats / "000000.pickle.pbz2").write_bytes(bz2.compress(b"\x80\x02" + b"N" * (1 << 21)))
    assert "a zip bomb?" in refusal("nats-bench", nats)
    path = tmp_path / "hw_cifar10.csv.gz"
    path.write_bytes(gzip.compress(b"a" * (1 << 23)))
    assert "a zip bomb?" in refusal("hw-nas-bench", path)


def parquet(path, table, **options):
    pq.write_table(table, path, **options)
    return path


def repeated(value, times):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int8)), pa.array([value]))


@pytest.mark.usefixtures("strict")
def test_a_value_a_million_times_is_refused(tmp_path, describe):
    """Run lengths in a dictionary's codes: megabytes of numbers, gigabytes of text in a few kB."""
    table = pa.table({"v": repeated(1.5, 1 << 22)})
    path = parquet(tmp_path / "rows.parquet", table, compression="zstd")
    assert path.stat().st_size < 1 << 15
    assert "4,194,304 rows" in refusal("table", path, describe)
    table = pa.table({"x": repeated("a" * (1 << 16), 1 << 16)})
    path = parquet(tmp_path / "text.parquet", table, compression="zstd")
    assert path.stat().st_size < 1 << 12
    assert "texts of 'x'" in refusal("table", path, describe)


@pytest.mark.usefixtures("strict")
def test_a_list_of_a_million_values_is_refused(tmp_path, describe):
    lists = pa.ListArray.from_arrays(pa.array([0, 1 << 21], pa.int32()), repeated(7, 1 << 21))
    path = parquet(tmp_path / "list.parquet", pa.table({"x": lists}), compression="zstd")
    assert "values of lists" in refusal("table", path, describe)


def promising(path, rows, parts_alone=False):
    """A Parquet file whose footer says that it has so many rows: a varint of Thrift's.

    It says so of the file and of its parts, or ``parts_alone``.
    """
    parquet(path, pa.table({"x": ["a"] * 77_777}), write_statistics=False)
    data = path.read_bytes()
    start = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    whole, mark, parts = data[start:-8].partition(_varint(77_777))
    footer = whole + (mark if parts_alone else _varint(rows))
    footer += parts.replace(mark, _varint(rows))
    path.write_bytes(data[:start] + footer + struct.pack("<I", len(footer)) + b"PAR1")
    assert pq.read_metadata(path).row_group(0).num_rows == rows
    return path


def _varint(number):
    number, found = number << 1, b""  # zigzag, of a positive number
    while number >= 0x80:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


@pytest.mark.parametrize("rows", [2**62, 2**40, 2**31 - 1])
def test_a_footer_that_promises_too_much_is_refused(tmp_path, describe, rows):
    path = promising(tmp_path / "a.parquet", rows)
    assert f"{rows:,} rows" in refusal("table", path, describe)


def test_a_footer_whose_parts_promise_more_than_the_whole_is_refused(tmp_path, describe):
    path = promising(tmp_path / "a.parquet", 2**36, parts_alone=True)
    assert "77,777 rows, its parts 68,719,476,736" in refusal("table", path, describe)


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are Linux's here")
def test_memory_and_time_stay_small(tmp_path, describe):
    """The same with the bounds as they are, in a process that may hold 600 MB and has a minute."""
    promising(tmp_path / "footer.parquet", 2**62)
    parquet(tmp_path / "rows.parquet", pa.table({"v": repeated(1.5, 1 << 25)}))
    parquet(tmp_path / "text.parquet", pa.table({"x": repeated("a" * (1 << 16), 1 << 16)}))
    (tmp_path / "rows.csv.bz2").write_bytes(bz2.compress(b"a" * (1 << 24)) * 16)
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_DATA, (600 << 20,) * 2)
from pathlib import Path
from nasarena.spaces.formats import own
from nasarena.spaces.table import BadFile
for name in ("footer.parquet", "rows.parquet", "text.parquet", "rows.csv.bz2"):
    try:
        own.read_frame(Path({str(tmp_path)!r}) / name)
    except BadFile as error:
        print(name)
"""
    env = os.environ | {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=True)
    assert len(said.stdout.split()) == 4


def test_a_large_honest_file_is_not_refused(tmp_path):
    rng = np.random.default_rng(0)
    rows = 200_000
    table = pa.table(
        {"x": ["a"] * rows, "v": rng.random(rows), "n": rng.integers(0, 9, rows), "one": [1] * rows}
    )
    path = parquet(tmp_path / "a.parquet", table, compression="zstd")
    assert bounds.read_parquet(path).equals(table)


# Elsewhere.


def test_no_archive_is_ever_unpacked_to_a_path(tmp_path, monkeypatch):
    """Zip slip needs a reader that writes what it finds under the names it finds."""
    log = {
        "recepie": json.dumps({"h_new_0": {"op": "linear", "input": ["x"]}}),
        "data": "../../etc",
        "epochs": 1,
        "num_params": 1,
        "wall_times": [1.0],
        **{f"{name}_losses": [0.5] for name in ("train", "val", "test")},
    }
    other = {**log, "recepie": log["recepie"].replace("linear", "blend")}
    path = tmp_path / "in" / "logs.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../slip.json", json.dumps(log))
        archive.writestr("/tmp/slip-absolute.json", json.dumps(other))
    before = sorted(tmp_path.rglob("*"))
    (found,) = read_all("nasbench-nlp", path)
    assert found.dataset == "etc"
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/slip-absolute.json").exists()


def test_names_in_files_are_no_paths(tmp_path, monkeypatch, describe):
    from nasarena.bench._base.errors import DataError
    from nasarena.studies import data

    monkeypatch.setenv("NASARENA_DATA", str(tmp_path / "home"))
    (tmp_path / "a.csv").write_text("x,v\n1,2\n2,3\n")
    for key in ("name", "dataset"):
        for name in ("../out", "a/b", "/etc/x", ".hidden", "a\\u0000", "", "con/../x", "A" * 300):
            text = DESCRIPTION.replace('name="a"\n', "" if key == "name" else 'name="a"\n')
            describe.write_text(f'{key} = "{name}"\n{text}')
            with pytest.raises(DataError):
                data.import_files("table", [tmp_path / "a.csv"], describe)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] in ([], ["home"])


def test_every_reader_of_pickles_is_among_those_tested():
    """Whoever adds one finds this list."""
    folder = Path(own.__file__).parent
    using = {p.stem for p in folder.glob("*.py") if "Unpickler" in p.read_text()} - {"stream"}
    assert using == {"asr", "graph", "hardware", "nats"}
    assert set(NAMES.values()) >= using
