"""Results folders, packed files and vault entries that somebody else made, or tampered with."""

import json
import os
import re
import sys
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy

from nasarena.bench._base.errors import NasarenaError, StoreError
from nasarena.bench.cache import cache_entry, run_cache
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment import experiment
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import packed, store
from nasarena.bench.store.store import Unit
from nasarena.cli import main
from nasarena.reports.exchange import formats
from nasarena.spaces import bounds

UNIT = Unit("t", "a", 0, 9)
PLAIN = {"tasks": ["nasbench201/cifar10"], "strategies": ["random"], "seeds": 2}


def table(rows=3):
    whole = dict.fromkeys(("step", "network", "epochs", "replica"), [1] * rows)
    names = ("loss", "validation", "test", "charged", "start", "finish", "thinking")
    columns = {"seed": list(range(rows)), **whole, **dict.fromkeys(names, [0.5] * rows)}
    return pa.table({**columns, "arch": [[0, 1]] * rows})


# Ways out of the folder.


@pytest.mark.parametrize(
    "name",
    [
        *("../../out", "..", "/etc/passwd", "a/../../../out", "\0", "a\0b", "C:\\x", "..\\..\\x"),
        *("", "a//b", ".", "./.", " ", "a.", "CON", "nul.txt", "COM1", "x" * 5000, "é" * 200),
        "\u202egnp", "a\nb", "\ud800", "~", "$HOME", "-rf", "*", "%2e%2e",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    root = tmp_path / "deep" / "results"
    for unit in (Unit(name, "a", 0, 0), Unit("t", name, 0, 0), Unit(f"t/{name}", name, 0, 0)):
        store.write_unit(root, unit, table())
        path = store.write_error(root, unit, "why")
        assert store.read_unit(store.unit_path(root, unit)).num_rows == 3
        assert list(store.unit_files(root, unit.task, unit.label)) == [(0, 0)]
        for place in (path, store.unit_path(root, unit)):
            parts = place.relative_to(root).parts
            assert ".." not in parts
            assert all(len(part.encode()) <= 255 for part in parts)
            assert not any(part.upper().split(".")[0] in ("CON", "NUL", "COM1") for part in parts)
            assert not any(part.endswith((".", " ")) for part in parts)
    assert {path.name for path in tmp_path.rglob("*") if path.is_relative_to(root)} > {"runs"}
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in root.parent.iterdir()] == ["results"]


def test_different_names_have_different_folders(tmp_path):
    names = ["a//b", "a/b", "a/%/b", "", "%", ".", "%2E", "a.", "a%2E", "con", "%63on", "x" * 201]
    names += ["x" * 202, "x" * 200, "a b", "a%20b", "é", "%C3%A9"]
    places = {store.unit_path(tmp_path, Unit(name, "a", 0, 0)) for name in names}
    assert len(places) == len(names)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("link", ["runs", "runs/t", "runs/t/a", "errors"])
def test_nothing_is_written_through_a_link_that_leads_out(tmp_path, link):
    root, outside = tmp_path / "results", tmp_path / "outside"
    outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    write, given = (store.write_error, "why") if link == "errors" else (store.write_unit, table())
    with pytest.raises(StoreError, match="a link that leads out of"):
        write(root, UNIT, given)
    assert not [path for path in outside.rglob("*") if path.is_file()]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_within_the_folder_and_to_it_are_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "other").mkdir()
    (tmp_path / "real" / "runs").symlink_to(tmp_path / "real" / "other")
    store.write_unit(tmp_path / "results", UNIT, table())
    assert store.read_unit(tmp_path / "real" / "other" / "t" / "a" / "0-9.parquet").num_rows == 3


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_run_does_not_follow_links_out(tmp_path):
    """The whole of ``nasarena run`` on a folder that was prepared by somebody else."""
    root, outside = tmp_path / "results", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    root.mkdir()
    made = experiment.parse(PLAIN | {"budget": {"queries": 3}})
    from nasarena.bench.store import manifest as manifests

    manifests.open_folder(root, made)
    (root / "runs").symlink_to(outside)
    with suppress(NasarenaError):
        outcomes = execute(root, made, processes=1)
        assert all(done.error for done in outcomes)
    assert [path.name for path in outside.rglob("*") if path.is_file()] == ["kept.txt"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_unit_that_is_a_link_to_another_file_is_damaged_and_the_file_is_left(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    manifests.write(tmp_path / "r", toy.manifest())
    path = store.unit_path(tmp_path / "r", UNIT)
    path.parent.mkdir(parents=True)
    path.symlink_to(secret)
    with pytest.raises(StoreError, match="is damaged") as error:
        store.read(tmp_path / "r")
    assert "secret" not in str(error.value).replace(str(path), "")
    store.set_aside(path)
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("kind", ["ioh", "coco"])
@pytest.mark.parametrize("name", ["../secret.dat", "/secret.dat", "a/../../secret.dat"])
def test_files_that_results_name_lie_in_their_own_folder(tmp_path, kind, name):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.dat").write_text("% a\n1 0 0.5 0.5 0.5\n")
    if kind == "ioh":
        about = {"function_name": "f", "maximization": False, "algorithm": {"name": "b"}}
        about["scenarios"] = [{"dimension": 2, "path": name, "runs": [{"evals": 1}]}]
        (folder / "IOHprofiler_f1.json").write_text(json.dumps(about))
    else:
        text = f"funcId = 1, DIM = 2, algId = 'b'\n{name}, 1:1|5.0e-01\n"
        (folder / "a.info").write_text(text)
    with pytest.raises(StoreError, match="which is not in its folder"):
        formats.import_results(kind, str(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# Dimensions.


@pytest.fixture
def strict(monkeypatch):
    """Bounds a hundred times as strict, so that small bombs do."""
    monkeypatch.setattr(bounds, "LEAST", 1 << 19)


def bomb(path, **columns):
    """A Parquet file with one value in each column, four million times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    zeros = pa.array(np.zeros(1 << 22, np.int8))
    made = {n: pa.DictionaryArray.from_arrays(zeros, pa.array([v])) for n, v in columns.items()}
    return pa.table(made)


@pytest.mark.usefixtures("strict")
def test_a_unit_of_millions_of_rows_in_no_bytes_is_damaged(tmp_path):
    manifests.write(tmp_path, toy.manifest())
    path = store.unit_path(tmp_path, UNIT)
    pq.write_table(bomb(path, seed=1, loss=0.5), path)
    for read in (lambda: store.read_unit(path), lambda: store.read(tmp_path)):
        with pytest.raises(StoreError, match="4,194,304 rows"):
            read()


@pytest.mark.usefixtures("strict")
def test_a_packed_file_and_a_tidy_one_are_bounded(tmp_path):
    made = bomb(tmp_path / "x", task="t", strategy="a", loss=0.5, seed=1)
    about = {"nasarena.manifest": manifests.text(toy.manifest())}
    pq.write_table(made.replace_schema_metadata(about), tmp_path / "a.parquet")
    with pytest.raises(StoreError, match="4,194,304 rows"):
        store.read(tmp_path / "a.parquet")
    with pytest.raises(StoreError, match="4,194,304 rows"):
        formats.import_results("tidy", str(tmp_path / "a.parquet"), tmp_path / "out")


@pytest.mark.usefixtures("strict")
def test_a_vault_entry_is_bounded(tmp_path):
    made = bomb(tmp_path / "x", seed=0, arch=0, epochs=9, replica=0)
    said = {
        "key": "k",
        "facts": {"duplicates": "charge"},
        "packages": {},
        "format": cache_entry.FORMAT,
    }
    said |= {"budget": {"queries": 1, "epochs": None, "seconds": None}, "first": 0, "last": 0}
    said |= {"rows": 1, "fingerprint": "0", "thinking": 0.0, "made": {}}
    path = tmp_path / "a.parquet"
    pq.write_table(made.replace_schema_metadata({"nasarena-entry": json.dumps(said)}), path)
    with pytest.raises(cache_entry.BadEntry, match="4,194,304 rows"):
        cache_entry.unpack(toy.task(), path.read_bytes())


def test_an_index_names_no_paths():
    good = f"a.{'0' * 16}.{'0' * 8}.0-1.parquet"
    names = [f"../{good}", f"/{good}", f"a/{good}", f"..\\{good}", f"{good}\0", f"\n{good}", good]
    data = json.dumps({"entries": dict.fromkeys(names, "00")}).encode()
    assert list(run_cache.read_index(data)) == [good]


# Nested deeply, and huge.


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_nested_deeply_is_an_error(tmp_path, opening):
    text = opening * 100_000
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest\.json cannot be read"):
        manifests.read(tmp_path)
    pq.write_table(
        table().replace_schema_metadata({"nasarena.manifest": text}), tmp_path / "a.parquet"
    )
    with pytest.raises(StoreError):
        manifests.read(tmp_path / "a.parquet")
    with pytest.raises(cache_entry.BadEntry):
        run_cache.read_index(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 50_000,
        "x = " + "{a=" * 50_000,
        "[" + ".".join("a" * 20_000) + "]",
        ".".join("a" * 20_000) + " = 1",
        "x = " + "9" * 20_000,
        "x = {" + ".".join("a" * 20_000) + " = 1}",
        "name = '''" + "a" * (1 << 22),
        "\0",
        "x = 1\n" * 3,
    ],
)
def test_toml_nested_deeply_or_huge_is_an_error(tmp_path, text):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(NasarenaError) as error:
        experiment.load(path)
    assert len(str(error.value)) < 100_000


def test_a_packed_file_is_read_as_it_was_written(tmp_path):
    """What bounds refuse is not what the arena writes."""
    made = experiment.parse(PLAIN | {"budget": {"queries": 20}})
    execute(tmp_path / "results", made, processes=1)
    file = packed.pack(tmp_path / "results", tmp_path / "a.parquet")
    there, again = store.read(tmp_path / "results"), store.read(file)
    for name in ("loss", "seed", "validation", "finish"):
        np.testing.assert_array_equal(there[name], again[name])


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--tasks", "x\x1b[31m\n::error::owned"],
        ["report", "no\x1b]0;owned\x07"],
        ["verify", "##[add-path]\u202e"],
        ["import", "tidy", "no\x9b2J.csv"],
    ],
)
def test_errors_do_not_act_on_a_terminal(words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nasarena", *words])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("nasarena: ")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|##\\[|^\\s*::", said, re.MULTILINE)
