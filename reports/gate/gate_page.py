"""The gate as one HTML page: the verdicts, and for what changed the two curves overlaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..figures.gallery import picture
from ..figures.style import looks, style
from ..page.rendering import package_text, render
from ..record.curves import Block
from .gate import Gate, Pair, Verdict
from .gate_output import headline, parted, tables
from .gate_record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = 40
"""So many pairs have their curves drawn, the gravest first."""


def page(gate: Gate, sides: Sequence[Record]) -> str:
    """Return the whole page, readable without a network; ``sides`` are baseline and current."""
    ordered = sorted(gate.pairs, key=lambda pair: list(Verdict).index(pair.verdict))
    changed = [pair for pair in ordered if pair.comparisons and _blocks(pair, sides)]
    against = f"{gate.current} against {gate.baseline}"
    return render(
        "gate.html",
        styles=[package_text("static_page.css"), package_text("gate_page.css")],
        title=f"nasarena gate: {headline(gate)}",
        lead=f"{against}, alpha {gate.options.alpha:g} over all (Holm)",
        tables=tables(gate),
        notes=gate.notes,
        drawn=[
            {
                "name": f"{pair.strategy} on {pair.task}",
                "verdict": pair.verdict.value,
                "parted": parted(pair),
                "png": _png(pair, sides),
            }
            for pair in changed[:FIGURES]
        ],
        undrawn=max(0, len(changed) - FIGURES),
    )


def _blocks(pair: Pair, sides: Sequence[Record]) -> list[Block]:
    key = pair.task, pair.strategy
    if not sides or not all(key in side.runs for side in sides):
        return []
    return [
        replace(side.runs[key].block, strategy=name)
        for side, name in zip(sides, ("baseline", "current"), strict=True)
    ]


def figure(pair: Pair, sides: Sequence[Record]) -> Figure:
    """Draw both curves as the report draws them; to be saved under the style's settings."""
    from ..figures.charts import Charts, protocol
    from ..figures.figures import chart_figure

    blocks, names = _blocks(pair, sides), ("baseline", "current")
    chart = Charts(blocks, sides[0].manifest, names).regret(pair.task, "queries", "validation")
    note = protocol(blocks, sides[0].manifest)
    made = chart_figure([[chart]], note, style("screen"), looks(names), 6.4)
    made.set_dpi(150)
    return made


def _png(pair: Pair, sides: Sequence[Record]) -> bytes:
    from matplotlib import rc_context

    with rc_context(style("screen").rc()):
        return picture(figure(pair, sides), "png")
