"""``nasarena run --only task:strategy:seed``: one unit alone, in this process, to see it fail."""

from __future__ import annotations

import re
import shlex
import sys
import traceback
from pathlib import Path

from msgspec.structs import replace

from .._base.errors import ExperimentError, UnknownName, visible
from ..core import record
from ..experiment.experiment import Experiment
from ..store import manifest as manifests
from ..store.store import Unit
from .containment import memory_limit
from .units import Done, compute

_SEEDS = re.compile(r"(\d+)(?:-(\d+))?")


def command(root: Path, done: Done) -> str:
    """What to type to run a failed unit alone, or the seed of it that failed."""
    unit = done.unit
    seeds = str(done.seed) if done.seed is not None else f"{unit.first}-{unit.last}"
    words = ["nasarena", "run", "--out", str(root), "--only", f"{unit.task}:{unit.label}:{seeds}"]
    return shlex.join(words)


def explained(root: Path, done: Done) -> str:
    """The text of a failed unit's error file: traceback, the end of its output, the command."""
    parts = [done.traceback.strip() or str(done.error)]
    if done.output and done.output not in parts[0]:
        parts.append(f"The end of what it printed:\n\n{done.output}")
    parts.append(f"Alone, in one process:\n\n{command(root, done)}")
    return "\n\n".join(parts) + "\n"


def parse(text: str, experiment: Experiment) -> Unit:
    """The unit that ``task:strategy:seed`` or ``task:strategy:first-last`` names.

    Tasks and strategies may hold colons themselves (``mine.py:name``): they are looked up among
    those of the experiment. A strategy is named by its label, or its name if that is one's only.

    Raises:
        ExperimentError: if ``text`` does not end in seeds.
        UnknownName: if no task and strategy of the experiment are called so.
    """
    what, _, seeds = text.rpartition(":")
    match = _SEEDS.fullmatch(seeds)
    if not what or match is None or int(match[2] or match[1]) < int(match[1]):
        raise ExperimentError(
            f"--only: expected task:strategy:seed or task:strategy:first-last, got {text!r}"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    names = [spec.name for spec in experiment.strategies]
    units = {}
    for task in experiment.tasks:
        for spec in experiment.strategies:
            if names.count(spec.name) == 1:
                units[f"{task}:{spec.name}"] = Unit(task, spec.label, first, last)
    for task in experiment.tasks:
        for spec in experiment.strategies:
            units[f"{task}:{spec.label}"] = Unit(task, spec.label, first, last)
    if what not in units:
        raise UnknownName("unit of the experiment: --only", what, units)
    return units[what]


def of_folder(root: Path) -> Experiment:
    """The experiment whose results ``root`` holds."""
    return manifests.experiment(root)


def run(text: str, experiment: Experiment) -> bool:
    """Run one unit here and print what comes of it; whether it was finished. Writes no file.

    Nothing is put back or kept from the terminal, and a debugger stops where it says. Time-out and
    limit of memory hold.
    """
    unit = parse(text, experiment)
    (spec,) = (spec for spec in experiment.strategies if spec.label == unit.label)
    try:
        with memory_limit(experiment.memory):
            table = compute(replace(experiment, tasks=(), strategies=()), spec, unit)
    except (Exception, SystemExit, KeyboardInterrupt):
        print(visible(traceback.format_exc()), file=sys.stderr, end="")
        print(visible(f"failed: {unit}"), file=sys.stderr)
        return False
    print(f"finished: {unit}, {len(table):,} queries, fingerprint {record.fingerprint(table)}")
    return True
