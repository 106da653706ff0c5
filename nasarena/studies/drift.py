"""One experiment under two versions of a dependency, each in a virtual environment of its own.

The environments see every package of the present one, and on top of them the version asked for
(with what it needs): so the two differ in that alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from ..bench._base.errors import NasarenaError

_PTH = "nasarena-drift.pth"


def folder_name(requirement: str) -> str:
    """``optuna==4.9.0`` as ``optuna-4.9.0``."""
    return re.sub(r"[^\w.]+", "-", requirement).strip("-.")


def check(before: str, after: str) -> None:
    """Raise unless both are requirements, and not the same.

    Raises:
        NasarenaError: naming the one that is none.
    """
    for requirement in (before, after):
        if not re.match(r"[A-Za-z0-9]", requirement):
            raise NasarenaError(
                f"expected a requirement such as optuna==4.9.0, got {requirement!r}"
            )
    if folder_name(before) == folder_name(after):
        raise NasarenaError(f"both sides are {before}: nothing to compare")


def make(folder: Path, requirement: str) -> Path:
    """A virtual environment with ``requirement`` on top of the present packages.

    Returns its Python.

    Raises:
        NasarenaError: if pip cannot install it; its last lines are told.
    """
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # addsitedir, and not plain paths: it follows the .pth files of editable installs.
    lines = [
        f"import site; site.addsitedir({path!r})"
        for path in sys.path
        if Path(path).name in ("site-packages", "dist-packages")
    ]
    (Path(own) / _PTH).write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.strip().splitlines()[-3:]) or f"exit code {done.returncode}"
        raise NasarenaError(f"pip cannot install {requirement}: {said}")
    return python


def run(python: Path, experiment: Path, out: Path, processes: int | None) -> None:
    """Run an experiment file with ``python``; its progress goes where ours does.

    Raises:
        NasarenaError: if it cannot be run. Units that fail leave their runs out, and are told.
    """
    words = ["run", str(experiment), "--out", str(out), "--no-report"]
    words += ["--processes", str(processes)] if processes else []
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # -P: no module of the user's folder stands in for the version under test.
    done = subprocess.run(
        [python, "-P", "-m", "nasarena", *words],
        env=environment,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise NasarenaError(f"the experiment could not be run under {python}; see above")
