"""A third party's task with the documented members only goes through every command."""

import shlex
from pathlib import Path

import pytest

from nasarena.bench.experiment import registry
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store

GUIDE = Path(__file__).parents[3] / "docs" / "extending.md"
BARE = Path(__file__).parents[2] / "helpers" / "own_task.py"


def section():
    return GUIDE.read_text().partition("## A task without a table")[2].partition("\n## ")[0]


def block(kind):
    return section().partition(f"```{kind}\n")[2].partition("```")[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own to work in, with the guide's file in it."""
    monkeypatch.chdir(tmp_path)
    Path("layers.py").write_text(block("python"))
    Path("own_task.py").write_text(BARE.read_text())
    registry._module_from_file.cache_clear()
    registry._task.cache_clear()


def commands(task):
    lines = block("sh").replace("layers.py:BENCHMARK/plain", task).splitlines()
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize("task", ["layers.py:BENCHMARK/plain", "own_task.py:BENCHMARK/bare"])
def test_the_guide_s_commands_run_on_a_task_of_one_s_own(here, nasarena, task):
    done = {}
    for words in commands(task):
        code, out, err = nasarena(*words)
        assert code == 0, (words, out, err)
        done[words[0]] = out
    assert list(done) == ["check", "run", "verify", "report", "pack", "gate", "compare"]
    assert "0 failed" in done["check"]
    assert "local-search" in done["compare"]
    (unit, *_) = store.unit_files(Path("results"), task, "random").values()
    table = store.read_unit(unit)
    assert table["validation"].null_count == 0
    page = Path("results/report/index.html")
    assert page.exists()
    facts = manifests.read("results").tasks[task]
    assert facts.hash == registry.task(task).hash
