"""COCO: an ``.info`` file a function, with ``.dat`` files of the improvements of each run.

The format is that of COCO's bbob logger (Hansen et al. 2016, arXiv:1605.03560, and the coco
platform's documentation of the data format). It knows functions by number: the names of task and
strategy go into a comment. As with IOHprofiler, the value is the true regret of the incumbent, and
it is written where it is less than any before.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench._base.errors import StoreError
from .formats import Options, Runs, beside, empty_folder, groups, incumbent_regret, named
from .ioh import plain, spread

if TYPE_CHECKING:
    import pandas as pd

_HEAD = re.compile(
    r"(?:suite\s*=\s*'(?P<suite>[^']*)',\s*)?funcId\s*=\s*(?P<function>\d+),\s*DIM\s*=\s*(?P<dim>\d+)"
    r".*?algId\s*=\s*'(?P<algorithm>[^']*)'"
)
_COLUMNS = (
    "% f evaluations | g evaluations | best noise-free fitness - Fopt (0.0) + sum g_i+ | "
    "measured fitness | best measured fitness or single-digit g-values\n"
)

_NOTHING = 1e30
"""Written before there is an incumbent: readers want a first evaluation, with a finite value."""


def read(source: str, options: Options) -> Runs:
    """Every ``.info`` file at or under ``source``; the loss is the distance to the optimum.

    An evaluation that is not in the ``.dat`` file brought nothing better.
    """
    import pandas as pd

    files = sorted(Path(source).glob("**/*.info"))
    if not files:
        raise StoreError(f"{source} holds no .info file of COCO")
    frames = [frame for file in files for frame in _info(file, options)]
    if not frames:
        raise StoreError(f"{source}: its .info files name no data")
    return Runs(pd.concat(frames, ignore_index=True), optimum=0.0)


def _info(file: Path, options: Options) -> list[pd.DataFrame]:
    frames: list[pd.DataFrame] = []
    head: re.Match[str] | None = None
    comment = ""
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            if found := _HEAD.search(line):
                head = found
            elif line.startswith("%"):
                comment = line.lstrip("% ").strip()
            elif head and ".dat" in line:
                frames += _data(file, head, comment, line, options)
    except (OSError, ValueError, IndexError) as error:
        raise StoreError(f"{file} cannot be read as COCO's: {error!r}") from error
    return frames


def _data(
    file: Path, head: re.Match[str], comment: str, line: str, options: Options
) -> list[pd.DataFrame]:
    name, *runs = (part.strip() for part in line.split(","))
    own = json.loads(comment) if comment.startswith('{"nasarena"') else None
    task = f"{head['suite'] or 'coco'} f{head['function']} {head['dim']}D"
    task, strategy = own["nasarena"] if own else (task, head["algorithm"])
    found = Options(
        task=options.task or task,
        strategy=options.strategy or strategy,
        pattern=options.pattern,
    )
    frames = []
    values = _improvements(beside(file, name.replace("\\", "/")))
    for number, (run, better) in enumerate(zip(runs, values, strict=True)):
        instance, _, rest = run.partition(":")
        seed = int(instance) - 1 if own else number
        evaluations = int(re.split(r"\|", rest)[0])
        frames.append(spread(named(task, found, seed), better, evaluations, 1.0))
    return frames


def _improvements(path: Path) -> list[dict[int, float]]:
    found: list[dict[int, float]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("%"):
            found.append({})
        elif line.strip():
            parts = line.split()
            value = float(parts[2])
            found[-1][int(parts[0])] = np.inf if value >= _NOTHING else value
    return found


def write(runs: Runs, out: str, options: Options) -> None:
    """A folder a strategy, in it an ``.info`` file and a folder of data for each task.

    The instance of a run is its seed index and one: COCO counts from 1.
    """
    root = empty_folder(out)
    frame = runs.frame.assign(regret=incumbent_regret(runs))
    tasks = list(dict.fromkeys(frame["task"]))
    labels = list(dict.fromkeys(frame["strategy"]))
    for (strategy, task), own in groups(frame, "strategy", "task"):
        number = tasks.index(task) + 1
        dimension = max(1, max(len(arch) for arch in own["arch"]))
        folder = root / plain(strategy, labels.index(strategy))
        stem = f"bbobexp_f{number}_DIM{dimension}"
        (folder / f"data_f{number}").mkdir(parents=True)
        pieces, runs_said = [], []
        for seed, run in groups(own, "seed"):
            text, best = _run(run)
            pieces.append(text)
            runs_said.append(f"{int(seed) + 1}:{int(run['step'].max())}|{best:.1e}")
        for kind in ("dat", "tdat"):
            path = folder / f"data_f{number}" / f"{stem}.{kind}"
            path.write_text("".join(pieces), encoding="utf-8")
        name = strategy.replace("'", "")  # it would end the name
        (folder / f"bbobexp_f{number}.info").write_text(
            f"suite = 'nasarena', funcId = {number}, DIM = {dimension}, Precision = 1.000e-08, "
            f"algId = '{name}', coco_version = '2.6', logger = 'bbob', data_format = 'bbob'\n"
            f"% {json.dumps({'nasarena': [task, strategy]})}\n"
            f"data_f{number}/{stem}.dat, {', '.join(runs_said)}\n",
            encoding="utf-8",
        )


def _run(run: Any) -> tuple[str, float]:
    """The lines of one run, and the best of it; its first and last evaluation always have one."""
    values = run["regret"].fillna(_NOTHING).to_numpy(float)
    steps = run["step"].to_numpy(int)
    best = np.minimum.accumulate(values)
    better = np.concatenate([[True], best[1:] < best[:-1]])
    better[-1] = True
    lines = [
        f"{step} 0 {low!r} {value!r} {low!r}\n"
        for step, low, value in zip(
            steps[better], best[better].tolist(), values[better].tolist(), strict=True
        )
    ]
    return _COLUMNS + "".join(lines), float(best[-1])
