"""Runs and reports that are killed, anywhere, and go on as if nothing had been."""

import os
import shutil
import time
from collections import Counter
from random import Random

import harness
import pytest
from msgspec.structs import replace

from nasarena.bench._base import atomic
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment import experiment

POINTS = ("made", "half", "written", "synced", "renamed")
PLACES = {"manifest": r"/manifest\.json$", "unit": r"/runs/.*parquet$", "vault": r"vault.*parquet$"}


def plan(labels=harness.LABELS, seeds=20, queries=60):
    return experiment.parse(
        {
            "tasks": [harness.TASK],
            "strategies": list(labels),
            "seeds": seeds,
            "budget": {"queries": queries},
        }
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed") / "results"
    execute(root, plan(), processes=1)
    return root


def same(root, undisturbed):
    """``root`` holds what an undisturbed run leaves, and nothing else."""
    assert harness.bits(root) == harness.bits(undisturbed)
    there, wanted = harness.manifest(root), harness.manifest(undisturbed)
    experiment = replace(there.experiment, name=wanted.experiment.name)
    assert replace(there, experiment=experiment) == wanted
    assert not list(atomic.parts(root))
    assert not list(root.rglob("*.damaged-*"))


@pytest.mark.parametrize(
    ("point", "place"),
    [
        *((point, "unit") for point in POINTS),
        ("half", "manifest"),
        ("synced", "manifest"),
        ("written", "vault"),
        ("renamed", "vault"),
    ],
)
def test_killed_at_a_chosen_point(tmp_path, own_vault, undisturbed, point, place):
    root = tmp_path / "results"
    fault = f"{point} {PLACES[place]} SIGKILL"
    process = harness.start(harness.run_words(root, processes=1), own_vault, FAULT=fault)
    process.communicate()
    assert process.returncode == -9
    kept = harness.check(root, own_vault, harness.bits(undisturbed))
    left = list(atomic.parts(root)) + list(atomic.parts(own_vault))
    assert len(left) == (0 if point == "renamed" else 1)
    files = {path: path.read_bytes() for path in root.glob("runs/**/*.parquet")}
    assert len(files) == {"manifest": 0, "unit": point == "renamed", "vault": 1}[place]
    assert len(kept) == 5 * len(files)
    execute(root, plan(), processes=1)
    same(root, undisturbed)
    assert all(path.read_bytes() == data for path, data in files.items())


@pytest.mark.faults
@pytest.mark.parametrize("place", [*PLACES, "report"])
@pytest.mark.parametrize(
    ("point", "name"),
    [
        *((point, "SIGKILL") for point in POINTS),
        *((point, name) for point in ("half", "synced") for name in ("SIGINT", "SIGTERM")),
    ],
)
def test_killed_at_a_chosen_point_by_processes(
    tmp_path, own_vault, undisturbed, point, place, name
):
    root = tmp_path / "results"
    pattern = (PLACES | {"report": "overview.png$"})[place]
    if place == "report":
        shutil.copytree(undisturbed, root)
    words = harness.report_words(root) if place == "report" else harness.run_words(root)
    process = harness.start(words, own_vault, FAULT=f"{point} {pattern} {name}")
    process.communicate(timeout=120)
    assert process.returncode != 0
    harness.check(root, own_vault, harness.bits(undisturbed))
    again = harness.start(words, own_vault)
    assert again.communicate(timeout=120) and again.returncode == 0
    execute(root, plan(), processes=1)
    same(root, undisturbed)


def random_moment(rng, process, trace, files):
    """Wait for a random moment of the process, or its end.

    A part of the moments is in its start, the others after any of so many files is begun or there:
    drawn by time alone nearly all would come while it imports.
    """
    if rng.random() < 0.2:
        wait, lines = rng.uniform(0, 3), 0
    else:
        wait, lines = rng.uniform(0, 0.3), rng.randint(1, 2 * files)
    while process.poll() is None and harness.lines(trace) < lines:
        time.sleep(0.002)
    until = time.monotonic() + wait
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def rounds(folder, own_vault, undisturbed, count, seed, told=lambda line: None):
    """Kill runs and reports ``count`` times at random moments; where they were then, counted.

    A run that was killed goes on in the next round, until it ends and is compared with the
    undisturbed one; then a new one begins, every second time with an empty vault. After some
    kills one is left in peace.
    """
    rng = Random(seed)
    whole = harness.bits(undisturbed)
    seen, finished, number, killed = Counter(), 0, 0, 0
    root, kept = folder / "0", {}
    while seen.total() < count:
        reporting = len(kept) == len(whole)
        kind, files, most = ("report", 22, 3) if reporting else ("run", 17, 8)
        words = harness.report_words(root) if reporting else harness.run_words(root)
        trace = folder / "trace"
        trace.unlink(missing_ok=True)
        name = rng.choice(["SIGKILL", "SIGINT"])
        process = harness.start(words, own_vault, TRACE=str(trace))
        if killed < most:
            random_moment(rng, process, trace, files)
        else:
            process.communicate()
        alive = process.poll() is None
        harness.kill(process, name)
        there = harness.check(root, own_vault, whole)
        assert kept.items() <= there.items(), "a finished unit was lost"
        kept = there
        if alive:
            killed += 1
            seen[f"{kind}, {name}: {harness.where(trace)}"] += 1
        else:
            killed = 0
            assert process.returncode == 0
        if reporting and not alive:
            execute(root, plan(), processes=1)
            same(root, undisturbed)
            finished += 1
            number += 1
            root, kept = folder / str(number), {}
            if number % 2 == 0:
                shutil.rmtree(own_vault)
                own_vault.mkdir()
        told(f"{seen.total()} kills, {finished} finished; {kind}, {name}: {harness.where(trace)}")
    execute(root, plan(), processes=1)
    same(root, undisturbed)
    return seen, finished + 1


def test_killed_at_random_moments(tmp_path, own_vault, undisturbed):
    seen, _ = rounds(tmp_path, own_vault, undisturbed, count=2, seed=1)
    assert seen.total() == 2


@pytest.mark.faults
def test_killed_at_random_moments_200_times(tmp_path, own_vault, undisturbed, capsys):
    count = int(os.environ.get("FAULT_ROUNDS", "200"))
    seed = int(os.environ.get("FAULT_SEED", "0"))
    with capsys.disabled():
        seen, finished = rounds(
            tmp_path, own_vault, undisturbed, count, seed, lambda line: print(line, flush=True)
        )
        for what, times in sorted(seen.items()):
            print(f"{times:4d}  {what}")
        print(f"{finished} stores came out as undisturbed")
    assert seen.total() == count
