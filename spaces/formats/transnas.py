"""TransNAS-Bench-101's official file: ``transnas-bench_v10141024.pth``.

Source: Duan et al., "TransNAS-Bench-101: Improving Transferability and Generalizability of
Cross-Task Neural Architecture Search", CVPR 2021 (arXiv:2105.11871): seven vision tasks, each on a
micro space (4,096 cells) and a macro space (3,256 networks, a pool). Validation and test are the
first of the metrics below that a task has; every epoch is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..base import Arch
from ..foreign import numbers, typed
from ..table import BadFile, Column
from . import Format, Imported, Progress
from .rows import table_of
from .stream import torch_file

_METRICS = {"top1": "%", "mIoU": "%", "ssim": "", "neg_loss": ""}
_MICRO = re.compile(r"64-41414-([0-3])_([0-3]{2})_([0-3]{3})")
_MACRO = re.compile(r"64-([1-4]{4,6})-basic")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
DECISIONS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "micro": [
        (f"{a}→{b}", OPERATIONS) for a, b in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    ],
    "macro": [
        *((f"module {n}", ("1", "2", "3", "4")) for n in range(1, 5)),
        *((f"module {n}", ("none", "1", "2", "3", "4")) for n in (5, 6)),
    ],
}


def _arch(kind: str, text: str) -> Arch:
    """The spelling of a published key.

    Raises:
        ValueError: if it is none.
    """
    found = (_MICRO if kind == "micro" else _MACRO).fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no network of the {kind} space")
    digits = [int(digit) for digit in "".join(found.groups())]
    if kind == "micro":
        return tuple(digits)
    modules = digits + [0] * (6 - len(digits))
    return (*(digit - 1 for digit in modules[:4]), *modules[4:])


def read(files: list[Path], describe: Path | None, progress: Progress) -> Iterator[Imported]:
    """Seven datasets for each of the two spaces."""
    if len(files) != 1:
        raise BadFile(f"expected one file, transnas-bench_v10141024.pth, got {len(files)}")
    path = files[0]
    with torch_file(path, None, lambda part: progress(0.7 * part)) as reader:
        found = reader.load()
    if not isinstance(found, dict) or not {"data", "task_list", "metrics_dict"} <= found.keys():
        raise BadFile(f"{path}: expected a dictionary with data, task_list and metrics_dict")
    if not isinstance(found["data"], dict) or not isinstance(found["task_list"], list):
        raise BadFile(f"{path}: expected a dictionary as data and a list as task_list")
    spaces = typed(found["data"], dict[str, dict[str, dict[str, Any]]], f"{path}, data")
    tasks = typed(found["task_list"], list[str], f"{path}, task_list")
    metrics = typed(found["metrics_dict"], dict[str, list[str]], f"{path}, metrics_dict")
    if odd := {*tasks} - metrics.keys() or spaces.keys() - DECISIONS.keys():
        raise BadFile(f"{path}: expected tasks with metrics and the spaces micro and macro, {odd}")
    for kind, networks in spaces.items():
        for task in tasks:
            try:
                yield _imported(kind, task, networks, metrics[task])
            except ValueError as error:
                raise BadFile(
                    f"{path}, {kind}, {task}: expected the networks of TransNAS-Bench-101 ({error})"
                ) from error
    progress(1.0)


class _Result(TypedDict):
    """What is known of a network on a task."""

    metrics: dict[str, Any]
    model_info: dict[str, Any]


def _imported(
    kind: str, task: str, networks: dict[str, dict[str, Any]], known: list[str]
) -> Imported:
    """The dataset of a task.

    Raises:
        ValueError: if these are no networks of the space, or lack a metric.
    """
    metric = next((name for name in _METRICS if f"valid_{name}" in known), None)
    if metric is None:
        raise BadFile(f"a metric among {', '.join(_METRICS)}, got {', '.join(known)}")
    sources = {
        "validation": f"valid_{metric}",
        "test": f"test_{metric}",
        "train": f"train_{metric}",
        "seconds": "time_elapsed",
    }
    there = {name: source for name, source in sources.items() if source in known}
    plain = [network.get(task) for network in networks.values()]
    results = typed(plain, list[_Result], "the networks")
    columns = {
        name: _values([r["metrics"] for r in results], source, (len(results), None))[:, :, None]
        for name, source in there.items()
    }
    epochs = range(1, columns["validation"].shape[1] + 1)
    if "seconds" not in columns:
        columns["seconds"] = np.zeros_like(columns["validation"]) + np.array(epochs)[:, None]
    for name, source in (("latency", "inference_time"), ("parameters", "model_params")):
        if results and source in results[0]["model_info"]:
            values = _values([r["model_info"] for r in results], source, (len(results),))
            columns[name] = values[:, None, None]
    archs = [_arch(kind, text) for text in networks]
    table, space = table_of(f"transnas-{kind}", DECISIONS[kind], archs, epochs, columns)
    unit = _METRICS[metric]
    described = (
        *(Column(name, unit, True, f"{name} {metric}") for name in ("validation", "test", "train")),
        Column("seconds", "s", False, "training time"),
        Column("latency", "s", False, "inference latency"),
        Column("parameters", "", False, "parameters", proxy=True),
    )
    return Imported(
        f"transnas-{kind}",
        task,
        table,
        tuple(column for column in described if column.name in columns),
        space,
        "Duan et al., TransNAS-Bench-101, CVPR 2021, arXiv:2105.11871",
    )


def _values(
    found: list[dict[str, Any]], name: str, shape: tuple[int | None, ...]
) -> NDArray[np.float64]:
    """What each network has under a name.

    Raises:
        BadFile: if one of them has nothing, or no numbers.
    """
    if not all(name in one for one in found):
        raise BadFile(f"{name} of every network")
    return numbers([one.get(name) for one in found], name, shape)


FORMAT = Format(
    name="transnas",
    title="TransNAS-Bench-101",
    files="transnas-bench_v10141024.pth",
    read=read,
)
