"""Plain data from files that others wrote, checked before our own code takes them apart.

A reader that has checked its data catches no `AttributeError`, `TypeError` or `KeyError`: one of
these is then a fault of the reader's, and looks like one.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .table import BadFile

T = TypeVar("T")


def typed(plain: object, kind: type[T], what: str) -> T:
    """Return ``plain`` as a ``kind``.

    Args:
        plain: dictionaries, lists, tuples, texts, numbers, truth values and None.
        kind: a type that msgspec converts to, such as a ``TypedDict`` or ``dict[str, list[int]]``;
            what it does not name is left out.
        what: what ``plain`` is, for the message.

    Raises:
        BadFile: naming the first place that is of another type.
    """
    import msgspec

    try:
        return msgspec.convert(plain, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadFile(f"{what}: {str(error).replace('`', '')}") from error


def read_json(data: str | bytes, what: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        BadFile: if it is none.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{what}: no JSON ({type(error).__name__}: {error})") from error


def numbers(values: object, what: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Return nested lists of numbers as an array.

    Args:
        values: numbers in lists or tuples of one length at each level, or an array.
        what: what the numbers are, for the message.
        shape: of the array; None for any length.

    Raises:
        BadFile: if they are no numbers, or in lists of other lengths.
    """
    try:
        found = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadFile(f"{what}: expected numbers ({error})") from error
    fits = found.ndim == len(shape) and all(
        wanted is None or have == wanted for have, wanted in zip(found.shape, shape, strict=True)
    )
    if not fits:
        shown = " by ".join("any number" if n is None else str(n) for n in shape)
        raise BadFile(f"{what}: expected {shown} numbers, got {' by '.join(map(str, found.shape))}")
    return found
