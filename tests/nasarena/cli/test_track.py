"""The commands track add, show and publish, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nasarena.cli import main

TOY = f"{Path(__file__).parents[2] / 'helpers'}/toy.py:BENCHMARK/a"


@pytest.fixture
def nasarena(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

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


def run(nasarena, out, strategies="random"):
    words = ["--tasks", TOY, "--strategies", strategies, "--seeds", 4, "--queries", 5]
    assert nasarena("run", *words, "--out", out, "--no-report", "--processes", 1)[0] == 0


def test_add_show_publish(nasarena, tmp_path):
    pytest.importorskip("ruptures")
    run(nasarena, "r", "random,exhaustive")
    for day in range(1, 5):
        words = ["--commit", f"c{day}", "--time", f"2026-01-0{day}", "--target", "5"]
        code, out, _ = nasarena("track", "add", "r", "--to", "history", *words)
        assert code == 0
        assert out.startswith("6 rows: history")
    code, out, _ = nasarena("track", "show", "history", "--strategies", "rand*")
    assert code == 0
    assert out.count("random") == 3
    assert "▄▄▄▄" in out
    code, out, _ = nasarena("track", "show", "history", "--metrics", "final*", "--json")
    assert [len(each["rows"]) for each in json.loads(out)] == [4, 4]
    code, out, _ = nasarena("track", "publish", "history", "public")
    assert code == 0
    assert Path("public/index.html").exists()


def test_the_commit_comes_from_the_checkout_the_results_were_made_in(nasarena, tmp_path):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init"], ["commit", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    run(nasarena, "r")
    assert nasarena("track", "add", "r", "--to", "h.jsonl")[0] == 0
    assert json.loads(Path("h.jsonl").read_text().splitlines()[0])["commit"] == head


def test_misuse_exits_with_2(nasarena, tmp_path):
    run(nasarena, "r")
    code, _, err = nasarena("track", "add", "r", "--to", "h")
    assert code == 2
    assert "say which commit" in err
    assert not Path("h").exists()
    code, _, err = nasarena("track", "add", "r", "--to", "h", "--commit", "a", "--time", "now")
    assert code == 2
    assert "ISO 8601" in err
    code, _, err = nasarena("track", "show", "h")
    assert code == 2
    assert "no series that fits" in err
