"""The command ``nasarena status``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..bench.execute.heartbeat import Under
    from ..bench.execute.status import Pair, Run, Status

PAIRS = 20
"""Lines on tasks and strategies at most, unless all are asked for."""
WORKERS = 16
"""Lines on units under way at most."""
_ENDS = {"done": "done", "killed": "was killed", "unknown": "on another machine, not known"}


def status(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Again and again, until the run ends.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    every_pair: Annotated[
        bool, typer.Option("--all", help="Every task and strategy, also what is complete.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --follow one object a line.")
    ] = False,
) -> None:
    """What is done, running, failed and missing of a results folder, how fast, how long yet.

    May be asked at any time, also from elsewhere, while a run fills the folder.

    Examples:

        nasarena status results

        nasarena status results --follow
    """
    from ..bench.execute.status import Watcher

    watcher = Watcher(results)
    if not follow:
        found = watcher.look()
        if as_json:
            print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        else:
            _print(found, every_pair)
        return
    _follow(watcher, every, every_pair, as_json)


def _follow(watcher: Any, every: float, every_pair: bool, as_json: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if as_json or not console.is_terminal:
        while True:
            found = watcher.look()
            print(json.dumps(found.to_json(), ensure_ascii=False) if as_json else line(found))
            if not _goes_on(found):
                return
            time.sleep(every)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            found = watcher.look()
            live.update(_shown(found, every_pair, console.width), refresh=True)
            if not _goes_on(found):
                return
            time.sleep(every)


def _goes_on(found: Status) -> bool:
    return found.run is not None and found.run.outcome in ("running", "unknown")


def _print(found: Status, every_pair: bool) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 160))
    console.print(_shown(found, every_pair, console.width))


def line(found: Status) -> str:
    """All that matters in one line."""
    parts = [f"{found.total(name)} {name}" for name in ("done", "failed", "running", "missing")]
    if found.run is not None and found.run.left is not None:
        parts.append(f"{duration(found.run.left)} left")
    return time.strftime("%H:%M:%S ") + ", ".join(parts)


def _shown(found: Status, every_pair: bool, width: int) -> Any:
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [Text(found.name or found.results, style="bold")]
    parts += [Text(text) for text in _head(found, min(width, 100))]
    if found.under_way:
        parts += [Text(""), _workers(found.under_way)]
    pairs = found.pairs if every_pair else [p for p in found.pairs if p.seeds_done < p.seeds]
    shown = pairs if every_pair else pairs[:PAIRS]
    if shown:
        parts += [Text(""), _pair_table(shown)]
    parts += [Text(text, style="dim") for text in _rest(found, len(pairs), len(shown))]
    if found.errors:
        parts += [Text(""), Text("last errors", style="bold red"), _errors(found)]
    return Group(*parts)


def _head(found: Status, width: int) -> list[str]:
    counts = {name: found.total(name) for name in ("done", "failed", "running", "missing")}
    said = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n or name == "done")
    share = found.total("seeds_done") / max(found.total("seeds"), 1)
    lines = [
        f"{sum(counts.values()):,} units: {said}",
        _bar(share, width - 8) + f" {100 * share:3.0f} %",
    ]
    if found.run is None:
        return [*lines, "no log of a run: all was known already, or an older version made it"]
    return [*lines, *_run_lines(found.run)]


def _bar(share: float, width: int) -> str:
    filled = int(share * width)
    return "━" * filled + "╌" * (width - filled)


def _run_lines(run: Run) -> list[str]:
    who = f"by process {run.process} on {run.host}, since {_clock(run.began)}"
    if run.outcome == "running":
        left = "not known yet" if run.left is None else f"about {duration(run.left)}"
        first = f"running for {duration(run.elapsed)}, {left} left"
    else:
        how = _ENDS.get(run.outcome, f"ended by {run.outcome}")
        first = f"last run {how} after {duration(run.elapsed)}"
    busy = run.cpu_seconds / run.seconds if run.seconds else 0.0
    return [
        first,
        who,
        f"{run.ended:,} of its {run.units:,} units ended, {run.units_a_minute:,.1f} a minute; "
        f"{run.queries_a_second:,.0f} queries a second",
        f"a unit takes {busy:.1f} s of CPU a second, and at most {memory(run.peak_memory)}",
    ]


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def memory(size: int) -> str:
    """Bytes, in the unit that suits; nothing is known of 0."""
    if not size:
        return "an unknown amount of memory"
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"


def _table(*columns: str, first: int = 1) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(
            name, justify="left" if number < first else "right", overflow="fold", no_wrap=False
        )
    return table


def _workers(under: list[Under]) -> Any:
    from rich.text import Text

    table = _table("running", "seeds", "for", "worker", "at", first=1)
    table.columns[-1].justify = table.columns[-2].justify = "left"
    now = time.time()
    for one in under[:WORKERS]:
        unit = one.unit
        seeds = f"{unit.first}-{unit.last}"
        table.add_row(
            *map(
                Text,
                (
                    f"{unit.task} {unit.label}",
                    seeds,
                    duration(now - one.since),
                    one.worker or str(one.process),
                    _progress(one),
                ),
            )
        )
    return table


def _progress(one: Under) -> str:
    said = dict(one.progress)
    seeds = said.pop("seeds", None)
    said.pop("seconds", None)
    parts = [] if seeds is None else [f"{seeds} of {one.unit.last - one.unit.first + 1} seeds"]
    parts += [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in said.items()]
    return ", ".join(parts)


def _pair_table(pairs: list[Pair]) -> Any:
    from rich.text import Text

    table = _table("task", "strategy", "done", "failed", "running", "missing", "seeds", first=2)
    for pair in pairs:
        counts = (pair.done, pair.failed, pair.running, pair.missing)
        cells = [f"{n:,}" if n else "·" for n in counts]
        table.add_row(
            Text(pair.task),
            Text(pair.strategy),
            *cells,
            f"{pair.seeds_done:,}/{pair.seeds:,}",
            style="red" if pair.failed else None,
        )
    return table


def _rest(found: Status, unfinished: int, shown: int) -> list[str]:
    said = []
    if unfinished > shown:
        said.append(f"{unfinished - shown:,} more are unfinished; --all shows them")
    complete = sum(pair.seeds_done >= pair.seeds for pair in found.pairs)
    if complete:
        said.append(f"{complete:,} of {len(found.pairs):,} tasks and strategies are complete")
    return said


def _errors(found: Status) -> Any:
    from rich.console import Group
    from rich.text import Text

    lines = []
    for error in found.errors:
        unit = error["unit"]
        where = f"{unit['task']} {unit['label']}, seeds {unit['first']}-{unit['last']}"
        lines.append(Text(f"{_clock(error['time'])[11:]} {where}: {error['error']}"))
    return Group(*lines, Text(f"tracebacks: {Path(found.results) / 'errors'}", style="dim"))
