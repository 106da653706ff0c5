"""What the command line shows: a progress bar on a terminal, plain lines elsewhere, tables."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from . import failures, unit_status
from .errors import visible
from .units import Done


class Progress:
    """Follows a run. On a terminal a bar with time left; else silent until the summary.

    Of live trainings that are under way in ``results``, in this process or others, it shows query,
    epoch, loss and the time left.
    """

    def __init__(self, *, quiet: bool = False, results: Path | None = None) -> None:
        self._results = results
        self._console = Console(stderr=True)
        self._bar: Any = None
        self._bar_task: Any = None
        self._show = self._console.is_terminal and not quiet
        self._quiet = quiet
        self._begin = perf_counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, units: int) -> None:
        if not self._show or not units:
            return
        from rich import progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("units,"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("left"),
            _trainings(self._results),
            console=self._console,
        )
        self._bar.start()
        self._bar_task = self._bar.add_task("running", total=units)

    def finished(self, done: Done) -> None:
        if done.error is not None and not self._quiet:
            text = visible(f"failed: {done.unit}: {done.error}")
            self._console.print(text, style="red", markup=False)
        if self._bar is not None:
            from rich.markup import escape

            self._bar.update(
                self._bar_task, advance=1, description=escape(visible(done.unit.label))
            )

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


def _trainings(results: Path | None) -> Any:
    """A column that says how far live trainings are; it looks once a second."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Trainings(ProgressColumn):
        max_refresh = 1.0

        def render(self, task: Any) -> Text:
            return Text("; ".join(under_way(results)) if results else "")

    return Trainings()


def under_way(results: Path) -> list[str]:
    """A line for each live training that a worker is at: query, epoch, loss, time left."""
    lines = []
    for one in unit_status.under_way(results):
        said = one.progress
        if "epoch" in said:
            loss = f"{said['loss']:.3g}" if isinstance(said.get("loss"), float) else "?"
            words = f"query {said.get('query')}, epoch {said['epoch']}, loss {loss}"
            lines.append(visible(f"{words}, {said.get('left', '?')} left"))
    return lines


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
