"""How figures look: sizes and fonts of a venue, one colour, line and marker a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...bench._base.errors import UnknownName

SHOWN = 8
"""Strategies that have a colour of their own; more than these are drawn in grey."""


@dataclass(frozen=True)
class Style:
    """The room a venue gives a figure; widths in inches, sizes in points.

    ``column`` is the width of a text column, ``full`` that of the page's text. Both are the same
    where there is one column. ``tall`` is the most height a figure may have. Serif text is set in
    STIX, a cut of Times that matplotlib brings along: a figure is the same on every machine.
    """

    name: str
    column: float
    full: float
    size: float
    serif: bool = True
    tall: float = 8.0

    @property
    def small(self) -> float:
        """The size of ticks and notes, in points."""
        return self.size - 1

    def rc(self) -> Any:
        """What matplotlib is told."""
        thin = 0.6 if self.size < 9 else 0.8
        return {
            "axes.edgecolor": "0.3",
            "axes.labelsize": self.size,
            "axes.linewidth": thin,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": self.size,
            "axes.titlepad": 4,
            "axes.unicode_minus": True,
            "figure.constrained_layout.h_pad": 0.03,
            "figure.constrained_layout.w_pad": 0.03,
            "figure.dpi": 100,
            # What STIX lacks (raised digits) comes from DejaVu.
            "font.family": ["STIXGeneral", "DejaVu Serif"] if self.serif else ["DejaVu Sans"],
            "font.size": self.size,
            "grid.color": "0.9",
            "grid.linewidth": thin,
            "legend.fontsize": self.small,
            "legend.frameon": False,
            "legend.borderaxespad": 0.2,
            "legend.columnspacing": 1.2,
            "legend.handlelength": 2.6,
            "legend.labelspacing": 0.3,
            "lines.linewidth": 0.15 * self.size,
            "lines.markersize": 0.45 * self.size,
            "mathtext.fontset": "stix" if self.serif else "dejavusans",
            # TrueType outlines: many venues refuse PDFs with Type 3 fonts.
            "pdf.fonttype": 42,
            "ps.fonttype": 42,
            "savefig.dpi": 200,
            # The same identifiers in the same picture, and text that stays text.
            "svg.hashsalt": "nasarena",
            "svg.fonttype": "none",
            "xtick.labelsize": self.small,
            # A dollar sign in a strategy's name is no formula.
            "text.parse_math": False,
            "ytick.labelsize": self.small,
            "xtick.major.width": thin,
            "ytick.major.width": thin,
            "xtick.minor.width": 0.75 * thin,
            "ytick.minor.width": 0.75 * thin,
        }


# Widths: \the\columnwidth and \the\textwidth of each venue's own template.
STYLES = {
    style.name: style
    for style in (
        Style("screen", 7.2, 7.2, 8.5, serif=False, tall=12.0),
        Style("neurips", 5.5, 5.5, 8),  # neurips_2024.sty: 397.5 pt, Times 10
        Style("icml", 3.25, 6.75, 8, tall=8.5),  # icml2024.sty: 234.9 and 487.8 pt, Times 10
        Style("iclr", 5.5, 5.5, 8),  # iclr2025_conference.sty: 397.5 pt, Times 10
        Style("acm", 3.333, 7.0, 8, tall=8.5),  # acmart sigconf: 241.1 and 506.3 pt, Libertine 9
        Style("ieee", 3.5, 7.16, 8, tall=8.8),  # IEEEtran: 252 and 516 pt, Times 10
        Style("beamer", 4.25, 4.25, 7.5, serif=False, tall=2.75),  # 128 x 96 mm: 307.3 pt wide
    )
}


def style(name: str) -> Style:
    """The style of that name.

    Raises:
        UnknownName: suggesting the nearest there is.
    """
    if name not in STYLES:
        raise UnknownName("style", name, STYLES)
    return STYLES[name]


_MARKERS = "osD^vP*X"
# Long dashes to dots: the lines stay apart in grey.
_LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (4, 1, 1, 1)),
    (0, (7, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 1)),
    (0, (8, 1, 2, 1)),
)
OTHERS: dict[str, Any] = {"color": "0.72", "linestyle": "-", "marker": "", "linewidth": 0.6}
"""The look of strategies that are not among those shown in colour."""


def looks(labels: Sequence[str], best: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Colour, line and marker for each label; colours are seaborn's "colorblind" palette.

    Of more than `SHOWN` labels the first in ``best`` (None: in ``labels``) have one; the others
    share `OTHERS`.
    """
    import seaborn as sns

    palette = [*sns.color_palette("colorblind", 10), (0.25, 0.25, 0.25)]
    # Its order puts apart colours that differ in lightness, but its yellow, pink and grey print
    # badly; a dark grey stands in.
    order = (0, 1, 2, 3, 4, 5, 9, 10)
    ranked = list(labels if best is None else best)
    shown = set(labels) if len(labels) <= SHOWN else set(ranked[:SHOWN])
    coloured = [label for label in labels if label in shown]
    own = {
        label: {"color": palette[order[i]], "linestyle": _LINES[i], "marker": _MARKERS[i]}
        for i, label in enumerate(coloured)
    }
    return {label: own.get(label, OTHERS) for label in labels}
