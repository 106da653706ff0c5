"""What a figure or table came from: a hash in the file itself, and how to read it back."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields, is_dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np

from ...bench._base import decoding
from ...bench._base.errors import StoreError
from .sources import Results

_KEY = "nasarena"


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Provenance:
    """One short hash each for data, code, settings, seeds and the record itself.

    ``data`` stands for the tables' hashes, ``code`` for the versions of the packages and the git
    commit the runs were made with, ``settings`` for the protocol and the strategies with their
    settings, ``seeds`` for the experiment's seed and the runs that are there, ``record`` for the
    fingerprint of every unit: what the runs gave.
    """

    data: str
    code: str
    settings: str
    seeds: str
    record: str

    @property
    def hash(self) -> str:
        """All five in one."""
        return _hash(asdict(self))

    def differs(self, other: Provenance) -> list[str]:
        """The names of the parts that are not the same."""
        return [
            field.name
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def provenance(record: Results) -> Provenance:
    """Where the results in ``record`` came from."""
    manifest = record.manifest
    used = record.labels
    rules = decoding.plain(manifest.experiment.rules)
    units = sorted(record.units)
    return Provenance(
        data=_hash({task: manifest.tasks[task].hash for task in record.tasks}),
        code=_hash([manifest.packages, manifest.python, decoding.plain(manifest.git)]),
        settings=_hash(
            {
                "strategies": [decoding.plain(manifest.specs[label]) for label in used],
                **{key: rules[key] for key in ("budget", "workers", "noise", "duplicates")},
            }
        ),
        seeds=_hash([manifest.experiment.seed, *units]),
        record=_hash([record.units[unit].fingerprint for unit in units]),
    )


def digest(value: Any) -> str:
    """A hash over numbers and texts, nested as they may be: what a figure or table shows."""
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()[:12]


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found.update(f"{value.dtype}{value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        for field in fields(value):
            found.update(field.name.encode())
            _feed(found, getattr(value, field.name))
    elif isinstance(value, dict):
        for key in value:
            found.update(repr(key).encode())
            _feed(found, value[key])
    elif isinstance(value, list | tuple):
        found.update(f"{len(value)}".encode())
        for part in value:
            _feed(found, part)
    elif isinstance(value, frozenset):
        _feed(found, sorted(value))
    else:
        found.update(repr(value).encode())


@dataclass(frozen=True)
class Recipe:
    """What is written into a file: enough to draw it again and to see whether it is the same.

    ``name`` is that of the figure or table in the report, ``shows`` the digest of its numbers and
    texts, ``drawn_with`` the versions of what drew it.
    """

    kind: str
    name: str
    style: str
    shows: str
    provenance: Provenance
    drawn_with: str

    def to_json(self) -> str:
        """One line."""
        return json.dumps({"hash": self.provenance.hash, **asdict(self)}, ensure_ascii=True)

    def metadata(self, format: str) -> dict[str, Any]:
        """For matplotlib's ``savefig``: no date, so that the same record gives the same file."""
        title = f"{self.name}, nasarena {self.provenance.hash}"
        if format == "pdf":
            return {"Title": title, "Keywords": self.to_json(), "CreationDate": None}
        if format == "svg":
            return {"Title": title, "Description": self.to_json(), "Date": None}
        return {"Title": title, _KEY: self.to_json()}

    def comment(self, format: str) -> str:
        """A line to put before a table in that format; nothing where there are no comments."""
        if format == "tex":
            return f"% {_KEY}: {self.to_json()}\n"
        if format in ("md", "html"):
            # Two dashes would end the comment.
            text = self.to_json().replace("--", r"-\u002d")
            return f"<!-- {_KEY}: {text} -->\n"
        return ""


def drawn_with() -> str:
    """The versions that a picture's bits depend on, as one text."""
    from importlib.metadata import version

    names = ("nasarena", "matplotlib", "numpy")
    return ", ".join(f"{name} {version(name)}" for name in names)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a figure or table that a report wrote.

    Raises:
        StoreError: if the file cannot be read or says nothing of where it came from.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    text = _find(path, data)
    try:
        found = json.loads(text)
        found.pop("hash")
        parts = Provenance(**found.pop("provenance"))
        return Recipe(provenance=parts, **found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StoreError(
            f"{path} does not say where it came from; expected a figure or table written by "
            "nasarena report (pdf, png, svg, tex, md, html or csv)"
        ) from None


def _find(path: Path, data: bytes) -> str:
    """The recipe's text; empty if there is none."""
    kind = path.suffix.lower()
    if kind == ".png":
        return _from_png(data)
    text = data.decode("utf-8", errors="replace")
    if kind == ".pdf":
        match = re.search(rb"/Keywords \(((?:[^\\()]|\\.)*)\)", data, re.DOTALL)
        return re.sub(rb"\\(.)", rb"\1", match[1]).decode("ascii") if match else ""
    if kind == ".svg":
        match_ = re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)
        return unescape(match_[1]) if match_ else ""
    match_ = re.search(rf"^(?:%|<!--) {_KEY}: (\{{.*\}})", text, re.MULTILINE)
    return match_[1] if match_ else ""


def _from_png(data: bytes) -> str:
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return str(image.info.get(_KEY, ""))
    # What Pillow says of a damaged picture, or of one that claims to be huge.
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return ""
