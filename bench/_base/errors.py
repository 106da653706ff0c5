"""What can go wrong. Every message names the thing, what was expected and what came."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

# All of these act on a terminal, or turn the text around them; tab and newline do neither.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff"
    r"\ud800-\udfff]"
)
_COMMAND = re.compile(r"^([^\S\n]*)::|##(?=\[)", re.MULTILINE)


def visible(text: str) -> str:
    """``text`` with every character that would act on a terminal spelled out, as ``\\u001b``.

    So are those that turn the direction of reading. What a runner of GitHub's would take for a
    command is taken apart.
    """
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return _COMMAND.sub(lambda f: "# #" if f[0] == "##" else f"{f[1]}: :", text)


def json_text(data: Any) -> str:
    """``data`` as JSON to be printed; what `visible` takes apart is escaped as JSON does it."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.replace("##[", "#\\u0023[")


class NasarenaError(Exception):
    """Any error that the arena itself explains; the command line prints it and exits with 2."""


class UnknownName(NasarenaError):
    """A name that nothing is registered under; suggests the nearest that is."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        if near:
            hint = f"did you mean {near[0]!r}?"
        else:
            shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            hint = f"known: {shown}" if names else "none is known"
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class ExperimentError(NasarenaError):
    """An experiment that cannot be run as it is written."""


class StoreError(NasarenaError):
    """A results folder that is not what it should be."""


class ClusterError(NasarenaError):
    """A cluster that cannot be reached, or whose workers cannot run what they are given."""


class DataError(NasarenaError):
    """A file that cannot be imported, or an imported table that is not what it should be."""


class InvalidProposal(NasarenaError):
    """A strategy proposed something that the oracle cannot answer."""


class RunFailed(NasarenaError):
    """A run ended by its strategy's or oracle's fault; names strategy, seed and step."""


class WorkerError(NasarenaError):
    """No process could be started to run units in."""


class CheckFailed(NasarenaError, AssertionError):
    """A rule that was not kept: what was expected and what came."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; came {came}")
        self.expected, self.came = expected, came
