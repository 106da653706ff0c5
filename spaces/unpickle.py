"""Reads pickled tables without letting them run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


class UnsafePickle(pickle.UnpicklingError):
    """A pickle that asks for more than plain containers, strings, bytes and numbers."""


class _Dtype:
    """Stands in for `numpy.dtype`: the stream gets no say beyond a plain numeric type."""

    def __init__(self, code: str, *_: object) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biuf":
            raise UnsafePickle(f"a NumPy scalar of type {code!r}; allowed are plain numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


def _scalar(kind: _Dtype, raw: bytes) -> int | float | bool:
    value: int | float | bool = np.frombuffer(raw, kind.dtype, count=1)[0].item()
    return value


# Both spellings of the module: NumPy 2 renamed it. Our own stand-ins answer in their place.
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise UnsafePickle(
                f"{self._path} asks for the global {module}.{name}, which is refused: a pickled "
                "table may hold plain containers, strings, bytes and numbers, NumPy scalars "
                "included, and nothing else"
            ) from None


def load(path: Path) -> Any:
    """The object pickled in the file ``path``; NumPy scalars come back as Python numbers.

    For files that come with installed packages: what others send goes through
    `nasarena.spaces.formats.stream`, which also bounds the memory that it takes.

    Raises:
        UnsafePickle: if the pickle asks for any global beyond plain NumPy scalars, or is none.
            Nothing that it names has been imported or called by then.
    """
    with open(path, "rb") as file:
        try:
            return _PlainUnpickler(file, path).load()
        except UnsafePickle:
            raise
        # All that bytes which are no pickle can bring Python's unpickler to say.
        except Exception as error:
            raise UnsafePickle(
                f"{path}: expected a pickled table ({type(error).__name__}: {error})"
            ) from error
