"""Speed: two files of pytest-benchmark, as ratios to the calibration loop of their own job."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...bench._base.errors import StoreError
from ..stats.paired import a12
from ..stats.regret import Floats
from .gate import Comparison, Options, Pair, Verdict
from .gate_record import Difference

TASK = "speed"
METRIC = "time a round"
UNIT = "calibration loops"
_ROUNDS = 200
"""So many rounds are compared, spread evenly: neighbors are too alike to count as more evidence."""


@dataclass(frozen=True)
class Speed:
    """Benchmarks by name: (rounds,) times as ratios to the median of the calibration loop."""

    name: str
    calibration: int
    ratios: dict[str, Floats]
    facts: dict[str, Any]


def read(where: str | os.PathLike[str]) -> Speed:
    """Read what ``pytest --benchmark-json`` wrote.

    Raises:
        StoreError: if the file is missing or damaged, has no times, or no calibration.
    """
    try:
        data: Any = json.loads(Path(where).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"there is no file {where}") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{where} cannot be read: {error}") from error
    if not isinstance(data, dict) or not data.get("benchmarks"):
        raise StoreError(f"{where} holds no benchmark; write one with pytest --benchmark-json")
    if "nasarena" not in data:
        raise StoreError(
            f"{where} does not say how fast its machine was: write it with --benchmark-json in an "
            "environment where nasarena is installed, whose pytest plugin measures that"
        )
    loop = float(np.median(data["nasarena"]["seconds"]))
    ratios = {}
    for each in data["benchmarks"]:
        rounds = np.array(each["stats"].get("data", []), dtype=float)
        if len(rounds) == 0:
            raise StoreError(f"{where}: {each['fullname']} has no single times; keep stats.data")
        chosen = np.unique(np.linspace(0, len(rounds) - 1, _ROUNDS).round().astype(int))
        ratios[each["fullname"]] = rounds[chosen] / loop
    facts = {
        "packages": {"pytest-benchmark": data.get("version")},
        "python": data.get("machine_info", {}).get("python_version"),
        "processor": data.get("machine_info", {}).get("cpu", {}).get("brand_raw"),
        "commit": (data.get("commit_info") or {}).get("id"),
        "time": data.get("datetime"),
    }
    return Speed(str(where), data["nasarena"]["calibration"], ratios, facts)


def compare(baseline: Speed, current: Speed, slower: float, options: Options) -> list[Pair]:
    """One pair a benchmark of ``baseline``, p-values not yet corrected.

    ``slower`` is the share, such as 0.25, that is no regression: between jobs, times differ by
    more than their rounds show.

    Raises:
        StoreError: if the two have other calibration loops, or ``slower`` is not above 0.
    """
    if baseline.calibration != current.calibration:
        raise StoreError(
            f"{baseline.name} was calibrated by loop {baseline.calibration}, {current.name} by "
            f"{current.calibration}: measure both with one version of nasarena"
        )
    if not slower > 0:
        raise StoreError(f"slower: expected a share above 0 such as 25%, got {slower:g}")
    pairs = []
    for name, old in baseline.ratios.items():
        if name not in current.ratios:
            note = f"not in {current.name}"
            pairs.append(Pair(TASK, name, Verdict.MISSING, note=note))
            continue
        new = current.ratios[name]
        found = _compare(old, new, slower)
        pairs.append(Pair(TASK, name, Verdict.CHANGED, min(len(old), len(new)), (found,)))
    return pairs


def _compare(old: Floats, new: Floats, slower: float) -> Comparison:
    """Mann and Whitney's test (1947) of being more than ``slower`` off, to either side."""
    from scipy.stats import mannwhitneyu

    def p(factor: float, side: str) -> float:
        return float(mannwhitneyu(new, old * factor, alternative=side).pvalue)

    up, down = p(1 + slower, "greater"), p(1 / (1 + slower), "less")
    within = max(p(1 + slower, "less"), p(1 / (1 + slower), "greater"))
    medians = float(np.median(old)), float(np.median(new))
    low, high = _interval(old, new)
    return Comparison(
        METRIC,
        Verdict.NO_EVIDENCE,
        UNIT,
        *medians,
        difference=medians[1] - medians[0],
        low=low,
        high=high,
        superiority=a12(old, new),
        direction=1 if up < down else -1,
        p=min(1.0, 2 * min(up, down)),
        p_equivalent=within,
        margin=slower * medians[0],
    )


def _interval(old: Floats, new: Floats) -> tuple[float, float]:
    """Bootstrap interval (95 %) of the difference of medians."""
    rng = np.random.default_rng(0)
    medians = [np.median(rng.choice(v, (1000, len(v))), axis=1) for v in (old, new)]
    low, high = np.quantile(medians[1] - medians[0], [0.025, 0.975])
    return float(low), float(high)


def differences(baseline: Speed, current: Speed) -> list[Difference]:
    """Whether Python or the processor are others."""
    return [
        Difference(f"benchmarks' {key}", str(baseline.facts[key]), str(current.facts[key]))
        for key in ("python", "processor")
        if baseline.facts[key] != current.facts[key]
    ]
