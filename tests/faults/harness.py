"""Starts nasarena, kills it, and says whether anything was lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
from msgspec.structs import replace

from nasarena.bench.cache import cache_upkeep, run_cache
from nasarena.bench.core import record
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store

HERE = Path(__file__).parent
TASK = f"{HERE.parent / 'helpers'}/toy.py:BENCHMARK/a"
LABELS = ("random", "regularized-evolution")
ENDS = {".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF", ".html": b"-->"}


def run_words(root, *, processes=2, labels=LABELS, seeds=20, queries=60):
    words = ["run", "--tasks", TASK, "--strategies", ",".join(labels), "--seeds", str(seeds)]
    words += ["--queries", str(queries), "--out", str(root), "--processes", str(processes)]
    return [*words, "--no-report"]


def report_words(root):
    return ["report", str(root), "--format", "html,csv,png"]


def start(words, own_vault, **env):
    """nasarena in a session of its own, as a terminal would start it."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "killed.py"), *words],
        env=os.environ
        | {"NASARENA_VAULT": str(own_vault), "PYTHONPATH": str(HERE / "patched")}
        | env,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process, name):
    """Send a signal to the whole group; whatever of it outlives a Ctrl-C by 20 s is an error."""
    try:
        os.killpg(process.pid, getattr(signal, name))
    except ProcessLookupError:
        process.communicate()
        return
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AssertionError(f"it went on for 20 s after {name}") from None


def bits(root):
    """The fingerprint of each run, (label, seed), recomputed, in whatever blocks they lie.

    Every file that looks like a unit must be one.
    """
    found = {}
    for path in sorted(root.glob("runs/**/*.parquet")):
        table = store.read_unit(path)
        assert record.about(table)["fingerprint"] == record.fingerprint(table)
        for seed in table["seed"].unique().to_pylist():
            run = table.filter(pc.equal(table["seed"], seed))
            assert (path.parent.name, seed) not in found
            found[path.parent.name, seed] = record.fingerprint(run)
    return found


def manifest(root):
    """The manifest but for the time, and the commit, which may change while tests run."""
    return replace(manifests.read(root), created="", git=None)


def check(root, own_vault, whole):
    """Nothing is half-written, and what is finished has the bits of an undisturbed run.

    Returns the runs that are there: (label, seed) -> fingerprint.
    """
    if (root / "manifest.json").exists():
        manifests.read(root)
    there = bits(root) if root.exists() else {}
    assert there.items() <= whole.items()
    for path in root.rglob("*"):
        if path.name.startswith(".") or path.is_dir() or "runs" in path.parts:
            continue
        data = path.read_bytes()
        assert data, path
        assert data.rstrip().endswith(ENDS.get(path.suffix, b"")), path
        if path.suffix == ".json":
            json.loads(data)
    for found in cache_upkeep.entries([run_cache.Folder(own_vault)]):
        assert found.about is not None, found.problem
    return there


def lines(trace):
    """How often a file was begun or in its place, from a trace."""
    return max(0, trace.read_bytes().count(b"\n") - 1) if trace.exists() else 0


def where(trace):
    """In which phase a run was, from its trace."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    if not lines:
        return "start"
    word, _, place = lines[-1].partition(" ")
    if word == "ready":
        return "before the first file"
    for kind in ("manifest.json", "/runs/", "/report/"):
        if kind in place:
            break
    else:
        kind = "vault"
    name = {"/runs/": "a unit", "/report/": "a report's file", "manifest.json": "the manifest"}
    return f"{'writing' if word == 'begun' else 'after'} {name.get(kind, 'a vault entry')}"
