"""The commands gate and pack, as a user types them."""

import json
import sys
from pathlib import Path

import pytest

from nasarena.bench.execute import rerun
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import packed, store
from nasarena.cli import main

BROKEN = Path(__file__).parents[2] / "helpers" / "broken_strategies.py"
TASK = "nasbench201/cifar10"


@pytest.fixture
def nasarena(monkeypatch, capsys):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

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


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a strategy of its own and a packed baseline of it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def strategy_file(folder, name):
    """mine.py as it would be in a user's repository; a new file each, for modules are cached."""
    path = folder / "mine.py"
    text = BROKEN.read_text()
    path.write_text(f"{text}\n\nmine = {name}\n")
    from nasarena.bench.experiment import registry

    registry._module_from_file.cache_clear()
    return f"{path}:mine"


def baseline(nasarena, folder, seeds=20):
    name = strategy_file(folder, "Sound")
    words = ["--tasks", TASK, "--strategies", name, "--seeds", seeds, "--queries", 100]
    code, _, _ = nasarena("run", *words, "--out", "base", "--no-report", "--processes", 1)
    assert code == 0
    assert nasarena("pack", "base", "base.parquet")[0] == 0
    return folder / "base.parquet"


GATE = ["gate", "now", "--baseline", "base.parquet", "--run", "--processes", 1]


def test_unchanged_code_passes(nasarena, here):
    baseline(nasarena, here)
    strategy_file(here, "Rewritten")
    code, out, err = nasarena(*GATE)
    assert (code, err) == (0, "")
    assert out.endswith("1 identical\n")


def test_worse_code_fails_and_says_why(nasarena, here, monkeypatch):
    baseline(nasarena, here)
    strategy_file(here, "Deaf")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    code, out, _ = nasarena(*GATE, "--out", "gate")
    assert code == 1
    assert "::error title=mine on nasbench201/cifar10 regressed::" in out
    assert "20 of 20 seeds differ" in out
    assert "1 regressed" in (here / "summary.md").read_text()
    assert (here / "gate" / "gate.html").exists()
    # Asked to, it lets the same pass; as JSON, standard output is JSON alone.
    code, out, err = nasarena("gate", *GATE[2:], "--fail-on", "missing", "--json")
    assert code == 0
    assert json.loads(out)["counts"]["regressed"] == 1
    assert "::notice" not in err


def test_a_strategy_that_raises_fails_the_gate(nasarena, here):
    baseline(nasarena, here)
    (here / "mine.py").write_text(
        "from nasarena.bench import strategy\n@strategy()\ndef mine(problem, rng):\n    yield 1\n"
    )
    from nasarena.bench.experiment import registry

    registry._module_from_file.cache_clear()
    code, _, err = nasarena(*GATE)
    assert code == 2
    assert "expected an architecture" in err
    assert "now holds no finished run to compare" in err


def test_sequential_stops_early_for_what_is_clear(nasarena, here):
    baseline(nasarena, here, seeds=40)
    strategy_file(here, "Lonely")
    code, out, _ = nasarena(*GATE[:4], "--sequential", "--processes", 1, "--json")
    assert code == 1
    pair = json.loads(out)["pairs"][0]
    assert pair["verdict"] == "regressed"
    assert pair["seeds"] < 40
    assert len(store.read("now")["seed"].unique()) == pair["seeds"]


def test_sequential_needs_one_block_for_identical_bits(nasarena, here):
    baseline(nasarena, here, seeds=40)
    strategy_file(here, "Rewritten")
    code, out, _ = nasarena(*GATE[:4], "--sequential", "--block", 5, "--processes", 1, "--json")
    assert code == 0
    assert json.loads(out)["pairs"][0]["seeds"] == 5


def test_sequential_goes_to_the_end_for_what_is_not_clear(nasarena, here):
    baseline(nasarena, here)
    strategy_file(here, "Late")
    code, out, _ = nasarena(*GATE[:4], "--sequential", "--processes", 1, "--json")
    assert code == 0
    assert json.loads(out)["pairs"][0]["seeds"] == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "--baseline", "base.parquet"], "nowhere is not a results folder"),
        (["base", "--baseline", "nowhere.parquet"], "nowhere.parquet is not a results folder"),
        (["--baseline", "base.parquet"], "name the results to judge, or let --run make them"),
        (["base", "--baseline", "base.parquet", "--speed", "x.json"], "one needs the other"),
        (["base", "--baseline", "text"], "text is damaged"),
        (["base", "--baseline", "base.parquet", "--margin", "0.1"], "different units"),
        (["base", "--baseline", "base.parquet", "--fail-on", "worse"], "expected some of"),
        (["base", "--baseline", "base.parquet", "--format", "pdf", "--out", "g"], "unknown format"),
    ],
)
def test_misuse_exits_with_2(nasarena, here, words, said):
    file = baseline(nasarena, here, seeds=2)
    (here / "text").write_text("no parquet")
    before = file.read_bytes()
    code, _, err = nasarena("gate", *words)
    assert code == 2
    assert said in err
    assert file.read_bytes() == before


def test_pack_overwrites_nothing(nasarena, here):
    file = baseline(nasarena, here, seeds=2)
    before = file.read_bytes()
    code, _, err = nasarena("pack", "base", file)
    assert code == 2
    assert "is there already; --force replaces it" in err
    assert file.read_bytes() == before
    assert nasarena("pack", "base", file, "--force")[0] == 0
    code, _, err = nasarena("pack", "mine", "x.parquet")
    assert code == 2
    assert not Path("x.parquet").exists()


def test_fill_runs_only_what_is_not_there(nasarena, here):
    file = baseline(nasarena, here, seeds=2)
    assert rerun.fill(here / "base", file, processes=1) == ([], 1)
    code, _, err = nasarena("gate", "base", "--baseline", file, "--run")
    assert code == 0
    assert "1 units were in base already and were not run again" in err
    assert packed.pack(here / "base", file, force=True) == file


def test_the_projects_own_baseline_covers_every_fast_strategy():
    from nasarena.bench.experiment import registry

    folder = Path(__file__).parents[3] / ".ci" / "baseline"
    held = manifests.read(folder / "strategies.parquet").experiment
    named = {spec.name for spec in held.strategies}
    slow_or_extra = {"gp", "random-forest", "optuna-gp", "optuna-grid"}
    peers = {"nevergrad", "pymoo", "smac", "syne-tune"}
    # With one number of epochs a pruner's strategy is its sampler.
    pruners = {name for name, where in registry.STRATEGIES.items() if "optuna_pruner" in where}
    supernets = {"darts", "gdas", "spos", "random-weight-sharing"}  # no table has one
    assert named == set(registry.STRATEGIES) - slow_or_extra - peers - pruners - supernets
    from nasarena.bench.experiment import experiment

    assert experiment.load(folder / "strategies.toml") == held
