"""Every file of the fuzzers' corpus through its reader; those that once broke one are among them.

``python tests/fuzz/fuzz.py`` goes on from here (``tox -e fuzz``).
"""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzz
import readers

FILES = sorted(path for path in fuzz.CORPUS.rglob("*") if path.is_file())


def test_every_reader_has_a_corpus_and_it_is_small():
    assert {path.parent.name for path in FILES} == set(readers.READERS)
    assert sum(path.stat().st_size for path in FILES) < 300_000


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", readers.READERS)
def test_files_of_the_corpus_bring_no_other_error_than_is_said(reader):
    for path in FILES:
        if path.parent.name == reader and not path.name.startswith("heavy"):
            fuzz.once(reader, path.read_bytes())


def test_sound_files_are_read(tmp_path):
    """So that a reader that refuses everything would be noticed."""
    whole = [*("experiment", "manifest", "unit", "packed", "vault-entry", "table-cache", "nlp")]
    whole += [*("nats", "transnas", "asr", "own-csv", "own-parquet", "description", "tidy-csv")]
    whole += [*("tidy-parquet", "tidy-manifest", "carps", "syne-tune", "syne-tune-rows", "ioh")]
    whole += ["coco", "history", "nasbench101"]
    for name in whole:
        folder = tmp_path / name
        folder.mkdir()
        data = (fuzz.CORPUS / name / "seed-1").read_bytes()
        assert readers.READERS[name](folder, data) is not None


def test_a_fault_is_noticed(monkeypatch):
    monkeypatch.setitem(readers.READERS, "ioh", lambda folder, data: 1 // len(data))
    with pytest.raises(ZeroDivisionError):
        fuzz.once("ioh", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="atheris needs Linux")
def test_the_fuzzer_runs_and_tells_what_broke(tmp_path):
    pytest.importorskip("atheris", reason="pip install atheris")
    command = [sys.executable, fuzz.__file__, "vault-index", "--seconds", "1", "--out", tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "vault-index" in said.stdout
    assert "held" in said.stdout
