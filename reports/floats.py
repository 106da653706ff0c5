"""LaTeX floats: each figure and table with its caption and label, ready to be input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .text.escaping import latex

if TYPE_CHECKING:
    from .figures.gallery import Plate
    from .figures.style import Style
    from .record.provenance import Recipe
    from .text.tables import Table

_ROOT = r"\providecommand{\nasarena}{report}"


def floats(
    style: Style,
    plates: Sequence[tuple[Plate, Recipe]],
    tables: Sequence[tuple[Table, Recipe]],
) -> dict[str, str]:
    """Return the text of each float by its file's name.

    ``\\nasarena`` is the report's folder, to be set before they are input. What each is made from
    comes as its recipe beside it.
    """
    found = {}
    for plate, recipe in plates:
        star = "*" if plate.wide and style.full > style.column else ""
        body = rf"\includegraphics{{\nasarena/figures/{plate.name}.pdf}}"
        comment = recipe.comment("tex")
        found[f"{plate.name}.tex"] = comment + _float(
            "figure", star, body, plate.caption, plate.name
        )
    for table, recipe in tables:
        star = "*" if style.full > style.column else ""
        body = rf"\fontsize{{{style.size:g}}}{{{style.size * 1.2:g}}}\selectfont" + "\n"
        body += rf"\input{{\nasarena/tables/{table.name}.tex}}"
        comment = recipe.comment("tex")
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
