"""LaTeX floats: each figure and table with its caption and label, ready to be input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .text.escaping import latex

if TYPE_CHECKING:
    from .figures.gallery import Plate
    from .report import Report

_ROOT = r"\providecommand{\nasarena}{report}"


def floats(report: Report, plates: Sequence[Plate]) -> dict[str, str]:
    """File name -> text. ``\\nasarena`` is the report's folder, to be set before they are input."""
    style = report.style
    found = {}
    for plate in plates:
        star = "*" if plate.wide and style.full > style.column else ""
        body = rf"\includegraphics{{\nasarena/figures/{plate.name}.pdf}}"
        comment = report.plate_recipe(plate).comment("tex")
        found[f"{plate.name}.tex"] = comment + _float(
            "figure", star, body, plate.caption, plate.name
        )
    for table in report.tables:
        star = "*" if style.full > style.column else ""
        body = rf"\fontsize{{{style.size:g}}}{{{style.size * 1.2:g}}}\selectfont" + "\n"
        body += rf"\input{{\nasarena/tables/{table.name}.tex}}"
        comment = report.recipe("table", table.name, table).comment("tex")
        found[f"table-{table.name}.tex"] = comment + _float(
            "table", star, body, table.caption + ".", f"table-{table.name}"
        )
    return found


def _float(kind: str, star: str, body: str, caption: str, label: str) -> str:
    said = rf"\caption{{{latex(caption)}}}" + "\n" + rf"\label{{nasarena:{label}}}"
    inner = f"{said}\n{body}" if kind == "table" else f"{body}\n{said}"
    return "\n".join(
        [_ROOT, rf"\begin{{{kind}{star}}}[t]", r"\centering", inner, rf"\end{{{kind}{star}}}", ""]
    )
