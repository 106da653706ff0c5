import json
import os
import subprocess
import sys

import numpy as np
import pytest

from nasarena.bench._base import calibration
from nasarena.bench._base.errors import StoreError
from nasarena.reports.gate import gate_run, speed
from nasarena.reports.history import history, track

LOOP = 0.004


def file(path, times, *, loop=LOOP, seed=0, rounds=60, **others):
    """A file as pytest-benchmark writes it; ``times`` are seconds by benchmark."""
    rng = np.random.default_rng(seed)

    def noisy(value, count):
        return list(value * rng.lognormal(0, 0.05, count))

    data = {
        "version": "5.0",
        "datetime": "2026-01-02T03:04:05+00:00",
        "commit_info": {"id": "c" * 40},
        "machine_info": {"python_version": "3.11", "cpu": {"brand_raw": "one"}},
        "benchmarks": [
            {"fullname": name, "stats": {"data": noisy(value, rounds)}}
            for name, value in times.items()
        ],
        "nasarena": {"calibration": calibration.VERSION, "seconds": noisy(loop, 60)},
    }
    path.write_text(json.dumps(data | others))
    return path


@pytest.fixture
def verdicts(tmp_path):
    def get(now, *, loop=LOOP, slower="25%", **words):
        old = file(tmp_path / "old.json", {"a": 0.01, "b": 0.1})
        new = file(tmp_path / "new.json", now, loop=loop, seed=1)
        outcome = gate_run.compare(old, new, slower=slower, **words)
        return {pair.strategy: pair.verdict.value for pair in outcome.gate.pairs}, outcome

    return get


def test_slower_and_faster_are_seen(verdicts):
    assert verdicts({"a": 0.015, "b": 0.06})[0] == {"a": "regressed", "b": "improved"}


def test_another_machine_is_no_regression(verdicts):
    assert verdicts({"a": 0.03, "b": 0.3}, loop=3 * LOOP)[0] == {
        "a": "equivalent",
        "b": "equivalent",
    }
    assert verdicts({"a": 0.01, "b": 0.1}, loop=LOOP / 2)[0] == {"a": "regressed", "b": "regressed"}


def test_what_lies_within_the_tolerance_is_none(verdicts):
    assert verdicts({"a": 0.0115, "b": 0.1})[0]["a"] == "equivalent"
    assert verdicts({"a": 0.0115, "b": 0.1}, slower="5%")[0]["a"] == "regressed"


def test_a_benchmark_that_is_gone_is_missing(verdicts):
    found, outcome = verdicts({"a": 0.01})
    assert found == {"a": "equivalent", "b": "missing"}
    assert outcome.gate.fails()


def test_it_is_shown_and_written_like_the_rest(verdicts, tmp_path):
    _, outcome = verdicts({"a": 0.02, "b": 0.1})
    files = gate_run.write(outcome, tmp_path, ("md", "json", "junit", "gitlab", "html"), ())
    assert len(files) == 5
    text = (tmp_path / "gate.md").read_text()
    assert "| speed | a | time a round | **regressed** | 2.5" in text
    assert "calibration loops" in text
    assert gate_run.shown(outcome)[0]["strategy"] == "a"


def test_noise_alone_is_within_the_tolerance(tmp_path):
    alarms = 0
    for seed in range(40):
        old = file(tmp_path / "old.json", {"a": 0.01}, seed=2 * seed)
        new = file(tmp_path / "new.json", {"a": 0.0118}, seed=2 * seed + 1)
        alarms += gate_run.compare(old, new).gate.fails()
    assert alarms == 0


def test_into_the_history(tmp_path):
    old = file(tmp_path / "old.json", {"a": 0.01, "b": 0.1})
    path, count = track.add(old, tmp_path / "h")
    assert count == 2
    row = history.load(tmp_path / "h")[0]
    assert (row.task, row.strategy, row.commit) == ("speed", "a", "c" * 40)
    assert row.value == pytest.approx(2.5, rel=0.05)
    assert path.name.startswith("cccc")
    nameless = file(tmp_path / "old.json", {"a": 0.01}, commit_info=None)
    with pytest.raises(StoreError, match="--commit"):
        track.add(nameless, tmp_path / "h")


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"benchmarks": []}, "holds no benchmark"),
        ({"benchmarks": [{"fullname": "a", "stats": {"median": 1}}]}, "a has no single times"),
        ({"nasarena": {"calibration": 99, "seconds": [1]}}, "calibrated by loop"),
    ],
)
def test_bad_files(tmp_path, others, said):
    old = file(tmp_path / "old.json", {"a": 0.01})
    new = file(tmp_path / "new.json", {"a": 0.01}, **others)
    with pytest.raises(StoreError, match=said):
        gate_run.compare(old, new)


def test_files_that_are_none(tmp_path):
    old = file(tmp_path / "old.json", {"a": 0.01})
    plain = json.loads(old.read_text())
    del plain["nasarena"]
    (tmp_path / "plain.json").write_text(json.dumps(plain))
    (tmp_path / "cut.json").write_text(old.read_text()[:100])
    for name, said in (
        ("plain.json", "how fast its machine was"),
        ("cut.json", "cannot be read"),
        ("gone.json", "there is no file"),
    ):
        with pytest.raises(StoreError, match=said):
            speed.read(tmp_path / name)
    with pytest.raises(StoreError, match="share such as 25%"):
        gate_run.compare(old, old, slower="0.25")


def test_the_plugin_writes_the_calibration(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "def test_it(benchmark):\n    benchmark(sum, range(100))\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    words += ["--benchmark-json", "b.json", "--benchmark-max-time", "0.02", "test_it.py"]
    # Within a worker of xdist no benchmark would be measured.
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    found = speed.read(tmp_path / "b.json")
    (ratios,) = found.ratios.values()
    assert (ratios > 0).all()
    assert np.median(ratios) < 1
    data = json.loads((tmp_path / "b.json").read_text())
    assert len(data["nasarena"]["seconds"]) == 60
    outcome = gate_run.compare(tmp_path / "b.json", tmp_path / "b.json")
    assert outcome.gate.pairs[0].verdict == "equivalent"
