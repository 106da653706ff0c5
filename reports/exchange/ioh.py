"""IOHprofiler: a JSON file a task, and a ``.dat`` file with the runs on it.

The format is that of IOHexperimenter 0.3 (de Nobel et al. 2021, arXiv:2111.04077). It has one
number a query, and both IOHanalyzer and IOHinspector take the best so far of it: exported is the
true regret of the incumbent, so that no search is credited with a network that it did not choose.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench._base.errors import StoreError
from .formats import Options, Runs, beside, empty_folder, groups, incumbent_regret, named

if TYPE_CHECKING:
    import pandas as pd

_SUITE = '"suite": "nasarena"'


def read(source: str, options: Options) -> Runs:
    """Every ``IOHprofiler_*.json`` at or under ``source``.

    The task is the function's name and dimension, the strategy the algorithm's name, the seed the
    place of the run. An evaluation that is not in the file brought nothing better: it repeats the
    value before. Where the function is maximized, its negative is the loss.
    """
    import pandas as pd

    files = sorted(Path(source).glob("**/IOHprofiler_*.json"))
    if not files:
        raise StoreError(f"{source} holds no IOHprofiler_*.json")
    frames = [frame for file in files for frame in _function(file, options)]
    own = all(_SUITE in file.read_text(encoding="utf-8") for file in files)
    return Runs(pd.concat(frames, ignore_index=True), optimum=0.0 if own else None)


def _function(file: Path, options: Options) -> list[pd.DataFrame]:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        sign = -1.0 if about["maximization"] else 1.0
        frames = []
        for scenario in about["scenarios"]:
            name = f"{about['function_name']} {scenario['dimension']}D"
            runs = _runs(beside(file, scenario["path"]))
            for number, (run, values) in enumerate(zip(scenario["runs"], runs, strict=True)):
                known = about.get("nasarena", {}).get("seeds")
                found = Options(
                    task=options.task or (about["function_name"] if known else name),
                    strategy=options.strategy or about["algorithm"]["name"],
                    pattern=options.pattern,
                )
                who = named(name, found, known[number] if known else number)
                frames.append(spread(who, values, int(run["evals"]), sign))
        return frames
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{file} cannot be read as IOHprofiler's: {error!r}") from error


def _runs(path: Path) -> list[dict[int, float]]:
    """evaluation -> value, a run each; a line that is no number begins a run."""
    found: list[dict[int, float]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if parts and re.match(r"[\"A-Za-z%]", parts[0]):
            found.append({})
        elif parts:
            found[-1][int(float(parts[0]))] = float(parts[1])
    return found


def spread(
    who: tuple[str, str, int], values: dict[int, float], evaluations: int, sign: float
) -> pd.DataFrame:
    """One row an evaluation, from the values at those that are known."""
    import pandas as pd

    steps = np.arange(1, max(evaluations, max(values, default=1)) + 1)
    loss = sign * pd.Series(values, dtype=float).reindex(steps).ffill().replace(np.inf, np.nan)
    task, strategy, seed = who
    return pd.DataFrame({"task": task, "strategy": strategy, "seed": seed, "loss": loss.to_numpy()})


def write(runs: Runs, out: str, options: Options) -> None:
    """A folder a strategy, in it a JSON file and a folder of data for each task."""
    root = empty_folder(out)
    frame = runs.frame.assign(regret=incumbent_regret(runs))
    tasks = list(dict.fromkeys(frame["task"]))
    labels = list(dict.fromkeys(frame["strategy"]))
    for (strategy, task), own in groups(frame, "strategy", "task"):
        number = tasks.index(task) + 1
        dimension = max(1, max(len(arch) for arch in own["arch"]))
        folder = root / plain(strategy, labels.index(strategy))
        data = f"data_f{number}_{plain(task, number)}/IOHprofiler_f{number}_DIM{dimension}.dat"
        (folder / data).parent.mkdir(parents=True)
        blocks = [run for _, run in groups(own, "seed")]
        (folder / data).write_text("".join(map(_data, blocks)), encoding="utf-8")
        about = {
            "version": "0.3.18",
            "suite": "nasarena",
            "function_id": number,
            "function_name": task,
            "maximization": False,
            "algorithm": {"name": strategy, "info": "exported from nasarena"},
            "nasarena": {"seeds": [int(block["seed"].iloc[0]) for block in blocks]},
            "attributes": ["evaluations", "raw_y"],
            "scenarios": [
                {"dimension": dimension, "path": data, "runs": [_about(block) for block in blocks]}
            ],
        }
        name = f"IOHprofiler_f{number}_{plain(task, number)}.json"
        (folder / name).write_text(json.dumps(about, indent=1), encoding="utf-8")


def plain(name: str, number: int) -> str:
    """``name`` as a file's, and one of its own where characters had to go."""
    text = re.sub(r"[^\w.+-]+", "_", name).strip("._")
    return text if text == name else f"{text}-{number}".strip("-")


def _data(run: Any) -> str:
    """A run's lines; ``inf`` before there is an incumbent, for readers know a run by its first."""
    values = run["regret"].fillna(np.inf)
    lines = [f"{step} {value!r}" for step, value in zip(run["step"], values, strict=True)]
    return "\n".join(["evaluations raw_y", *lines, ""])


def _about(run: Any) -> dict[str, Any]:
    """What the JSON file says of a run: its length and its best value."""
    evaluations = int(run["step"].max())
    if run["regret"].isna().all():
        return {"instance": 1, "evals": evaluations, "best": {"evals": 0, "y": None, "x": []}}
    place = run["regret"].idxmin()
    best = {
        "evals": int(run.at[place, "step"]),
        "y": float(run.at[place, "regret"]),
        "x": [int(choice) for choice in run.at[place, "arch"]],
    }
    return {"instance": 1, "evals": evaluations, "best": best}
