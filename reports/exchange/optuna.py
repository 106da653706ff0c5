"""Optuna: one study a run, one trial a query."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench._base.errors import StoreError
from .formats import Options, Runs, groups, named

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_KEPT = ("epochs", "replica", "network", "validation", "test", "start", "finish", "charged")
_ZERO = datetime(2000, 1, 1)  # when the simulated clock of an exported run starts


def read(source: str, options: Options) -> Runs:
    """Every study of a storage such as ``sqlite:///studies.db``.

    A trial's intermediate values become one query: at the last step that it reported, which
    counts as its epochs. A failed trial is a failed training, a pruned one an answer at the epochs
    that it came to. Waiting and running trials are left out.
    """
    import optuna
    import pandas as pd

    rows: list[dict[str, Any]] = []
    try:
        names = optuna.get_all_study_names(source)
        studies = [optuna.load_study(study_name=name, storage=source) for name in names]
    except Exception as error:  # SQLAlchemy's, of many kinds
        raise StoreError(f"{source} cannot be read as an Optuna storage: {error}") from error
    for number, study in enumerate(studies):
        rows += _rows(study, options, number)
    return Runs(pd.DataFrame(rows))


def _rows(study: Study, options: Options, number: int) -> Iterator[dict[str, Any]]:
    from optuna.study import StudyDirection

    own = study.user_attrs.get("nasarena")
    run = (own["task"], own["strategy"], own["seed"]) if own else None
    task, strategy, seed = run or named(study.study_name, options, number)
    signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions]
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    starts = [t.datetime_start for t in trials if t.datetime_start is not None]
    zero = _ZERO if own else min(starts, default=_ZERO)
    for trial in trials:
        row = {"task": task, "strategy": strategy, "seed": seed, **_values(trial, signs)}
        if trial.datetime_start and trial.datetime_complete:
            row["start"] = (trial.datetime_start - zero).total_seconds()
            row["finish"] = (trial.datetime_complete - zero).total_seconds()
        row["config"] = repr(sorted(trial.params.items())) if trial.params else str(trial.number)
        if own:
            row |= {key: trial.user_attrs.get(key, np.nan) for key in _KEPT}
            row["arch"] = trial.user_attrs["arch"]
            row["step"] = trial.number + 1
        yield row


def _values(trial: FrozenTrial, signs: list[float]) -> dict[str, Any]:
    """The losses, one an objective, and the epochs."""
    from optuna.trial import TrialState

    last = trial.last_step
    found: dict[str, Any] = {"epochs": 1 if last is None else max(1, last)}
    values: list[float | None]
    if trial.state == TrialState.COMPLETE:
        values = list(trial.values)
    elif trial.state == TrialState.PRUNED and last is not None:
        values = [trial.intermediate_values[last]]
    else:
        values = [None] * len(signs)
    for number, (value, sign) in enumerate(zip(values, signs, strict=False)):
        name = "loss" if number == 0 else f"loss_objective{number + 1}"
        found[name] = np.nan if value is None else sign * value
    return found


def write(runs: Runs, out: str, options: Options) -> None:
    """One study a run, named ``task/strategy/seed``, in the storage ``out``; losses are minimized.

    Raises:
        StoreError: if a study of that name is there already.
    """
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study
    try:
        _write(runs, out, options)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _write(runs: Runs, out: str, options: Options) -> None:
    import optuna

    extra = [str(name) for name in runs.frame if str(name).startswith("loss_")]
    storage = optuna.storages.get_storage(out)
    for (task, strategy, seed), own in groups(runs.frame, "task", "strategy", "seed"):
        try:
            study = optuna.create_study(
                study_name=f"{task}/{strategy}/{seed}",
                storage=storage,
                directions=["minimize"] * (1 + len(extra)),
            )
        except optuna.exceptions.DuplicatedStudyError:
            raise StoreError(f"{out} has a study {task}/{strategy}/{seed} already") from None
        about = {"task": task, "strategy": strategy, "seed": int(seed)}
        study.set_user_attr("nasarena", about)
        decisions = options.decisions(task)
        study.add_trials([_trial(row, decisions, extra) for row in own.to_dict("records")])


def _trial(row: dict[Any, Any], decisions: Any, extra: list[str]) -> FrozenTrial:
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    losses = [float(row[name]) for name in ("loss", *extra)]
    failed = bool(np.isnan(losses).any())
    arch = [int(choice) for choice in row["arch"]]
    params = {name: choices[c] for (name, choices), c in zip(decisions, arch, strict=False)}
    kept = {key: row[key] for key in _KEPT if not np.isnan(row[key])}
    trial = create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        values=None if failed else losses,
        params=params,
        distributions={
            name: CategoricalDistribution(tuple(choices))
            for name, choices in decisions
            if name in params
        },
        user_attrs={**kept, "arch": arch},
    )
    trial.datetime_start = _ZERO + timedelta(seconds=row["start"])
    trial.datetime_complete = _ZERO + timedelta(seconds=row["finish"])
    return trial
