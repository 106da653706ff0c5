"""A gate's outcome as files, one a format."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ...bench._base.errors import StoreError
from ...bench.store.store import write_text
from . import gate_output, gate_page
from .gate import Gate, Verdict
from .gate_record import Record

FORMATS = ("md", "json", "junit", "gitlab", "html")
_FILES = {
    "md": "gate.md",
    "json": "gate.json",
    "junit": "gate-junit.xml",
    "gitlab": "gl-code-quality-report.json",
    "html": "gate.html",
}


def write_gate(
    gate: Gate,
    sides: Sequence[Record],
    folder: str | os.PathLike[str],
    formats: Sequence[str] = FORMATS,
    fail_on: Sequence[Verdict] = (Verdict.REGRESSED, Verdict.MISSING),
) -> list[Path]:
    """Write the outcome into ``folder``, one file a format; returns the files.

    Raises:
        StoreError: if a format is unknown or the folder cannot be written.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise StoreError(f"unknown format {unknown}; expected some of {', '.join(FORMATS)}")
    files = []
    for kind in formats:
        if kind == "html":
            text = gate_page.page(gate, sides)
        elif kind == "md":
            text = gate_output.markdown(gate, fail_on)
        elif kind == "json":
            text = json.dumps(gate_output.to_json(gate), indent=1, ensure_ascii=False) + "\n"
        elif kind == "junit":
            text = gate_output.junit(gate, fail_on)
        else:
            text = (
                json.dumps(gate_output.code_quality(gate, fail_on), indent=1, ensure_ascii=False)
                + "\n"
            )
        path = Path(folder) / _FILES[kind]
        write_text(path, text)
        files.append(path)
    return files
