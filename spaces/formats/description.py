"""What the columns of one's own table mean: a small TOML file, and a guess at it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bounds import read_toml
from ..table import BadFile, Column

if TYPE_CHECKING:
    import pandas as pd

_KEYS = (
    *("name", "dataset", "citation", "decisions", "choices", "epochs", "replica", "pool"),
    *("incomplete", "validation", "test", "cost", "more"),
)
_COLUMN_KEYS = ("column", "direction", "unit", "label", "proxy")
_LABELS = {"validation": "validation", "test": "test", "seconds": "training time"}


@dataclass(frozen=True)
class Measured:
    """A column of the file with what the table calls it."""

    source: str
    column: Column


@dataclass(frozen=True)
class Description:
    """See docs/bring-your-own-table.md for what each key means.

    ``epochs`` is the name of a column, or a number: that of every row. ``choices`` holds, for
    those decisions where it was said, what they choose from and in which order.
    """

    name: str
    decisions: tuple[str, ...]
    validation: Measured
    test: Measured | None = None
    cost: Measured | None = None
    more: tuple[Measured, ...] = ()
    dataset: str = "main"
    citation: str = ""
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    epochs: str | int = 1
    replica: str | None = None
    pool: bool = False
    drop_incomplete: bool = False

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Validation first, then whatever else there is."""
        first = (self.validation, self.test, self.cost)
        return (*(one for one in first if one is not None), *self.more)

    @property
    def used(self) -> list[str]:
        """The names of the file's columns that are read."""
        found = [*self.decisions, *(one.source for one in self.measured)]
        found += [name for name in (self.epochs, self.replica) if isinstance(name, str)]
        return list(dict.fromkeys(found))


def load(path: Path) -> Description:
    """The description in a TOML file.

    Raises:
        BadFile: if it is no TOML, a key is unknown or missing, or has an unexpected value.
    """
    try:
        return parse(read_toml(path))
    except FileNotFoundError:
        raise BadFile(f"there is no description {path}") from None
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from error


def parse(data: dict[str, Any]) -> Description:
    """A description from plain data, as TOML gives it."""
    _known(data, _KEYS, "")
    given: dict[str, Any] = {}
    for key in ("name", "dataset", "citation", "replica"):
        if key in data:
            given[key] = _typed(key, data[key], str, "a string")
    if "pool" in data:
        given["pool"] = _typed("pool", data["pool"], bool, "true or false")
    if (incomplete := data.get("incomplete", "refuse")) not in ("refuse", "drop"):
        raise BadFile(f'incomplete: expected "refuse" or "drop", got {incomplete!r}')
    given["drop_incomplete"] = incomplete == "drop"
    for key in ("name", "decisions", "validation"):
        if key not in data:
            raise BadFile(f"the key {key!r} is missing")
    given["decisions"] = _strings("decisions", data["decisions"])
    choices = _typed("choices", data.get("choices", {}), dict, "a table of lists")
    _known(choices, given["decisions"], " of choices")
    given["choices"] = {k: _strings(f"choices.{k}", v) for k, v in choices.items()}
    if "epochs" in data:
        epochs = data["epochs"]
        if isinstance(epochs, bool) or not isinstance(epochs, str | int) or epochs in (0, ""):
            raise BadFile(f"epochs: expected a column's name or a number above 0, got {epochs!r}")
        given["epochs"] = epochs
    for key, name in (("validation", "validation"), ("test", "test"), ("cost", "seconds")):
        if key in data:
            given[key] = _measured(key, data[key], name)
    if "cost" in given and given["cost"].column.maximize:
        raise BadFile("cost.direction: a cost is minimized")
    more = _typed("more", data.get("more", {}), dict, "a table of tables")
    given["more"] = tuple(_measured(f"more.{name}", value, name) for name, value in more.items())
    _distinct(Description(**given))
    return Description(**given)


