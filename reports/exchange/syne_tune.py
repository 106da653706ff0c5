"""Syne Tune: one experiment folder a run, with ``metadata.json`` and ``results.csv.zip``.

The names are those of Syne Tune 0.16 (``syne_tune.constants``). Of the rows that a trial reported
between two decisions to let it go on, the last is the query: the others are its learning curve.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench._base.errors import StoreError
from ...bench.store import store
from .formats import Options, Runs, empty_folder, groups, named

if TYPE_CHECKING:
    import pandas as pd

_TABLES = ("results.csv.zip", "results.csv")
_RESOURCES = ("epoch", "epochs", "st_worker_iter")
_KEPT = ("replica", "network", "validation", "test", "start", "charged")


def read(source: str, options: Options) -> Runs:
    """Every experiment folder at or under ``source``."""
    import pandas as pd

    folders = sorted(path.parent for path in Path(source).glob("**/metadata.json"))
    frames = [_run(folder, options, number) for number, folder in enumerate(folders)]
    if not frames:
        raise StoreError(f"{source} holds no folder with a metadata.json of Syne Tune")
    return Runs(pd.concat(frames, ignore_index=True))


def _run(folder: Path, options: Options, number: int) -> pd.DataFrame:
    import pandas as pd

    about, table = _load(folder)
    own = about.get("nasarena")
    task = options.task or about.get("benchmark")
    strategy = options.strategy or about.get("algorithm") or about.get("scheduler_name")
    found = Options(task=task, strategy=strategy, pattern=options.pattern)
    name, label, seed = named(folder.name, found, int(about.get("seed", number)))
    if own:
        name, label, seed = own["task"], own["strategy"], own["seed"]
    metrics = [options.metric] if options.metric else about["metric_names"]
    modes = about["metric_mode"]
    modes = [modes] * len(metrics) if isinstance(modes, str) else modes
    if options.maximize is not None:
        modes = ["max" if options.maximize else "min"] * len(metrics)
    missing = sorted({"trial_id", *metrics} - set(table))
    if missing:
        raise StoreError(f"{folder}: the results have no column {', '.join(missing)}")
    table = table[_queries(table)].reset_index(drop=True)
    made = pd.DataFrame({"task": name, "strategy": label, "seed": seed}, index=table.index)
    for place, (metric, mode) in enumerate(zip(metrics, modes, strict=True)):
        column = "loss" if place == 0 else f"loss_{metric}"
        made[column] = table[metric].astype(float) * (-1.0 if mode == "max" else 1.0)
    resource = next((r for r in _RESOURCES if r in table), None)
    if resource is not None:
        made["epochs"] = table[resource].astype(int)
    if "st_tuner_time" in table:
        made["finish"] = table["st_tuner_time"].astype(float)
    settings = [column for column in table if str(column).startswith("config_")]
    made["config"] = table[settings].astype(str).agg("|".join, axis=1) if settings else None
    if own:
        for column in _KEPT:
            made[column] = table[f"nasarena_{column}"]
        made["arch"] = [json.loads(text) for text in table["nasarena_arch"]]
        made["step"] = table.index + 1
    return made if settings else made.drop(columns="config")


def _load(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    path = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    if path is None:
        raise StoreError(f"{folder} has a metadata.json and no {_TABLES[0]}")
    try:
        about = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        if not isinstance(about, dict):
            raise ValueError(f"metadata.json holds {type(about).__name__}")
        table = store.read_csv(path)
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{folder} cannot be read as a Syne Tune experiment: {error}") from error
    absent = [key for key in ("metric_names", "metric_mode") if key not in about]
    if absent:
        raise StoreError(f"{folder}/metadata.json does not say {' nor '.join(absent)}")
    return about, table


def _queries(table: pd.DataFrame) -> pd.Series[bool]:
    """Which rows end a query: the last of a trial, and each at which it was not let go on."""
    last = ~table["trial_id"].duplicated(keep="last")
    if "st_decision" not in table:
        return last
    return last | (table["st_decision"] != "CONTINUE")


def write(runs: Runs, out: str, options: Options) -> None:
    """One folder a run; ``loss`` is the metric, minimized, and ``epoch`` the resource."""
    import pandas as pd

    root = empty_folder(out)
    extra = [str(name) for name in runs.frame if str(name).startswith("loss_")]
    runs_of = groups(runs.frame, "task", "strategy", "seed")
    for number, ((task, strategy, seed), own) in enumerate(runs_of):
        folder = root / f"{number:05d}"
        folder.mkdir()
        decisions = options.decisions(task)
        table = {
            **{name: own[name].to_numpy() for name in ("loss", *extra)},
            "epoch": own["epochs"].to_numpy(),
            "st_decision": "STOP",
            "st_status": np.where(own["loss"].isna(), "Failed", "Completed"),
            "trial_id": np.arange(len(own)),
            "st_worker_time": own["finish"].to_numpy() - own["start"].to_numpy(),
            "st_tuner_time": own["finish"].to_numpy(),
            **_settings(own["arch"].tolist(), decisions),
            **{f"nasarena_{name}": own[name].to_numpy() for name in _KEPT},
            "nasarena_arch": [json.dumps([int(c) for c in arch]) for arch in own["arch"]],
        }
        pd.DataFrame(table).to_csv(folder / _TABLES[0], index=False)
        about = {
            "metric_names": ["loss", *extra],
            "metric_mode": "min" if not extra else ["min"] * (1 + len(extra)),
            "entrypoint": "nasarena",
            "backend": "nasarena",
            "scheduler_name": strategy,
            "algorithm": strategy,
            "benchmark": task,
            "seed": int(seed),
            "st_tuner_creation_timestamp": 0.0,
            "nasarena": {"task": task, "strategy": strategy, "seed": int(seed)},
        }
        (folder / "metadata.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _settings(archs: list[Any], decisions: Any) -> dict[str, list[str]]:
    return {
        f"config_{name}": [choices[arch[place]] for arch in archs]
        for place, (name, choices) in enumerate(decisions)
    }
