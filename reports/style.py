"""How figures look: one colour, line and marker a strategy, fonts that print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

RC: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.edgecolor": "0.3",
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "mathtext.fontset": "dejavusans",
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    # TrueType outlines: many venues refuse PDFs with Type 3 fonts.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}

_MARKERS = "osD^vP*X<>"
# Long dashes to dots: the lines stay apart in grey.
_LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (4, 1, 1, 1)),
    (0, (7, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)


def looks(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, line and marker for each label; colours are seaborn's "colorblind" palette."""
    import seaborn as sns

    palette = sns.color_palette("colorblind", 10)
    # Its order puts apart colours that differ in lightness, but yellow and grey print badly.
    order = (0, 1, 2, 3, 4, 5, 9, 6)
    return {
        label: {
            "color": palette[order[i % len(order)]],
            "linestyle": _LINES[i % len(_LINES)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i, label in enumerate(labels)
    }
