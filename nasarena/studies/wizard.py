"""Writes the description of one's own table: guesses what its columns mean, and asks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from ..bench._base.errors import DataError
from ..spaces.formats import description, own
from ..spaces.table import BadFile

Ask: TypeAlias = "Callable[[str, str, list[str]], str]"
"""Is given a column, the role guessed for it and all roles; answers with one of them."""

ROLES = ["decision", "validation", "test", "cost", "epochs", "replica", "further", "nothing"]
_ROWS = 2000


def describe(path: Path, ask: Ask | None) -> str:
    """The text of a description of the table at ``path``; ``ask=None`` takes every guess.

    Raises:
        DataError: if the file cannot be read, or there is no decision or no validation column.
    """
    try:
        frame = own.read_frame(path, _ROWS)
    except (BadFile, OSError) as error:
        raise DataError(str(error)) from error
    stem = path.name.partition(".")[0].lower()
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._") or "my-table"
    guessed = description.guess(frame, name)
    if ask is not None:
        guessed = _asked(guessed, [str(column) for column in frame.columns], ask)
    for key, what in (("decisions", "decision"), ("validation", "validation")):
        if not guessed.get(key):
            raise DataError(f"{path}: no {what} column was found; write the description by hand")
    return description.to_toml(guessed)


def _role(guessed: dict[str, Any], column: str) -> str:
    if column in guessed["decisions"]:
        return "decision"
    for role in ("epochs", "replica"):
        if guessed.get(role) == column:
            return role
    for role in ("validation", "test", "cost"):
        if guessed.get(role, {}).get("column") == column:
            return role
    further = [one["column"] for one in guessed.get("more", {}).values()]
    return "further" if column in further else "nothing"


def _asked(guessed: dict[str, Any], columns: list[str], ask: Ask) -> dict[str, Any]:
    """The description after every guess was confirmed or put right."""
    made: dict[str, Any] = {"name": guessed["name"], "dataset": guessed["dataset"]}
    made["decisions"] = []
    more = {}
    for column in columns:
        role = ask(column, _role(guessed, column), ROLES)
        if role == "decision":
            made["decisions"].append(column)
        elif role in ("epochs", "replica"):
            made[role] = column
        elif role in ("validation", "test", "cost", "further"):
            near = description.direction(column, role)
            if role != "cost":
                near = ask(f"{column} is better when", near, ["minimize", "maximize"])
            measured = {"column": column, "direction": near}
            if role == "further":
                more[re.sub(r"[^a-z0-9_-]+", "_", column.lower())] = measured
            else:
                made[role] = measured
    return made | ({"more": more} if more else {})


def ask(what: str, guess: str, known: list[str]) -> str:
    """Ask on the terminal; Enter takes the guess."""
    from rich.prompt import Prompt

    return Prompt.ask(what, choices=known, default=guess)
