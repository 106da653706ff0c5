"""The library of imported tables, from the command line."""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys

import pytest

from nasarena.bench.experiment import registry
from nasarena.bench.store import store
from nasarena.spaces import library as tables

DESCRIBE = """name = "mine"
decisions = ["a", "b"]
validation = {column = "accuracy", direction = "maximize"}
cost = "time"
"""


@pytest.fixture
def mine(tmp_path):
    """The words that import a table of one's own: 12 architectures."""
    lines = [f"{a},{b},{50 + 3 * a - b},{1 + a}" for a, b in itertools.product(range(4), range(3))]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,accuracy,time", *lines]))
    (tmp_path / "mine.toml").write_text(DESCRIBE)
    return ["import", "table", tmp_path / "mine.csv", "--describe", tmp_path / "mine.toml"]


def left(place):
    """The files below a folder, but for the records of which imports were made."""
    files = (path.relative_to(place) for path in place.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0] != ".imports")


def test_an_imported_table_is_a_task_at_once(nasarena, mine, tmp_path):
    assert nasarena("describe", "mine/main")[0] == 2
    code, out, err = nasarena("data", *mine)
    assert (code, out, err) == (0, "task: mine/main\n", "")
    assert "mine/main" in registry.task_names()
    facts = json.loads(nasarena("describe", "mine/main", "--json")[1])
    assert facts["architectures"] == 12
    assert facts["optimum"]["validation"] == -59
    run = ["run", "--tasks", "mine/*", "--strategies", "random", "--seeds", 2, "--queries", 6]
    assert nasarena(*run, "--out", tmp_path / "results", "--no-report", "--processes", 1)[0] == 0
    assert len(store.read(tmp_path / "results")) == 12


def test_importing_again_does_nothing(nasarena, mine, library):
    nasarena("data", *mine)
    path = library / "mine/main.arrow"
    before = path.stat().st_mtime_ns
    code, out, _ = nasarena("data", *mine)
    assert code == 0
    assert "imported already" in out
    assert path.stat().st_mtime_ns == before
    assert json.loads(nasarena("data", *mine, "--json")[1]) == {
        "tasks": ["mine/main"],
        "already": True,
    }


def test_what_was_removed_is_imported_again(nasarena, mine):
    nasarena("data", *mine)
    nasarena("data", "remove", "mine/main")
    code, out, _ = nasarena("data", *mine)
    assert (code, out) == (0, "task: mine/main\n")
    assert tables.datasets("mine") == ("main",)


def test_a_changed_table_takes_the_place_of_the_old(nasarena, mine, tmp_path):
    nasarena("data", *mine)
    before = registry.task("mine/main")
    text = (tmp_path / "mine.csv").read_text().replace("3,0,59,4", "3,0,90,4")
    (tmp_path / "mine.csv").write_text(text)
    nasarena("data", *mine)
    after = registry.task("mine/main")
    assert (before.optimum["validation"], after.optimum["validation"]) == (-59, -90)
    assert before.table.hash != after.table.hash


def test_datasets_join_their_benchmark(nasarena, mine, tmp_path):
    nasarena("data", *mine)
    (tmp_path / "mine.toml").write_text('dataset = "other"\n' + DESCRIBE)
    assert nasarena("data", *mine)[0] == 0
    assert tables.datasets("mine") == ("main", "other")
    assert registry.task("mine/main").optimum["validation"] == -59
    assert nasarena("data", "remove", "mine/main")[0] == 0
    assert tables.datasets("mine") == ("other",)
    assert nasarena("data", "remove", "mine")[0] == 0
    assert tables.names() == ()


