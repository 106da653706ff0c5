"""The options of ``nasarena run`` that say where it runs, and ``nasarena pull``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bench._base.errors import NasarenaError

if TYPE_CHECKING:
    from ..bench.execute.execution import Executor
    from ..bench.store.mirror import Mirror


class Where(StrEnum):
    """Where units run."""

    LOCAL = "local"
    SERIAL = "serial"
    DASK = "dask"


ExecutorOption = Annotated[
    Where,
    typer.Option(
        "--executor",
        help="local: processes of this machine; serial: this process alone; dask: a cluster.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", help="The Dask cluster to join, tcp://host:8786. None: start one."),
]
DashboardOption = Annotated[
    str | None,
    typer.Option(
        "--dashboard",
        help="Where the dashboard of a cluster that is started here listens, 127.0.0.1:8787.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="A URL where finished units are kept as well: s3://bucket/path."),
]


def chosen(
    where: Where,
    scheduler: str | None,
    dashboard: str | None,
    processes: int | None,
    url: str | None,
) -> Executor | None:
    """The executor that the options name; None for local processes.

    Raises:
        NasarenaError: if options do not go together.
        ImportError: if an extra is missing.
    """
    if scheduler is not None and where is not Where.DASK:
        raise NasarenaError(f"--scheduler goes with --executor dask, not with {where}")
    if dashboard is not None and (where is not Where.DASK or scheduler is not None):
        raise NasarenaError(
            "--dashboard goes with --executor dask without --scheduler: a cluster that is joined "
            "has its own"
        )
    if where is Where.SERIAL:
        from ..bench.execute.executor import ThisProcess

        return ThisProcess()
    if where is Where.LOCAL:
        return None
    if dashboard is not None:
        from importlib.util import find_spec

        if find_spec("bokeh") is None:
            raise ImportError('--dashboard needs bokeh: pip install "bokeh>=3.1"')
        if ":" not in dashboard:
            raise NasarenaError(f"--dashboard: expected HOST:PORT, got {dashboard!r}")
    from ..bench.execute.dask_executor import DaskCluster

    return DaskCluster(scheduler, processes=processes, dashboard=dashboard, url=url)


def mirror(url: str | None, out: Path) -> Mirror | None:
    """What ``--store`` names; None if it was not given.

    Raises:
        NasarenaError: if it is no URL, or ``--out`` is one.
    """
    if ":/" in str(out):  # a Path has made one slash of two
        raise NasarenaError(
            f"--out is a folder of this machine, got {out}; a URL goes to --store, and finished "
            "units are kept in both"
        )
    if url is None:
        return None
    from ..bench.store.mirror import Mirror, is_url

    if not is_url(url):
        raise NasarenaError(f"--store: expected a URL such as s3://bucket/results, got {url!r}")
    return Mirror(url)


def pull(
    url: Annotated[str, typer.Argument(help="Where a run with --store kept its units.")],
    out: Annotated[Path, typer.Argument(help="Results folder, a new one or of that experiment.")],
) -> None:
    """Copy results from a URL into a folder, where report and verify read them.

    Example: nasarena pull s3://bucket/results results
    """
    from ..bench.store.mirror import pull as copy

    taken, damaged = copy(url, out)
    print(f"{taken:,} units copied\nresults: {out}")
    for unit in damaged:
        print(f"nasarena: {url}: {unit} is damaged; left out", file=sys.stderr)
    if damaged:
        raise typer.Exit(1)
