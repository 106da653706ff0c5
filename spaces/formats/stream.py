"""Reads pickles of any size piece by piece, and executes nothing that they hold.

Python's own unpickler keeps all that a pickle holds until its end: tens of gigabytes for the
largest benchmark files. This one hands every dictionary over as soon as it is complete, so that
its content can be taken out of it, and knows plain values only: no classes, no functions.
"""

from __future__ import annotations

import re
import traceback
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from struct import Struct, error
from typing import IO, Any

from .. import unpickle
from ..bounds import UNPACK_ERRORS
from ..table import BadFile
from ..unpickle import ALLOWED, UnsafePickle

_CHUNK, _MARGIN = 1 << 24, 1 << 20
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_DOUBLE, _U2, _I4, _U4, _U8 = (Struct(code) for code in (">d", "<H", "<i", "<I", "<Q"))
_SERIES = re.compile(rb"(?:K.G.{8})++u", re.DOTALL)
"""A whole dictionary from small numbers to floats: by far the most frequent thing."""
_UNIT = Struct(">xBxd")

_NO_PICKLE = (
    *(IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, EOFError, error),
    zipfile.BadZipFile,
)

_MACHINE = (__file__, unpickle.__file__)
"""The sources of what runs when a pickle is read."""

Take = Callable[[dict[Any, Any]], None]


