"""The drift tracker, on two versions of a package made here: nothing is downloaded."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

from nasarena.bench._base.errors import NasarenaError
from nasarena.cli import main
from nasarena.studies import drift

pytest.importorskip("pip")

MINE = """
import stepper
from nasarena.bench import strategy

@strategy()
def mine(problem, rng):
    best = problem.space.sample(rng)
    loss = (yield best).losses[0]
    while True:
        arch = stepper.step(problem.space, best, rng)
        seen = yield arch
        if seen.losses[0] <= loss:
            best, loss = arch, seen.losses[0]
"""
STEPS = {
    "1.0": "def step(space, arch, rng):\n    return space.mutate(arch, rng)\n",
    "2.0": "def step(space, arch, rng):\n    return arch\n",
    "2.1": "def step(space, a, rng):\n    return space.mutate(a, rng)  # as in 1.0\n",
}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Wheels of three versions of "stepper", and pip told to look nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version, code in STEPS.items():
        info = f"stepper-{version}.dist-info"
        with zipfile.ZipFile(folder / f"stepper-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("stepper.py", code)
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: stepper\nVersion: {version}\n"
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    return tmp_path


@pytest.fixture
def nasarena(monkeypatch, capfd):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["nasarena", *map(str, words)])
        try:
            main.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        said = capfd.readouterr()
        return code, said.out, said.err

    return call


RUN = ["--strategies", "mine.py:mine", "--seeds", 15, "--queries", 60, "--processes", 1]


def test_a_worse_version_and_a_rewritten_one(shelf, nasarena):
    code, out, err = nasarena("drift", "stepper==1.0", "stepper==2.0", *RUN, "--json")
    assert code == 1, err
    (pair,) = json.loads(out)["pairs"]
    assert pair["verdict"] == "regressed"
    assert pair["parting"]["seeds"] == 15
    assert (shelf / "drift" / "gate.html").exists()
    # 1.0 has been run; only 2.1 is.
    code, out, err = nasarena("drift", "stepper==1.0", "stepper==2.1", *RUN, "--json")
    assert code == 0
    assert "every unit is there already" in err
    assert json.loads(out)["pairs"][0]["verdict"] == "identical"


def test_what_cannot_be_installed(shelf, nasarena):
    code, _, err = nasarena("drift", "stepper==1.0", "stepper==9", *RUN)
    assert code == 2
    assert "pip cannot install stepper==9" in err


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("--index-url=x", "a==1", "expected a requirement"),
        ("a==1", "./a", "expected a requirement"),
        ("a==1", "a == 1", "nothing to compare"),
    ],
)
def test_what_is_no_pair_of_requirements(before, after, said):
    with pytest.raises(NasarenaError, match=said):
        drift.check(before, after)
