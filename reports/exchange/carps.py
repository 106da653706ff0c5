"""CARP-S: the table of logs that its ``gather_data`` writes, as ``logs.csv`` or ``logs.parquet``.

One row a trial, with ``task_id``, ``optimizer_id``, ``seed``, ``n_trials`` and
``trial_value__cost``, a loss. Times are ``trial_value__virtual_time`` where the objective has one,
and the trial's own time where not, one after the other: CARP-S runs sequentially.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench._base.errors import StoreError
from ...bench.store import store
from .formats import Options, Runs
from .tidy import load_table

if TYPE_CHECKING:
    import pandas as pd

_KEPT = ("replica", "network", "validation", "test", "start", "finish", "charged", "epochs")


def read(source: str, options: Options) -> Runs:
    """The table at ``source``; of several objectives each is kept, the first is the loss."""
    import pandas as pd

    table, _ = load_table(source)
    metric = options.metric or "trial_value__cost"
    needed = {"task_id", "optimizer_id", "seed", metric}
    if missing := sorted(needed - set(table)):
        raise StoreError(f"{source} is no table of CARP-S: it has no {', '.join(missing)}")
    order = [c for c in ("task_id", "optimizer_id", "seed", "n_trials") if c in table]
    table = table.sort_values(order, kind="stable", ignore_index=True)
    made = pd.DataFrame(
        {
            "task": table["task_id"].astype(str),
            "strategy": table["optimizer_id"].astype(str),
            "seed": table["seed"].astype(int),
        }
    )
    raw = (
        table["trial_value__cost_raw"]
        if metric == "trial_value__cost" and ("trial_value__cost_raw" in table)
        else table[metric]
    )
    losses = np.array([_costs(value) for value in raw], dtype=float)
    sign = -1.0 if options.maximize else 1.0
    for place in range(losses.shape[1]):
        name = "loss" if place == 0 else f"loss_objective{place + 1}"
        made[name] = sign * np.where(_failed(table), np.nan, losses[:, place])
    if (clock := _clock(table)) is not None:
        made["finish"] = clock.groupby([made[c] for c in ("task", "strategy", "seed")]).cumsum()
    if "trial_info__budget" in table:
        budget = pd.to_numeric(table["trial_info__budget"], errors="coerce")
        if budget.notna().all():
            made["epochs"] = np.maximum(1, budget.round()).astype(int)
    if "trial_info__config" in table:
        made["config"] = table["trial_info__config"].astype(str)
    if "nasarena_network" in table:
        for name in _KEPT:
            made[name] = table[f"nasarena_{name}"]
        made["arch"] = [ast.literal_eval(text) for text in made["config"]]
    return Runs(made)


def _costs(value: Any) -> list[float]:
    """One cost or several: a table may hold a list, or the text of one."""
    if isinstance(value, str):
        value = ast.literal_eval(value) if value not in ("nan", "inf") else float(value)
    return (
        [float(v) for v in value]
        if isinstance(value, list | tuple | np.ndarray)
        else [float(value)]
    )


def _failed(table: pd.DataFrame) -> Any:
    """Trials that did not succeed; the status is a name or its number, 1 for success."""
    if "trial_value__status" not in table:
        return np.zeros(len(table), dtype=bool)
    said = table["trial_value__status"].astype(str).str.rpartition(".")[2]
    return ~said.isin(["1", "SUCCESS"])


def _clock(table: pd.DataFrame) -> pd.Series[float] | None:
    """What each trial took; None where no time is known."""
    for name in ("trial_value__virtual_time", "trial_value__time"):
        if name in table and (table[name].fillna(0) > 0).any():
            taken: pd.Series[float] = table[name].fillna(0.0).astype(float)
            return taken
    return None


def write(runs: Runs, out: str, options: Options) -> None:
    """A table like CARP-S's, CSV or Parquet; a file of this name is replaced.

    Raises:
        StoreError: if ``out`` ends in neither ``.csv`` nor ``.parquet``.
    """
    import pandas as pd

    path, frame = Path(out), runs.frame
    if path.suffix not in (".csv", ".parquet"):
        raise StoreError(f"{out}: expected a name that ends in .csv or .parquet")
    run = [frame[name] for name in ("task", "strategy", "seed")]
    failed = frame["loss"].isna()
    made = pd.DataFrame(
        {
            "task_id": frame["task"],
            "optimizer_id": frame["strategy"],
            "benchmark_id": frame["task"].str.rpartition("/")[0],
            "seed": frame["seed"],
            "n_trials": frame["step"],
            "n_function_calls": frame["step"],
            "trial_info__config": [str([int(c) for c in arch]) for arch in frame["arch"]],
            "trial_info__budget": frame["epochs"].astype(float),
            "trial_value__cost": frame["loss"],
            "trial_value__cost_inc": frame["loss"].groupby(run, sort=False).cummin(),
            "trial_value__time": frame["charged"],
            "trial_value__virtual_time": frame["charged"],
            "trial_value__status": np.where(failed, "CRASHED", "SUCCESS"),
            "time": frame["finish"],
        }
    )
    extra = [str(name) for name in frame if str(name).startswith("loss_")]
    if extra:
        made["trial_value__cost_raw"] = frame[["loss", *extra]].to_numpy().tolist()
    for name in _KEPT:
        made[f"nasarena_{name}"] = frame[name]
    save = made.to_parquet if path.suffix == ".parquet" else made.to_csv
    store.write_atomically(path, lambda temporary: save(temporary, index=False))
