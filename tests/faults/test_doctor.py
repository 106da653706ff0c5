"""``nasarena doctor``: says what is wrong, and mends what can be."""

import json
import shutil
import sys

import harness
import numpy as np
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from nasarena.bench._base import locks
from nasarena.bench._base.errors import StoreError
from nasarena.bench.core import record
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment.experiment import parse
from nasarena.bench.store import doctor, store, unit_file
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store.store import Unit
from nasarena.cli import main

UNIT = Unit(harness.TASK, "random", 0, 4)


def plan(**keys):
    given = {"tasks": [harness.TASK], "strategies": list(harness.LABELS), "seeds": 10}
    return parse(given | {"budget": {"queries": 8}} | keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "results"
    execute(root, plan(), processes=1)
    return root


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def nasarena(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["nasarena", *map(str, words)])
        try:
            main.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def found(root):
    return [(f.path, f.problem) for f in doctor.examine(root)]


def mended(root):
    """Mend all that can be; what is left."""
    for finding in doctor.examine(root):
        if finding.mend is not None:
            finding.mend()
    return found(root)


def test_a_sound_folder(root, nasarena):
    assert nasarena("doctor", root) == (0, f"{root}: all is well\n", "")
    assert nasarena("doctor", root, "--json") == (0, "[]\n", "")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert nasarena("doctor", root, "--mend")[0] == 0
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_no_results_folder_is_left_alone(tmp_path, nasarena):
    (tmp_path / "thesis.tex").write_text("years of work")
    for words in ([], ["--mend"]):
        code, out, err = nasarena("doctor", tmp_path, *words)
        assert (code, out) == (2, "")
        assert err.startswith(f"nasarena: {tmp_path} is not a results folder")
    assert nasarena("doctor", tmp_path / "nothing", "--mend")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_many_things_at_once(root, nasarena):
    """Everything is named in one go, mended in another, and the same run makes it whole."""
    whole = harness.bits(root)
    path = store.unit_path(root, UNIT)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    part = path.with_name(".0-4.parquet.abcdefgh.part")
    part.write_text("half")
    other = store.unit_path(root, UNIT._replace(label=harness.LABELS[1]))
    shutil.copy(store.unit_path(root, UNIT._replace(first=5, last=9)), other)
    store.write_error(root, UNIT._replace(first=5, last=9), "Traceback")
    (root / locks.HOLDER).write_text('{"process": 1, "host": "h", "since": "s", "command": "c"}')
    code, out, _ = nasarena("doctor", root)
    assert code == 1
    assert out.endswith("5 found, 5 not mended; nasarena doctor --mend mends what can be\n")
    for line in (
        "    its columns do not match its seal\n    to mend: set it aside\n",
        "    it holds runs of 'random'\n    to mend: set it aside\n",
        "    left over by a process that was killed\n    to mend: remove it\n",
        "    the unit that failed has been finished since\n    to mend: remove it\n",
        "    it names process 1 on h since s (c), and nobody holds the folder\n",
    ):
        assert line in out
    rows = json.loads(nasarena("doctor", root, "--json")[1])
    assert {row["mended"] for row in rows} == {False}
    assert str(path) in {row["path"] for row in rows}
    code, out, _ = nasarena("doctor", root, "--mend")
    assert code == 0
    assert "    mended: set aside\n" in out
    assert "all mended\n10 runs of the experiment are missing" in out
    assert path.with_name("0-4.parquet.damaged-1").read_bytes() == data
    assert found(root) == []
    assert len(execute(root, plan(), processes=1)) == 2
    assert harness.bits(root) == whole


@pytest.mark.parametrize("harm", ["lost", "flipped", "cut", "empty"])
def test_the_manifest_is_made_anew_from_the_units(root, harm, nasarena):
    path, before = root / "manifest.json", manifests.read(root)
    text = path.read_text()
    if harm == "lost":
        path.unlink()
    else:
        new = {"flipped": text.replace("toy-1", "toy-2"), "cut": text[:300], "empty": ""}
        path.write_text(new[harm])
    with pytest.raises(StoreError, match=r"doctor|cannot be read|no manifest"):
        execute(root, plan(), processes=1)
    assert mended(root) == []
    now = manifests.read(root)
    assert "from 4 units" in now.recovered
    experiment = replace(now.experiment, name=before.experiment.name)
    same = {"created": before.created, "name": before.name, "recovered": None}
    assert replace(now, experiment=experiment, **same) == before
    assert execute(root, plan(), processes=1) == []
    assert path.with_name("manifest.json.damaged-1").exists() == (harm != "lost")


def test_a_manifest_that_cannot_be_made_anew(root, nasarena):
    for path in root.glob("runs/**/*.parquet"):
        table = store.read_unit(path)
        unit_file.write(path.unlink() or path, record.described(table, {"task": harness.TASK}))
    (root / "manifest.json").unlink()
    code, out, _ = nasarena("doctor", root, "--mend")
    assert code == 1
    assert "    not mended: " in out
    assert "no sound unit says what it was run with" in out
    assert not (root / "manifest.json").exists()


def test_a_manifest_of_a_newer_version_is_left_alone(root, nasarena):
    manifests.write(root, replace(manifests.read(root), schema=3))
    before = (root / "manifest.json").read_bytes()
    code, out, _ = nasarena("doctor", root, "--mend")
    assert code == 1
    assert "not mended: read it with the version that wrote it" in out
    assert (root / "manifest.json").read_bytes() == before


def test_units_that_the_manifest_lost_are_added_to_it(root):
    """As after two runs at once on a file system without locks."""
    said, whole = manifests.read(root), harness.bits(root)
    *others, lost = said.experiment.strategies
    experiment = replace(said.experiment, strategies=tuple(others))
    manifests.write(root, replace(said, experiment=experiment))
    assert {problem for _, problem in found(root)} == {"the manifest does not name its strategy"}
    assert mended(root) == []
    assert manifests.read(root).experiment.strategies[-1] == lost
    assert execute(root, plan(), processes=1) == []
    assert harness.bits(root) == whole


def test_foreign_files_are_named_and_left_alone(root):
    folder = store.unit_path(root, UNIT).parent
    places = [folder / "notes.txt", folder / "04-5.parquet", root / "runs" / "7-9.parquet"]
    for place in places:
        place.write_text("mine")
    assert found(root) == [(p, "it is no unit of this experiment") for p in sorted(places)]
    assert mended(root) == found(root)
    assert all(place.read_text() == "mine" for place in places)


def test_files_from_before_there_were_seals_are_sealed(root):
    path = store.unit_path(root, UNIT)
    table = store.read_unit(path)
    pq.write_table(table, path, write_page_checksum=True)
    ((where, problem),) = found(root)
    assert where == path
    assert problem.startswith("it has no seal, as written by an earlier version")
    assert mended(root) == []
    assert unit_file.is_sealed(path)
    assert store.read_unit(path).equals(table, check_metadata=True)


def test_a_sealed_file_with_another_fingerprint(root):
    path = store.unit_path(root, UNIT)
    table = store.read_unit(path)
    place = table.column_names.index("loss")
    better = table.set_column(place, "loss", [np.asarray(table["loss"]) - 1])
    unit_file.write(path.unlink() or path, better)
    assert found(root) == [(path, "its columns do not match the fingerprint it was written with")]
    assert mended(root) == []


def test_the_smaller_of_two_overlapping_units_is_set_aside(root, tmp_path):
    """What an interrupted merge of units leaves, and two runs without locks."""
    execute(tmp_path / "other", plan(seeds=7), processes=1)
    part = store.unit_path(root, UNIT._replace(first=5, last=6))
    shutil.copy(store.unit_path(tmp_path / "other", UNIT._replace(first=5, last=6)), part)
    assert found(root) == [(part, "another file holds the same seeds")]
    assert mended(root) == []
    assert execute(root, plan(), processes=1) == []
