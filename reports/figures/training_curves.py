"""Learning curves of a retrained network as a figure, drawn from what `nasarena retrain` wrote."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bench.store.store import write_bytes
from ..stats.regret import Floats
from .figures import canvas, head
from .style import Style, looks, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf")
COLUMNS = ("train_loss", "validation", "test")


def write_training_curves(
    folder: Path, formats: tuple[str, ...] = FORMATS, *, venue: str = "screen"
) -> list[Path]:
    """Draw ``curves.csv`` of a retraining's folder beside it; returns the files."""
    chosen = style(venue)
    card = json.loads((folder / "model-card.json").read_text(encoding="utf-8"))
    figure = training_figure(read_curves(folder / "curves.csv"), card, chosen)
    files = []
    import matplotlib as mpl

    with mpl.rc_context(chosen.rc()):
        for kind in formats:
            picture = io.BytesIO()
            when = {"CreationDate": None} if kind == "pdf" else None
            figure.savefig(picture, format=kind, metadata=when)
            files.append(folder / f"curves.{kind}")
            write_bytes(files[-1], picture.getvalue())
    return files


def read_curves(file: Path) -> dict[str, Floats]:
    """By column, (seeds, epochs): NaN where a training ended early."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    epochs = max(int(row["epoch"]) for row in rows)
    found = {name: np.full((len(seeds), epochs), np.nan) for name in COLUMNS}
    for row in rows:
        for name in COLUMNS:
            found[name][seeds.index(row["seed"]), int(row["epoch"]) - 1] = float(row[name])
    return found


def training_figure(curves: dict[str, Floats], card: dict[str, Any], chosen: Style) -> Figure:
    """Training loss at the left, the metric on validation and test at the right."""
    import matplotlib as mpl

    with mpl.rc_context(chosen.rc()):
        figure, ((left, right),) = canvas(1, 2, chosen.full, 2.6, chosen)
        metrics = card["metrics"]
        look = looks(COLUMNS)
        draw(left, {"train_loss": curves["train_loss"]}, look)
        left.set_ylabel("training loss (nats)")
        draw(right, {name: curves[name] for name in COLUMNS[1:]}, look)
        unit = f" ({metrics['unit']})" if metrics["unit"] not in ("", metrics["metric"]) else ""
        right.set_ylabel(f"{metrics['metric']}{unit}")
        right.legend(loc="best")
        head(figure, _note(curves, card), chosen)
    return figure


def draw(axes: Axes, curves: dict[str, Floats], look: dict[str, dict[str, Any]]) -> None:
    """Each seed as a thin line, their mean as a thick one."""
    from matplotlib.ticker import MaxNLocator

    for name, values in curves.items():
        epochs = np.arange(1, values.shape[1] + 1)
        color, line = look[name]["color"], look[name]["linestyle"]
        for one in values:
            axes.plot(epochs, one, color=color, alpha=0.35, linewidth=0.7, zorder=2)
        whole = values[~np.isnan(values).any(axis=1)]
        if len(whole):
            marker = "o" if len(epochs) == 1 else ""
            axes.plot(
                epochs,
                whole.mean(axis=0),
                color=color,
                linestyle=line,
                marker=marker,
                label=name,
                zorder=3,
            )
    axes.set_xlabel("epochs")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)


def _note(curves: dict[str, Floats], card: dict[str, Any]) -> str:
    seeds = len(curves["test"])
    each = "each seed thin, their mean thick" if seeds > 1 else "one seed"
    count = f"{seeds} training{'s' * (seeds != 1)}"
    return f"{card['architecture']['words']} on {card['data']['name']}: {count}, {each}"
