"""The gate as one HTML page: the verdicts, and for what changed the two curves overlaid."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..page.static_page import head, image
from ..record.curves import Block
from ..text.escaping import escape
from .gate import Gate, Pair, Verdict
from .gate_output import headline, parted, tables
from .gate_record import Record

FIGURES = 40
"""So many pairs have their curves drawn, the gravest first."""


def page(gate: Gate, sides: Sequence[Record]) -> str:
    """The whole page, readable without a network; ``sides`` are baseline and current."""
    title = f"nasarena gate: {headline(gate)}"
    shown = "".join(f'<div class="wide">{table.to_html()}</div>' for table in tables(gate))
    notes = "".join(f"<li>{escape(note)}</li>" for note in gate.notes)
    lead = f"{gate.current} against {gate.baseline}, alpha {gate.options.alpha:g} over all (Holm)"
    return (
        f"{head(title)}"
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{shown}<ul>{notes}</ul>'
        f"{''.join(_sections(gate, sides))}</body></html>\n"
    )


def _sections(gate: Gate, sides: Sequence[Record]) -> Iterator[str]:
    ordered = sorted(gate.pairs, key=lambda pair: list(Verdict).index(pair.verdict))
    drawn = [pair for pair in ordered if pair.comparisons and _blocks(pair, sides)]
    for pair in drawn[:FIGURES]:
        name = f"{pair.strategy} on {pair.task}"
        yield (
            f"<h2>{escape(name)}: {pair.verdict.value}</h2><p>{escape(parted(pair))}</p>"
            f"{image(_figure(pair, sides), f'Regret of {name}, baseline and current')}"
        )
    if len(drawn) > FIGURES:
        yield f"<p>{len(drawn) - FIGURES} more pairs changed; their curves are not drawn.</p>"


def _blocks(pair: Pair, sides: Sequence[Record]) -> list[Block]:
    key = pair.task, pair.strategy
    if not sides or not all(key in side.runs for side in sides):
        return []
    return [
        replace(side.runs[key].block, strategy=name)
        for side, name in zip(sides, ("baseline", "current"), strict=True)
    ]


def _figure(pair: Pair, sides: Sequence[Record]) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from ..figures.style import looks, style
    from ..stats.bootstrap import mean_interval

    column = sides[0].manifest.tasks[pair.task].validation
    chosen = looks(["baseline", "current"])
    with rc_context(style("screen").rc()):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained", dpi=150)
        axes = figure.subplots()
        for block in _blocks(pair, sides):
            steps = np.arange(1, block.validation.shape[1] + 1)
            low, high = mean_interval(block.validation)
            look = chosen[block.strategy]
            axes.step(
                steps,
                block.validation.mean(axis=0),
                where="post",
                label=block.strategy,
                markevery=max(1, len(steps) // 8),
                **look,
            )
            axes.fill_between(steps, low, high, step="post", alpha=0.18, color=look["color"], lw=0)
        axes.set_yscale("symlog", linthresh=1e-3)
        axes.set_xlabel("queries")
        axes.set_ylabel(f"validation regret{column.in_brackets}")
        axes.legend()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
