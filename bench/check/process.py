"""Runs a strategy in an interpreter of its own, from its import on, under the guard."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from .._base.errors import CheckFailed
from .trial import Limits, Trial

_CODE = "import nasarena.bench.check.process as process; process.main()"


def run_elsewhere(trial: Trial) -> tuple[list[str], list[str]]:
    """The events of the run with seed 0 in a new process, and what the guard noted there.

    That process hashes strings with another seed: the order of a set of them differs.

    Raises:
        CheckFailed: if it does not come to an end there.
    """
    order = {
        "name": trial.name,
        "settings": trial.settings,
        "limits": trial.limits,
        "package": trial.package,
        "dataset": trial.task.dataset,
        "path": sys.path,
    }
    here = os.environ.get("PYTHONHASHSEED", "")
    environment = {**os.environ, "PYTHONHASHSEED": "2" if here == "1" else "1"}
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        input=json.dumps(order),
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise CheckFailed("a run in another process", last)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["events"], answer["trespasses"]


def main() -> None:
    """The other process: reads the order, prints one line of JSON."""
    order = json.load(sys.stdin)
    sys.path[:] = order["path"]
    from ..experiment import registry
    from .guard import FILES, NETWORK, Guard
    from .tasks import small

    task = small(order["dataset"])
    _ = task.problem, registry.strategy_names()  # what the arena itself reads
    guard = Guard(order["package"], profile=False)
    with guard.watching():
        factory = registry.strategy_factory(order["name"])
    trial = Trial(factory, order["name"], order["settings"], Limits(*order["limits"]))
    events = trial.run(task, guard=guard)
    # A global generator may be moved by a library while it is imported, which is not its fault.
    found = [f"{t.what} at {t.where}" for t in guard.trespasses if t.kind in (FILES, NETWORK)]
    print(json.dumps({"events": [*map(str, events)], "trespasses": found}))
