"""Property tests draw anew in CI, and what failed there can be replayed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROPERTIES = """
from hypothesis import given, strategies as st
from properties import examples

NUMBERS = st.integers(0, 10**12)

@given(NUMBERS)
def test_passes(number):
    note("passes", number)

@examples(20)
@given(NUMBERS)
def test_passes_with_few(number):
    note("few", number)

@given(NUMBERS)
def test_fails(number):
    note("fails", number)
    assert number < 1000

def note(name, number):
    with open(f"{name}.txt", "a") as file:
        file.write(f"{number}\\n")
"""


@pytest.fixture
def run(tmp_path):
    """Run the properties in a project of their own: what was drawn by each, and the log."""
    (tmp_path / "tests" / "helpers").mkdir(parents=True)
    for name in ("conftest.py", "helpers/properties.py"):
        shutil.copy(HERE / name, tmp_path / "tests" / name)
    (tmp_path / "tests" / "test_it.py").write_text(PROPERTIES)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]

    def run(**variables):
        kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NASARENA_EXAMPLES")}
        made = subprocess.run(
            words, cwd=tmp_path, env=kept | variables, capture_output=True, text=True, check=False
        )
        drawn = {file.stem: file.read_text().split() for file in tmp_path.glob("*.txt")}
        for file in tmp_path.glob("*.txt"):
            file.unlink()
        return drawn, made.stdout

    return run


def test_in_ci_examples_are_drawn_anew_and_what_failed_comes_first(run, tmp_path):
    first, log = run(CI="true")
    second, _ = run(CI="true")
    for name in ("passes", "few"):
        assert set(first[name]) != set(second[name])
    assert len(first["few"]) == 20
    assert "@reproduce_failure" in log
    assert second["fails"][0] == "1000"  # the least that fails, as the first run found it
    assert list((tmp_path / ".hypothesis" / "examples").iterdir())


def test_more_examples_can_be_asked_for(run):
    drawn, _ = run(CI="true", NASARENA_EXAMPLES="50")
    assert len(drawn["few"]) == 50
