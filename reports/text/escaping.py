"""Names and texts as a page, a table or a document may hold them: nothing in them can act.

Names come from plugins, results and imported tables: from anybody.
"""

from __future__ import annotations

import base64
import hashlib
import re

from ...bench._base.errors import visible

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "µ": r"$\mu$",
    "α": r"$\alpha$",
    "τ": r"$\tau$",
    "∞": r"$\infty$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def one_line(text: str) -> str:
    """``text`` on one line, what would act on a terminal or turn the direction spelled out."""
    return visible(re.sub(r"[\t\r\n]+", " ", text))


def latex(text: str) -> str:
    """``text`` with every character that LaTeX reads as a command escaped, on one line."""
    return "".join(_LATEX.get(c, c) for c in one_line(text))


def markdown(text: str) -> str:
    """``text`` in a line or a table's cell: no HTML, no links or pictures, no further cells."""
    text = one_line(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    text = re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
    return re.sub(r"\](?=[(\[:])", r"\\]", text)


def csv(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: an apostrophe before it.

    As OWASP advises (CSV injection). Numbers of ours are no text: they keep their minus.
    """
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def policy_hash(text: str) -> str:
    """The source of a content-security policy that lets exactly the script or style ``text`` be."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
