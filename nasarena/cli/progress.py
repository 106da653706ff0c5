"""What the command line shows: a progress bar on a terminal, plain lines elsewhere, tables."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from ..bench._base.errors import visible
from ..bench.execute import heartbeat, run_single
from ..bench.execute.time_left import TimeLeft
from ..bench.execute.units import Done
from ..bench.store import failures
from ..bench.store.store import Unit


class Progress:
    """Follows a run whose results lie in ``out``. On a terminal a bar with the time left; else
    silent until the summary. Failures are told at once.

    The bar moves when a unit has ended; finished and failed ones are counted apart. Beside it
    stands where live trainings are, in this process or in others of this machine.
    """

    def __init__(self, out: Path, *, quiet: bool = False) -> None:
        # The stream as it is now: while a unit runs in this process, its output goes elsewhere.
        self._console = Console(file=sys.stderr)
        self._out = out
        self._bar: Any = None
        self._bar_task: Any = None
        self._show = self._console.is_terminal and not quiet
        self._quiet = quiet
        self._begin = perf_counter()
        self._left = TimeLeft([])
        self._names: set[str] | None = None
        self._finished, self._failed = 0, 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, units: list[Unit], width: int | None) -> None:
        """These units are to run, so many at a time; None: by as many workers as will show."""
        if not self._show or not units:
            return
        from rich import progress

        self._left = TimeLeft(units, width or 1)
        self._names = None if width else set()
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[finished]}/{task.total} units,"),
            progress.TextColumn("{task.fields[failed]}{task.fields[left]}"),
            _trainings(self._out),
            console=self._console,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bar.start()
        self._bar_task = self._bar.add_task(
            "running", total=len(units), finished=0, failed="", left=""
        )

    def saw(self, unit: Unit, seeds: int, seconds: float) -> None:
        """A unit is under way; so many of its seeds are finished and took so long together."""
        if self._bar is not None:
            self._left.saw(unit, seeds, seconds)
            self._update()

    def finished(self, done: Done) -> None:
        """A unit has ended."""
        if done.error is not None and not self._quiet:
            # Whole lines, ready to be copied.
            plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
            text = visible(f"failed: {done.unit}: {done.error}")
            self._console.print(text, style="red", **plain)
            again = visible(f"  alone: {run_single.command(self._out, done)}")
            self._console.print(again, **plain)
        if self._bar is None:
            return
        from rich.markup import escape

        self._failed += done.error is not None
        self._finished += done.error is None
        self._left.ended(done.unit, done.seconds, failed=done.error is not None)
        if self._names is not None:
            self._names.add(done.worker)
            self._left.workers = len(self._names)
        self._bar.update(self._bar_task, advance=1, description=escape(visible(done.unit.label)))
        self._update()

    def _update(self) -> None:
        seconds = self._left.seconds()
        left = "" if seconds is None else f"{_duration(seconds)} left"
        failed = f"{self._failed} failed, " if self._failed else ""
        self._bar.update(self._bar_task, finished=self._finished, failed=failed, left=left)

    def to_json(self, done: Done) -> dict[str, Any]:
        """A failed unit, for programs."""
        again = run_single.command(self._out, done)
        return {"unit": done.unit._asdict(), "error": done.error, "alone": again}

    def summary(self, out: Path, page: Path | None, outcomes: list[Done]) -> None:
        """What was done, where it lies, what failed."""
        failed = [done for done in outcomes if done.error is not None]
        queries = sum(done.queries for done in outcomes)
        seconds = perf_counter() - self._begin
        if outcomes:
            finished = len(outcomes) - len(failed)
            print(f"{finished} units finished, {queries:,} queries, in {seconds:.1f} s")
        else:
            print("nothing to run: every unit is there already")
        print(f"results: {out}")
        if page is not None:
            print(f"report:  {page}")
        if trainings := failures.count(out):
            print(f"{trainings:,} trainings failed; reasons: {out / 'failures'}", file=sys.stderr)
        if failed:
            print(f"{len(failed)} units failed; tracebacks: {out / 'errors'}", file=sys.stderr)


def _trainings(results: Path) -> Any:
    """A column that says how far live trainings are; it looks once a second."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Trainings(ProgressColumn):
        max_refresh = 1.0

        def render(self, task: Any) -> Text:
            return Text("; ".join(under_way(results)))

    return Trainings()


def under_way(results: Path) -> list[str]:
    """A line for each live training that a worker is at: query, epoch, loss, time left."""
    lines = []
    for one in heartbeat.under_way(results):
        said = one.progress
        if "epoch" in said:
            loss = f"{said['loss']:.3g}" if isinstance(said.get("loss"), float) else "?"
            words = f"query {said.get('query')}, epoch {said['epoch']}, loss {loss}"
            lines.append(visible(f"{words}, {said.get('left', '?')} left"))
    return lines


def _duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def table(rows: list[dict[str, str]]) -> None:
    """Print rows as a table; where output is no terminal, nothing is cut to a width."""
    from rich import box
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 160), soft_wrap=False)
    shown = Table(box=box.SIMPLE_HEAD, show_header=any(k.strip() for k in rows[0]), pad_edge=False)
    for place, name in enumerate(rows[0]):
        # What names a row stays in one piece.
        shown.add_column(name, overflow="fold", no_wrap=place == 0)
    for row in rows:
        shown.add_row(*map(_plain, row.values()))
    console.print(shown)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(visible(text))