class Unpickler:
    """Reads one pickle after the other from a file.

    ``take`` is called with every dictionary that has just been filled. It may empty the
    dictionary, which frees its content; a part of it that turns up again elsewhere is then empty
    there too.

    Raises (from `load`):
        BadFile: if the file ends too early or is no pickle.
        UnsafePickle: if it asks for a class or function. Nothing has been imported or called.
    """

    def __init__(
        self,
        file: IO[bytes] | BufferedIOBase,
        name: str,
        take: Take | None = None,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._file, self._name, self._progress = file, name, progress
        self._take = take or (lambda filled: None)
        self._buffer, self._place, self._before = b"", 0, 0

    def load(self) -> Any:
        """The next object."""
        try:
            return self._load()
        except (BadFile, UnsafePickle):
            raise
        # All that bytes which are no pickle can bring the machine below to say; what whoever takes
        # the dictionaries says is his own.
        except _NO_PICKLE as e:
            if not _is_of_machine(e):
                raise
            raise BadFile(
                f"{self._name}: expected a pickle of plain values, got something else, or half of "
                f"one, after {self._before:,} bytes ({type(e).__name__}: {e})"
            ) from e

    def _refill(self, place: int, need: int = _MARGIN) -> bytes:
        """Forget what lies before ``place``, read on, and return the buffer, anew from 0."""
        self._before += place
        parts = [self._buffer[place:]]
        have = len(parts[0])
        while have < need:
            block = self._file.read(max(_CHUNK, need - have))
            if not block:
                break
            parts.append(block)
            have += len(block)
        self._buffer = b"".join(parts)
        self._place = 0
        self._progress(self._before)
        return self._buffer

    def _ended(self) -> BadFile:
        return BadFile(f"{self._name} ends in the middle, after {self._before:,} bytes: truncated?")

    def _load(self) -> Any:  # one loop over the opcodes of a pickle; calls would double its time
        buffer, place = self._buffer, self._place
        stack: list[Any] = []
        outer: list[list[Any]] = []
        memo: list[Any] = []
        texts: dict[bytes, str] = {}
        take, series, double = self._take, _SERIES.match, _DOUBLE.unpack_from
        put, u4 = memo.append, _U4.unpack_from
        limit = len(buffer) - _MARGIN
        while True:
            if place > limit:
                buffer = self._refill(place)
                place, limit = 0, max(len(buffer) - _MARGIN, 0)
                if not buffer:
                    raise self._ended()
                if limit == 0:
                    # The last piece: whatever is read beyond its end raises.
                    limit = len(buffer) - 1
            op = buffer[place]
            place += 1
            if op == 71:  # BINFLOAT
                stack.append(double(buffer, place)[0])
                place += 8
            elif op == 106:  # LONG_BINGET
                stack.append(memo[u4(buffer, place)[0]])
                place += 4
            elif op == 114 or op == 113 or op == 148:  # LONG_BINPUT, BINPUT, MEMOIZE
                if op == 114:
                    number = u4(buffer, place)[0]
                    place += 4
                elif op == 113:
                    number = buffer[place]
                    place += 1
                else:
                    number = len(memo)
                if number != len(memo):
                    raise ValueError(f"memo entry {number} after {len(memo)}")
                put(stack[-1])
            elif op == 88 or op == 140:  # BINUNICODE, SHORT_BINUNICODE
                size = u4(buffer, place)[0] if op == 88 else buffer[place]
                place += 4 if op == 88 else 1
                if place + size > len(buffer):
                    buffer = self._refill(place, size + _MARGIN)
                    place, limit = 0, max(len(buffer) - _MARGIN, size)
                    if size > len(buffer):
                        raise self._ended()
                raw = buffer[place : place + size]
                place += size
                text = texts.get(raw)
                if text is None:
                    text = texts[raw] = str(raw, "utf-8", "surrogatepass")
                stack.append(text)
            elif op == 75:  # BININT1
                stack.append(buffer[place])
                place += 1
            elif op == 104:  # BINGET
                stack.append(memo[buffer[place]])
                place += 1
            elif op == 40:  # MARK
                found = series(buffer, place)
                if found is not None:
                    stack[-1].update(_UNIT.iter_unpack(buffer[place : found.end() - 1]))
                    place = found.end()
                else:
                    outer.append(stack)
                    stack = []
            elif op == 117 or op == 115:  # SETITEMS, SETITEM
                if op == 117:
                    items, stack = stack, outer.pop()
                else:
                    items = [stack.pop(-2), stack.pop()]
                filled = stack[-1]
                if not isinstance(filled, dict):
                    raise TypeError("items for something that is no dictionary")
                filled.update(zip(items[::2], items[1::2], strict=True))
                take(filled)
            elif op == 46:  # STOP
                self._place = place
                (value,) = stack
                return value
            elif op in _SIMPLE:
                stack.append(_SIMPLE[op]())
            elif op in _NUMBERS:
                code = _NUMBERS[op]
                stack.append(code.unpack_from(buffer, place)[0])
                place += code.size
            elif op in _SKIPPED:
                place += _SKIPPED[op]
            elif op == 138:  # LONG1
                size = buffer[place]
                stack.append(
                    int.from_bytes(buffer[place + 1 : place + 1 + size], "little", signed=True)
                )
                place += 1 + size
            elif op in _STRINGS:
                code = _STRINGS[op]
                size = code.unpack_from(buffer, place)[0]
                place += code.size
                if place + size > len(buffer):
                    raise self._ended()
                stack.append(buffer[place : place + size])
                place += size
            elif op in _GATHERED:
                items, stack = stack, outer.pop()
                _GATHERED[op](stack, items)
            elif op in _TUPLES:
                size = _TUPLES[op]
                stack[-size:] = [tuple(stack[-size:])]
            elif op == 97:  # APPEND
                value = stack.pop()
                stack[-1].append(value)
            elif op == 99:  # GLOBAL
                end = buffer.index(b"\n", buffer.index(b"\n", place) + 1)
                module, name = buffer[place:end].decode().split("\n")
                stack.append(self._global(module, name))
                place = end + 1
            elif op == 147:  # STACK_GLOBAL
                name = stack.pop()
                stack.append(self._global(stack.pop(), name))
            elif op == 82 or op == 129:  # REDUCE, NEWOBJ
                given = stack.pop()
                stack.append(_called(stack.pop(), given))
            elif op == 98:  # BUILD
                state = stack.pop()
                if state is not None and hasattr(stack[-1], "__setstate__"):
                    stack[-1].__setstate__(state)
            else:
                raise ValueError(f"unexpected opcode {op}")

    def _global(self, module: str, name: str) -> Any:
        try:
            return _PLAIN[module, name]
        except KeyError:
            raise UnsafePickle(
                f"{self._name} asks for the global {module}.{name}, which is refused: the file may "
                "hold plain containers, strings, bytes and numbers, and nothing else"
            ) from None


def _is_of_machine(error: BaseException) -> bool:
    """Whether an error arose in the unpickler, not in what takes its dictionaries."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code.co_filename in _MACHINE


def _encode(text: str, encoding: str) -> bytes:
    return text.encode("latin-1")


def _called(what: Any, given: tuple[Any, ...]) -> Any:
    """What stands in for calling one of the few things that may be called."""
    if what is OrderedDict:
        return OrderedDict(*given) if given else OrderedDict()
    return what(*given)


def _append_all(stack: list[Any], items: list[Any]) -> None:
    stack[-1].extend(items)


def _add_all(stack: list[Any], items: list[Any]) -> None:
    stack[-1].update(items)


_PLAIN: dict[tuple[str, str], Any] = {
    **ALLOWED,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (set, frozenset, bytes)
    },
}
_SIMPLE: dict[int, Callable[[], Any]] = {
    78: lambda: None,
    136: lambda: True,
    137: lambda: False,
    125: dict,
    93: list,
    41: tuple,
    143: set,
}
_NUMBERS = {77: _U2, 74: _I4}
_SKIPPED = {128: 1, 149: 8}  # PROTO, FRAME
_STRINGS = {67: Struct("B"), 66: _U4, 142: _U8, 85: Struct("B"), 84: _U4}
_TUPLES = {133: 1, 134: 2, 135: 3}
_GATHERED: dict[int, Callable[[list[Any], list[Any]], None]] = {
    101: _append_all,
    144: _add_all,
    116: lambda stack, items: stack.append(tuple(items)),
    108: lambda stack, items: stack.append(items),
    145: lambda stack, items: stack.append(frozenset(items)),
}


@contextmanager
def _archive(path: Path) -> Iterator[IO[bytes]]:
    """The one pickle in a zip archive of `torch.save`, which compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
            if len(found) != 1:
                raise BadFile(f"{path}: expected a file of torch.save, got another zip archive")
            if found[0].compress_type != zipfile.ZIP_STORED:
                raise BadFile(f"{path}: torch.save compresses nothing, this archive is compressed")
            with archive.open(found[0]) as file:
                yield file
    except (BadFile, UnsafePickle):
        raise
    except UNPACK_ERRORS as error:
        raise BadFile(f"{path}: expected a file of torch.save ({error})") from error


@contextmanager
def torch_file(
    path: Path, take: Take | None = None, progress: Callable[[float], None] = lambda part: None
) -> Iterator[Unpickler]:
    """An unpickler for the object in a file of `torch.save`, old format or new.

    Raises:
        BadFile: if it is no such file.
    """
    size = max(path.stat().st_size, 1)
    tell = lambda count: progress(min(count / size, 1.0))  # noqa: E731
    with path.open("rb") as start:
        zipped = start.read(4) == b"PK\x03\x04"
    if zipped and not zipfile.is_zipfile(path):
        raise BadFile(f"{path} ends in the middle: truncated?")
    if zipped:
        with _archive(path) as file:
            yield Unpickler(file, str(path), take, tell)
        return
    with path.open("rb") as plain:
        reader = Unpickler(plain, str(path), None, tell)
        if reader.load() != _TORCH_MAGIC:
            raise BadFile(f"{path}: expected a file of torch.save, got another pickle")
        for _ in ("version of the format", "byte order and sizes of integers"):
            reader.load()
        reader._take = take or reader._take
        yield reader