def test_list_info_verify(nasarena, mine, library):
    assert "nothing has been imported" in nasarena("data", "list")[1]
    nasarena("data", *mine)
    assert "mine/main" in nasarena("data", "list")[1]
    assert json.loads(nasarena("data", "list", "--json")[1])[0]["task"] == "mine/main"
    (facts,) = json.loads(nasarena("data", "info", "mine", "--json")[1])
    assert facts["architectures"] == 12
    assert [source["name"] for source in facts["sources"]] == ["mine.csv", "mine.toml"]
    assert "mine.csv" in nasarena("data", "info", "mine/main")[1]
    assert nasarena("data", "verify")[0] == 0
    path = library / "mine/main.arrow"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x55
    path.write_bytes(damaged)
    code, out, _ = nasarena("data", "verify", "--json")
    assert code == 1
    assert json.loads(out)[0]["outcome"] != "sound"
    path.write_bytes(path.read_bytes()[:100])
    assert nasarena("data", "verify")[0] == 1
    assert "damaged" in nasarena("data", "list")[1]
    assert nasarena("list")[0] == 0
    assert "damaged" in nasarena("data", "info", "mine")[2]
    code, _, err = nasarena("describe", "mine/main")
    assert code == 2
    assert "damaged" in err
    assert "data remove mine/main" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["import", "tabel", "x.csv"], "did you mean 'table'"),
        (["import", "table"], "got no file"),
        (["import", "table", "x.csv"], "x.csv"),
        (["info", "nothing"], "unknown imported benchmark 'nothing'"),
        (["remove", "nothing"], "unknown imported benchmark 'nothing'"),
        (["verify", "nothing/a"], "unknown imported benchmark 'nothing'"),
        (["wizard", "x.csv"], "x.csv"),
    ],
)
def test_misuse_is_one_line(nasarena, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = nasarena("data", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("name", ["nasbench201", "Mine", "../mine", ".mine", ""])
def test_names_that_cannot_be(nasarena, mine, tmp_path, library, name):
    (tmp_path / "mine.toml").write_text(DESCRIBE.replace('"mine"', f'"{name}"'))
    code, _, err = nasarena("data", *mine)
    assert code == 2
    assert repr(name) in err
    assert left(library) == []


def test_no_space_left_keeps_nothing(nasarena, mine, library, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, _, err = nasarena("data", *mine)
    assert code == 2
    assert "No space left" in err
    assert left(library) == []
    assert nasarena("data", *mine)[0] == 0


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
from nasarena.spaces.formats import own
arrange = own.arrange
def slow(*given):
    from nasarena.spaces import cache
    real = cache.write
    def write(*words):
        real(*words)
        print("written", flush=True)
        time.sleep(60)
    cache.write = write
    return arrange(*given)
own.arrange = slow
from nasarena.cli import main as cli
cli.main()
"""


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_import_leaves_nothing(nasarena, mine, library, kind):
    words = [sys.executable, "-c", SLOW, "data", *map(str, mine)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"written\n"
        process.send_signal(kind)
        process.wait(30)
    assert process.returncode != 0
    assert tables.names() == ()
    assert "nothing has been imported" in nasarena("data", "list")[1]
    assert nasarena("data", *mine)[0] == 0
    assert left(library) == ["mine/main.arrow"]
    assert sorted(path.name for path in library.iterdir()) == [".imports", "mine"]


def test_the_wizard_writes_what_import_reads(nasarena, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").unlink()
    text = (tmp_path / "mine.csv").read_text().replace("accuracy", "val_accuracy")
    (tmp_path / "mine.csv").write_text(text)
    assert nasarena("data", "wizard", "mine.csv", "--yes")[0] == 0
    assert nasarena("data", *mine)[0] == 0
    assert registry.task("mine/main").optimum["validation"] == -59
    code, _, err = nasarena("data", "wizard", "mine.csv", "--yes")
    assert code == 2
    assert "mine.toml exists" in err


def test_the_wizard_asks(tmp_path):
    from nasarena.spaces.formats import description
    from nasarena.studies import wizard

    (tmp_path / "x.csv").write_text("a,b,quality,t\n1,2,3.5,4\n2,2,4.5,4\n")
    answers = {"quality": "validation", "quality is better when": "minimize", "t": "cost"}
    asked = []

    def ask(what, guess, known):
        asked.append((what, guess))
        assert guess in known
        return answers.get(what, guess)

    text = wizard.describe(tmp_path / "x.csv", ask)
    (tmp_path / "x.toml").write_text(text)
    made = description.load(tmp_path / "x.toml")
    assert made.decisions == ("a", "b")
    assert (made.validation.source, made.validation.column.maximize) == ("quality", False)
    assert made.cost.source == "t"
    assert [what for what, _ in asked] == ["a", "b", "quality", "quality is better when", "t"]


def test_formats_are_listed(nasarena):
    rows = json.loads(nasarena("data", "import", "--json")[1])
    assert "table" in {row["format"] for row in rows}


def test_help_has_examples(nasarena):
    for command in ("import", "list", "info", "verify", "remove", "wizard", "analyse"):
        code, out, _ = nasarena("data", command, "--help")
        assert code == 0
        assert f"nasarena data {command}" in out.replace(f"Usage: nasarena data {command}", "", 1)


def test_analyse(nasarena, mine, tmp_path):
    nasarena("data", *mine)
    words = ["data", "analyse", "mine/main", "--out", tmp_path / "facts", "--format", "md,csv"]
    code, out, _ = nasarena(*words)
    assert code == 0
    assert "fitness–distance correlation" in out
    assert left(tmp_path / "facts") == ["mine_main.csv", "mine_main.md"]
    code, _, err = nasarena("data", "analyse", "mine/main", "--format", "gif")
    assert code == 2
    assert "unknown format ['gif']" in err
