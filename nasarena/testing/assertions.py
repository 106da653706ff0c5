"""Assertions on strategies for a test suite; pytest finds them as the fixture ``nasarena``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bench._base.errors import NasarenaError
from ..bench.execute.executor import execute
from ..bench.experiment import experiment as experiments
from ..reports.gate import gate_run

Budget = int | Mapping[str, float]


def assert_not_worse(
    strategy: str,
    *,
    than: str,
    task: str,
    budget: Budget = 200,
    seeds: int = 50,
    settings: Mapping[str, Any] | None = None,
    alpha: float = 0.05,
    margin: str | None = None,
    metrics: tuple[str, ...] = ("final", "mean", "time"),
    **protocol: Any,
) -> None:
    """Fail if ``strategy`` is worse than another one, in runs paired by seed.

    Both are names as on the command line. Without ``margin`` the assertion fails only on evidence:
    a sound strategy fails it in at most ``alpha`` of all tests. With one, such as ``"10%"`` (of
    the other's mean), it fails unless ``strategy`` is shown to be better, or equal within the
    margin. ``budget`` is a number of queries or a mapping as in an experiment file; ``protocol``
    are further keys of that file, such as ``noise="mean"``.

    Raises:
        AssertionError: with the table and both curves as text.
        NasarenaError: if the runs cannot be made as told.
    """
    __tracebackhide__ = True
    with tempfile.TemporaryDirectory(prefix="nasarena-") as name:
        folders = Path(name) / "baseline", Path(name) / "current"
        plain = {"tasks": [task], "seeds": seeds, "budget": _limits(budget), **protocol}
        for folder, who, own in zip(folders, (than, strategy), ({}, settings or {}), strict=True):
            entry = {**own, "name": who, "label": "strategy"}
            _run(folder, plain | {"strategies": [entry]})
        words: dict[str, Any] = {"alpha": alpha, "metrics": metrics}
        words["margins"] = [margin] if margin else []
        outcome = gate_run.compare(*folders, **words)
        (pair,) = outcome.gate.pairs
        if margin and pair.verdict == "no evidence":
            problem = f"is not shown to be no worse than {than} within {margin}"
        elif pair.verdict in ("regressed", "missing"):
            problem = f"is worse than {than}"
        else:
            return
        story = gate_run.explain(outcome, (than, strategy))
    raise AssertionError(f"{strategy} {problem} on {task}, {seeds} seeds\n{story}")


def assert_reproducible(
    strategy: str,
    *,
    task: str,
    budget: Budget = 100,
    seeds: int = 3,
    settings: Mapping[str, Any] | None = None,
    **protocol: Any,
) -> None:
    """Fail unless ``strategy`` makes the same runs bit for bit, wherever it is run.

    It runs twice in this process, which shows state that is kept between runs, and once in a new
    one with another hash seed, which shows an order that depends on hashing.

    Raises:
        AssertionError: naming the first seed and step at which two runs part.
        NasarenaError: if the runs cannot be made as told.
    """
    __tracebackhide__ = True
    entry = {**(settings or {}), "name": strategy, "label": "strategy"}
    plain = {"tasks": [task], "seeds": seeds, "budget": _limits(budget), **protocol}
    plain["strategies"] = [entry]
    with tempfile.TemporaryDirectory(prefix="nasarena-") as name:
        first, again, apart = (Path(name) / part for part in ("first", "again", "apart"))
        _run(first, plain)
        _run(again, plain)
        _run_apart(apart, first)
        for folder, where in ((again, "a second time"), (apart, "in a new process")):
            problem = gate_run.other_bits(first, folder)
            if problem:
                raise AssertionError(
                    f"{strategy} on {task} came out differently {where}: {problem}; take every "
                    "random number from the stream it is given, and iterate over no set"
                )


def _limits(budget: Budget) -> dict[str, float]:
    return {"queries": budget} if isinstance(budget, int) else dict(budget)


def _run(folder: Path, plain: dict[str, Any]) -> None:
    for done in execute(folder, experiments.parse(plain), processes=1):
        if done.error is not None:
            raise NasarenaError(f"{done.unit}: {done.error}")


def _run_apart(folder: Path, like: Path) -> None:
    """Run the experiment of ``like`` in a new process whose strings hash differently."""
    code = (
        "import sys; from nasarena.testing.assertions import _run_again; _run_again(*sys.argv[1:])"
    )
    hashing = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(like)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": hashing},
        check=False,
    )
    if done.returncode:
        raise NasarenaError(f"in a new process: {done.stderr.strip().splitlines()[-1]}")


def _run_again(folder: str, like: str) -> None:
    from ..bench.store import manifest as manifests

    experiment = manifests.experiment(like)
    outcomes = execute(Path(folder), experiment, processes=1)
    if any(done.error for done in outcomes):
        raise SystemExit(next(done.error for done in outcomes if done.error))