def _distinct(made: Description) -> None:
    """Each column of the file means one thing, and each of the table has one name."""
    for what, names in (
        ("column", [*made.decisions, *(one.source for one in made.measured)]),
        ("name", [one.column.name for one in made.measured]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadFile(f"the {what} {twice[0]!r} is named twice")


def _measured(key: str, value: Any, name: str) -> Measured:
    if isinstance(value, str):
        value = {"column": value}
    table = _typed(key, value, dict, "a column's name, or a table with a column")
    _known(table, _COLUMN_KEYS, f" of {key}")
    if "column" not in table:
        raise BadFile(f"{key}: the key 'column' is missing")
    texts = {
        k: _typed(f"{key}.{k}", table[k], str, "a string")
        for k in ("column", "direction", "unit", "label")
        if k in table
    }
    direction = texts.get("direction", "minimize" if key == "cost" else None)
    if direction not in ("minimize", "maximize"):
        came = "nothing" if direction is None else repr(direction)
        raise BadFile(f'{key}.direction: expected "minimize" or "maximize", got {came}')
    column = Column(
        name,
        unit=texts.get("unit", "s" if key == "cost" else ""),
        maximize=direction == "maximize",
        label=texts.get("label", _LABELS.get(name, name)),
        proxy=_typed(f"{key}.proxy", table.get("proxy", False), bool, "true or false"),
    )
    return Measured(texts["column"], column)


def _known(data: dict[str, Any], known: Collection[str], where: str) -> None:
    for key in data:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise BadFile(f"unknown key{where} {key!r}; {hint}")


def _typed(key: str, value: Any, kind: type, expected: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadFile(f"{key}: expected {expected}, got {value!r}")
    return value


def _strings(key: str, value: Any) -> tuple[str, ...]:
    values = tuple(str(v) for v in _typed(key, value, list, "a list"))
    if not values or len(set(values)) < len(values):
        raise BadFile(f"{key}: expected one or more different values, got {value!r}")
    return values


# The wizard.

_GUESSES = {
    "replica": r"seed|replica|trial|repeat|run",
    "epochs": r"epochs?|fidelity|budget|iepoch|steps?",
    "validation": r"val(id)?(ation)?",
    "test": r"test",
    "cost": r"time|seconds|secs|duration|runtime|cost",
}
_LOSSES = re.compile(r"loss|err|mse|rmse|perplexity|ppl|nll|regret|latency|energy|flop|param|size")
_NUMBERING = re.compile(r"(row|arch|cell|net|model)?_?(id|index|idx|hash|no|number)|unnamed.*|")
MANY = 64
"""A column of more different values than this is no decision by itself."""


def guess(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """A description, as plain data, guessed from column names and a few rows.

    What measures something is known by its name; what is left and has few different values is a
    decision; what has many and is a number, a further column.
    """
    import pandas as pd

    found: dict[str, Any] = {"name": name, "dataset": "main", "decisions": []}
    more = {}
    for column in map(str, frame.columns):
        words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower())
        role = next((role for role, pattern in _GUESSES.items() if _any_word(pattern, words)), None)
        numeric = pd.to_numeric(frame[column], errors="coerce").notna().mean() > 0.5
        if role in ("epochs", "replica") and role not in found:
            found[role] = column
        elif role is not None and numeric and role not in found:
            found[role] = {"column": column, "direction": direction(column, role)}
        elif _NUMBERING.fullmatch(column.lower()):
            continue
        elif numeric and (role or _LOSSES.search(column.lower()) or _varied(frame[column])):
            more[re.sub(r"[^a-z0-9_-]+", "_", column.lower())] = {
                "column": column,
                "direction": direction(column, ""),
            }
        elif frame[column].nunique() <= MANY:
            found["decisions"].append(column)
    if more:
        found["more"] = more
    return found


def _any_word(pattern: str, words: list[str]) -> bool:
    return any(re.fullmatch(pattern, word) for word in words)


def direction(column: str, role: str) -> str:
    """Whether a column of this name, in this role, is better when it is small."""
    return "minimize" if role == "cost" or _LOSSES.search(column.lower()) else "maximize"


def _varied(values: pd.Series[Any]) -> bool:
    """Whether these are measurements: decimal numbers, of which there are many."""
    text = values.astype(str)
    return bool(text.nunique() > MANY or text.str.contains(r"\.\d{3,}").mean() > 0.5)


def to_toml(data: dict[str, Any]) -> str:
    """``data``, as `guess` makes it, as the text of a description."""
    lines = [
        "# What the columns of the table mean. See docs/bring-your-own-table.md.",
        *(f"{key} = {_value(v)}" for key, v in data.items() if not isinstance(v, dict)),
    ]
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    tables |= {f"more.{_key(k)}": v for k, v in tables.pop("more", {}).items()}
    for key, table in tables.items():
        lines += ["", f"[{key}]", *(f"{_key(k)} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _value(text)


def _value(value: Any) -> str:
    """A string, number, truth value or list, as TOML spells it (which JSON does too)."""
    import json

    return json.dumps(value, ensure_ascii=False)
