"""``nasarena retrain``: a network trained in full, with its learning curves drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..bench.live import retrain as live
from ..reports.figures.training_curves import write_training_curves


def retrain(
    plan: live.Plan, out: Path, seeds: int = 5, tell: Callable[..., None] | None = None
) -> dict[str, Any]:
    """Train the plan's network, draw its curves and return the model card.

    Args:
        plan: what to train; see `nasarena.bench.live.retrain.plan`.
        out: the folder that is written.
        seeds: trainings, each with a seed of its own.
        tell: called after every epoch, see `nasarena.bench.live.retrain.retrain`.

    Raises:
        StoreError: if ``out`` holds something else, cannot be written, or every training failed.
    """
    card = live.retrain(plan, out, seeds, tell)
    write_training_curves(out)
    return card
