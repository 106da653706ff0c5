"""The checks of a strategy that ask what it looks at: chance, clocks, files, tables, test data."""

from __future__ import annotations

from ...spaces import Table
from .._base.errors import CheckFailed
from ..core import runner
from ..core.runner import stream
from ..core.task import TableTask
from .guard import CLOCK, FILES, NETWORK, RANDOMNESS, TABLE
from .reach import within_reach
from .tasks import BENCHMARK
from .trial import Trial, same


def _no_trespass(trial: Trial, kind: str, expected: str) -> None:
    found = [t for t in trial.trespasses if t.kind == kind]
    if found:
        shown = [f"{what} at {where}" if where else what for _, what, where in found[:4]]
        raise CheckFailed(expected, ", ".join(shown))


def no_other_randomness(trial: Trial) -> None:
    """All chance comes from the stream it is given: no global generator, no entropy."""
    _no_trespass(trial, RANDOMNESS, "draws from the given rng only")


def no_clock(trial: Trial) -> None:
    """It does not ask what time it is, nor sleeps."""
    _no_trespass(trial, CLOCK, "a strategy that asks no clock: seconds come with observations")


def no_files(trial: Trial) -> None:
    """It opens, lists and changes no files; importing modules is none of this."""
    _no_trespass(trial, FILES, "no file opened while the strategy runs")


def no_network(trial: Trial) -> None:
    """It opens no connection and starts no process."""
    _no_trespass(trial, NETWORK, "no connection and no process while the strategy runs")


def asks_no_table(trial: Trial) -> None:
    """It calls nothing of the arena that answers from a table."""
    _no_trespass(trial, TABLE, "answers from the oracle alone, each paid for")


def holds_no_table(trial: Trial) -> None:
    """No reference leads from it to a task, an oracle or a table's columns."""
    strategy = trial.watched(trial.task)
    oracle = trial.task.oracle(stream(0, trial.task.id, 0, "oracle"))
    runner.run(strategy, oracle, runner.Budget(queries=trial.limits.queries))
    for holder, name in ((strategy.strategy, "the strategy"), (trial.factory, "its factory")):
        found = within_reach(holder, trial.task.table)
        if found is not None:
            raise CheckFailed("a strategy from which no table can be reached", f"{name}: {found}")


def ignores_test_data(trial: Trial) -> str:
    """Other test losses in the table do not change the run."""
    if list(map(str, trial.run())) != list(map(str, trial.plain)):
        return "its runs differ anyway, which hides it"
    poisoned = trial.run(_poisoned(trial.task))
    which = "the run on the table and that with the test column turned upside down"
    same("the same run whatever the test column holds", trial.plain, poisoned, which)
    return ""


def _poisoned(task: TableTask) -> TableTask:
    """The small task with its test column turned upside down."""
    plain = task.table
    found = type(task)(task.id, BENCHMARK, task.dataset)
    found.table = Table(
        plain.epochs,
        {**plain.columns, "test": -plain.columns["test"][::-1]},
        spelling=plain.spelling,
        canonical=plain.canonical,
        row_of=plain.row_of,
        hash="poisoned",
    )
    return found
