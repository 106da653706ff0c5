"""``nasarena list`` and ``nasarena describe``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..bench._base.errors import NasarenaError
from .options import JsonOption, print_json

if TYPE_CHECKING:
    from ..bench.core.task_facts import ColumnFacts


class What(StrEnum):
    """What there is to list."""

    TASKS = "tasks"
    STRATEGIES = "strategies"


def list_(
    what: Annotated[What, typer.Argument(help="tasks or strategies.")] = What.TASKS,
    as_json: JsonOption = False,
) -> None:
    """List the tasks or the strategies that can be used.

    Examples: nasarena list strategies, nasarena list tasks --json
    """
    from ..bench.experiment import registry
    from .progress import table

    if what is What.TASKS:
        rows = [
            {"task": name, "source": registry.citation(registry.benchmark(name.rpartition("/")[0]))}
            for name in (*registry.task_names(), *registry.live_task_names())
        ]
    else:
        rows = [_strategy_row(name) for name in registry.strategy_names()]
    if as_json:
        print_json(rows)
    else:
        table(rows)


def _strategy_row(name: str) -> dict[str, str]:
    from ..bench.experiment import registry

    try:
        info = registry.strategy_factory(name).info
    except NasarenaError as error:
        return {"strategy": name, "family": "", "can": f"cannot be loaded: {error}", "source": ""}
    return {
        "strategy": name,
        "family": info.family,
        "can": ", ".join(info.capabilities),
        "source": info.source,
    }


def describe(
    task: Annotated[str, typer.Argument(help="A task id such as nasbench201/cifar10.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a task is: its space, its table, its optimum.

    Example: nasarena describe nasbench201/cifar10 --json
    """
    from ..bench._base import decoding
    from ..bench.core.contracts import facts_of
    from ..bench.experiment import registry
    from .progress import table

    found = registry.task(task)
    facts = facts_of(found)
    decisions = {d.name: list(d.choices) for d in found.space.decisions}
    simplest = found.space.describe(found.space.simplest())
    if as_json:
        more = {"decisions": decisions, "simplest": simplest}
        print_json({"task": found.id, **decoding.plain(facts), **more})
        return
    optimum = {name: facts.best(name) for name in ("validation", "test")}
    shown = {
        "task": found.id,
        "architectures": f"{facts.architectures:,} ({facts.unique:,} unique)",
        "validation": _column(facts.validation),
        "test": _column(facts.test),
        "cost": _column(facts.cost),
        "epochs": ", ".join(map(str, facts.epochs)),
        "training seeds": "not known" if facts.replicas is None else str(facts.replicas),
        **{f"best seed-averaged {name}": value for name, value in optimum.items() if value},
        "simplest": simplest,
        **{f"decision {name}": ", ".join(c) for name, c in decisions.items()},
        "table hash": facts.hash,
        "source": facts.citation,
    }
    table([{"": key, " ": value} for key, value in shown.items()])


def _column(column: ColumnFacts | None) -> str:
    if column is None:
        return "not in this table"
    return f"{column.label} in {column.unit}" if column.unit else column.label
