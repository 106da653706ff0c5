"""The assertions and the pytest plugin that brings them."""

import subprocess
import sys
from pathlib import Path

import pytest

from nasarena.bench._base.errors import NasarenaError, UnknownName

BROKEN = f"{Path(__file__).parents[2] / 'helpers'}/broken_strategies.py"
TASK = "nasbench201/cifar10"


@pytest.fixture(name="nasarena")
def _assertions():
    """What the plugin's fixture of this name gives; in this folder the name is the command's."""
    from nasarena.testing import assertions

    return assertions


def test_a_sound_strategy_is_not_worse_than_random(nasarena):
    nasarena.assert_not_worse(f"{BROKEN}:Sound", than="random", task=TASK, budget=100, seeds=20)


def test_a_broken_one_is_and_the_failure_shows_why(nasarena):
    with pytest.raises(AssertionError) as failure:
        nasarena.assert_not_worse(
            f"{BROKEN}:Lonely", than=f"{BROKEN}:Sound", task=TASK, budget={"queries": 100}, seeds=20
        )
    said = str(failure.value)
    assert f"Lonely is worse than {BROKEN}:Sound on {TASK}, 20 seeds" in said
    assert "final regret: regressed" in said
    assert "mean validation regret: o " in said
    assert "100 queries" in said
    body = [line for line in said.splitlines() if " |" in line]
    assert len(body) == 14
    # Less is lower: at the end the sound search (o) lies below the random walk (x).
    heights = {mark: max(i for i, line in enumerate(body) if mark in line) for mark in "ox"}
    assert heights["o"] > heights["x"]


def test_a_margin_asks_for_proof(nasarena):
    words = {"than": f"{BROKEN}:Sound", "task": TASK, "budget": 100, "seeds": 20}
    nasarena.assert_not_worse(f"{BROKEN}:Late", **words)
    nasarena.assert_not_worse(f"{BROKEN}:Rewritten", **words, margin="1%")
    with pytest.raises(AssertionError, match=r"not shown to be no worse than .* within 1%"):
        nasarena.assert_not_worse(f"{BROKEN}:Late", **words, margin="1%")


def test_settings_and_protocol_reach_the_run(nasarena):
    words = {"task": TASK, "budget": 60, "seeds": 12, "noise": "mean", "metrics": ("final",)}
    settings = {"population_size": 10, "sample_size": 5}
    name = "regularized-evolution"
    nasarena.assert_not_worse(name, than=name, settings=settings, **words)
    with pytest.raises(UnknownName, match="population"):
        nasarena.assert_not_worse(name, than=name, settings={"populations": 1}, **words)


def test_sound_strategies_are_reproducible(nasarena):
    nasarena.assert_reproducible(f"{BROKEN}:Sound", task=TASK, budget=40)


@pytest.mark.parametrize(
    ("name", "where"), [("remembers", "a second time"), ("hashes", "in a new process")]
)
def test_what_is_not_reproducible_is_found(nasarena, name, where):
    with pytest.raises(AssertionError, match=rf"came out differently {where}: .* at step \d"):
        nasarena.assert_reproducible(f"{BROKEN}:{name}", task=TASK, budget=20)


def test_what_cannot_be_run_is_an_error_and_no_verdict(nasarena):
    with pytest.raises(UnknownName):
        nasarena.assert_reproducible("randon", task=TASK)
    plugins = Path(__file__).parents[2] / "helpers" / "plugins.py"
    with pytest.raises(NasarenaError, match="planted"):
        nasarena.assert_reproducible(f"{plugins}:raises", task=TASK)


def test_the_plugin_in_a_users_suite(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "def test_light():\n"
        "    import sys\n"
        "    assert not {'numpy', 'pandas', 'pyarrow', 'scipy'} & set(sys.modules)\n"
        "def test_worse(nasarena):\n"
        f"    nasarena.assert_not_worse({BROKEN + ':Lonely'!r}, than={BROKEN + ':Sound'!r},\n"
        f"        task={TASK!r}, budget=100, seeds=20)\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    words += ["-p", "no:hypothesispytest", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "test_worse" in done.stdout
    assert "final regret: regressed" in done.stdout
    assert "mean validation regret" in done.stdout
