"""Draws and tabulates the facts of a search space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bench.store.store import write_bytes, write_text
from .figures.gallery import file_name, picture
from .stats.landscape import facts
from .text.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("md", "csv", "tex", "png", "pdf")


def write_analysis(terrain: dict[str, Any], out: Path, formats: Sequence[str] = FORMATS) -> Table:
    """Write the table and the figure of a space to the folder ``out``; returns the table.

    Raises:
        StoreError: if the folder cannot be written.
    """
    found = facts(terrain)
    table = facts_table(found, terrain)
    name = file_name(terrain["task"])
    for kind, text in (("md", table.markdown), ("tex", table.tex), ("csv", table.csv)):
        if kind in formats:
            write_text(out / f"{name}.{kind}", text())
    images = set(formats) & {"png", "pdf"}
    if images:
        figure = draw(found, terrain)
        for kind in sorted(images):
            write_bytes(out / f"{name}.{kind}", picture(figure, kind))
    return table


def facts_table(found: dict[str, Any], terrain: dict[str, Any]) -> Table:
    """One row a fact."""
    sign = -1 if terrain["maximize"] else 1
    unit = f" {terrain['unit']}" if terrain["unit"] else ""

    def number(value: float, digits: int = 3) -> str:
        return "–" if np.isnan(value) else f"{value:.{digits}f}"

    def value(loss: float) -> str:
        return f"{sign * loss:.4g}{unit}"

    def count(share: int, whole: int) -> str:
        return f"{share:,} ({share / whole:.2%})"

    quantiles = found["quantiles"]
    sampled = found["starts"] < found["networks"]
    rows = [
        ("spellings that have an answer", f"{found['architectures']:,}"),
        ("networks", f"{found['networks']:,}"),
        ("spellings of the most often spelled network", f"{found['largest class']:,}"),
        ("deviation between spellings of one network", number(found["spread in classes"])),
        ("failed trainings", f"{found['failed']:,}"),
        ("best", value(quantiles[0])),
        ("best 1 %", value(quantiles[0.01])),
        ("upper quartile", value(quantiles[0.25])),
        ("median", value(quantiles[0.5])),
        ("lower quartile", value(quantiles[0.75])),
        ("worst", value(quantiles[1])),
        ("noise floor (deviation between trainings)", number(found["noise floor"])),
        ("networks within the noise floor of the best", f"{found['within noise']:,}"),
        ("rank correlation of one training with the others", number(found["single training"])),
        *(
            (f"rank correlation of epoch {epoch} with the last", number(found["fidelities"][epoch]))
            for epoch in found["fidelities"]
        ),
        ("rank correlation of validation and test", number(found["test"])),
        ("fitness–distance correlation", number(found["fitness-distance correlation"])),
        ("networks descended from", f"{found['starts']:,}{' (a sample)' if sampled else ''}"),
        ("local optima among them", count(found["local optima"], found["starts"])),
        ("largest basin", count(int(found["basins"][0]), found["starts"])),
        ("descents that end at the best", f"{found['to the optimum']:.2%}"),
        ("mean steps of a descent", number(found["steps"], 2)),
        ("autocorrelation of a random walk, lag 1", number(float(found["autocorrelation"][0]))),
        ("correlation length", number(found["correlation length"], 2)),
    ]
    return Table("facts", f"Facts of {terrain['task']}", ("fact", "value"), rows)


def draw(found: dict[str, Any], terrain: dict[str, Any]) -> Figure:
    """Six panels: distribution, noise, fidelities, distance, basins, random walk."""
    import matplotlib.pyplot as plt

    from .figures.style import looks, style

    with plt.rc_context(style("screen").rc()):
        figure, panels = plt.subplots(2, 3, figsize=(9.5, 5.4), layout="constrained")
        color = looks(["one", "two"])
        one, two = color["one"]["color"], color["two"]["color"]
        _distribution(panels[0, 0], terrain, one)
        _noise(panels[0, 1], terrain, one)
        fidelities = found["fidelities"]
        if len(fidelities) > 1:
            _lines(panels[0, 2], fidelities, "epochs", "rank correlation with the last", one)
        else:
            _say(panels[0, 2], "one number of epochs")
        _distance(panels[1, 0], found, terrain, one, two)
        basins = found["basins"]
        _lines(
            panels[1, 1], dict(enumerate(basins, 1)), "local optimum, by size", "basin size", one
        )
        panels[1, 1].set(xscale="log" if len(basins) > 20 else "linear", yscale="log")
        walk = dict(enumerate(found["autocorrelation"], 1))
        _lines(panels[1, 2], walk, "steps of a random walk", "autocorrelation", one)
        figure.suptitle(terrain["task"], fontsize=10)
    plt.close(figure)
    return figure


def _signed(terrain: dict[str, Any], values: Any) -> Any:
    return -values if terrain["maximize"] else values


def _label(terrain: dict[str, Any]) -> str:
    unit = f" ({terrain['unit']})" if terrain["unit"] else ""
    return f"{terrain['label']}{unit}"


def _distribution(axes: Any, terrain: dict[str, Any], color: Any) -> None:
    values = np.sort(_signed(terrain, terrain["losses"][~np.isnan(terrain["losses"])]))
    axes.plot(values, np.arange(1, len(values) + 1) / len(values), color=color)
    axes.set(xlabel=_label(terrain), ylabel="share of networks below")


def _noise(axes: Any, terrain: dict[str, Any], color: Any) -> None:
    trainings = terrain["trainings"]
    several = (~np.isnan(trainings)).sum(axis=1) > 1
    if not several.any():
        _say(axes, "one training each")
        return
    deviation = np.nanstd(trainings[several], axis=1, ddof=1)
    center = _signed(terrain, np.nanmean(trainings[several], axis=1))
    axes.plot(center, deviation, ".", ms=1.5, alpha=0.4, color=color, rasterized=True)
    axes.set(xlabel=_label(terrain), ylabel="deviation between trainings")


def _distance(
    axes: Any, found: dict[str, Any], terrain: dict[str, Any], one: Any, two: Any
) -> None:
    distance, losses = found["distance"], terrain["losses"]
    shifted = distance + np.random.default_rng(0).uniform(-0.3, 0.3, len(distance))
    axes.plot(shifted, _signed(terrain, losses), ".", ms=1, alpha=0.25, color=one, rasterized=True)
    places = np.unique(distance)
    middle = [np.nanmedian(_signed(terrain, losses[distance == place])) for place in places]
    axes.plot(places, middle, "o-", color=two, ms=3)
    axes.set(xlabel="decisions that differ from the best", ylabel=_label(terrain))


def _say(axes: Any, text: str) -> None:
    """Words where there is nothing to draw."""
    axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)
    axes.set_axis_off()


def _lines(axes: Any, points: dict[Any, Any], x: str, y: str, color: Any) -> None:
    axes.plot(list(points), list(points.values()), "o-", ms=3, color=color)
    axes.set(xlabel=x, ylabel=y)
