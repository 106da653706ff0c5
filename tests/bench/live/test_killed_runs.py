"""A ``nasarena run`` that is killed in the middle of a training, and started again."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nasarena.bench.core.record import MEASURED  # noqa: E402
from nasarena.bench.store import store  # noqa: E402
from nasarena.spaces.published import growing  # noqa: E402

TASKS = """
import os
import time
from pathlib import Path

from nasarena.bench.live import LiveBenchmark, LiveSetup, Training, trainer

HERE = Path(__file__).parent
TRAINING = Training(epochs=(1, 2, 3), examples=100, measured=50, device="cpu")
BENCHMARK = LiveBenchmark(
    {"digits": LiveSetup("digits", training=TRAINING)}, root=HERE / os.environ["TRAININGS"]
)

if "STOP" in os.environ:
    measure, left = trainer.Trainer._measure, [int(os.environ["STOP"])]

    def slow(self, part):
        # Two measurements an epoch. At the chosen one, the training waits to be killed.
        left[0] -= 1
        if left[0] == 0:
            Path(os.environ["MARK"]).write_text("in the middle of a training")
            time.sleep(600)
        return measure(self, part)

    trainer.Trainer._measure = slow
"""
CLOCKS = {"charged", "start", "finish", *MEASURED}
"""What is measured, so that two runs never agree on it: seconds of training, and what adds them up.
Within one record they follow from the journal, which keeps those of before the kill."""


def run(here, trainings, **environment):
    words = ["--tasks", f"{here}/tasks.py:BENCHMARK/digits", "--strategies"]
    words += ["regularized-evolution,asha", "--seeds", "1", "--queries", "6"]
    words += ["--out", str(here / f"results-{trainings}"), "--processes", "1", "--no-report"]
    return subprocess.Popen(
        [sys.executable, "-m", "nasarena", "run", *words],
        env=os.environ | {"TRAININGS": trainings} | environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def done(process):
    said, wrong = process.communicate(timeout=600)
    assert process.returncode == 0, said + wrong


def journal(here, trainings):
    """The figures of every training, and the seconds of its epochs, by the file's name."""
    found = {}
    for file in (here / trainings).rglob("*.json"):
        plain = json.loads(file.read_text())
        times = plain.pop("seconds"), plain.pop("latency"), plain.pop("failed_after")
        found[file.name] = plain, times[0]
    return found


def test_killed_in_the_middle_of_a_training_and_resumed_gives_the_same_record(tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    undisturbed = run(tmp_path, "whole")
    mark = tmp_path / "mark"
    # The 16th measurement is within the third training: two have ended.
    killed = run(tmp_path, "cut", STOP="16", MARK=str(mark))
    try:
        while not mark.exists():
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.05)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    done(undisturbed)
    before = journal(tmp_path, "cut")
    assert not list((tmp_path / "results-cut").rglob("*.parquet"))
    done(run(tmp_path, "cut"))
    check_records(tmp_path)
    whole, cut = journal(tmp_path, "whole"), journal(tmp_path, "cut")
    assert before.keys() < cut.keys()
    assert {name: plain for name, (plain, _) in cut.items()} == {
        name: plain for name, (plain, _) in whole.items()
    }
    for name, (_, seconds) in before.items():
        # What was trained before the kill is replayed with the seconds that it took.
        assert cut[name][1][: len(seconds)] == seconds


def check_records(here):
    """All columns are the same, but for measured seconds; these follow from the journal's."""
    whole, cut = (store.read(here / f"results-{name}") for name in ("whole", "cut"))
    assert len(whole) == 12
    for name in whole.columns.drop([*CLOCKS]):
        left, right = whole[name].tolist(), cut[name].tolist()
        assert [str(value) for value in left] == [str(value) for value in right], name
    seconds = {}
    for file in (here / "cut").rglob("*.json"):
        plain = json.loads(file.read_text())
        seconds[tuple(plain["arch"]), plain["replica"]] = plain["seconds"]
    for _, rows in cut.groupby(["strategy", "seed"], observed=True):
        assert rows["start"].tolist() == [0.0, *rows["finish"].tolist()[:-1]]
        assert rows["finish"].tolist() == pytest.approx(rows["charged"].cumsum().tolist())
        reached = {}
        for row in rows.itertuples():
            key = growing.SPACE.canonical(tuple(map(int, row.arch))), row.replica
            before, own = reached.get(key, 0), seconds[key]
            paid = own[before - 1] if 0 < before < row.epochs else 0.0
            assert row.charged == pytest.approx(own[row.epochs - 1] - paid)
            reached[key] = max(before, row.epochs)
