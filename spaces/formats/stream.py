"""Reads pickles of any size piece by piece, and executes nothing that they hold.

Python's own unpickler keeps all that a pickle holds until its end: tens of gigabytes for the
largest benchmark files. This one hands every dictionary over as soon as it is complete, so that
its content can be taken out of it, and knows plain values only: no classes, no functions.
"""

from __future__ import annotations

import pickle
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
_DOUBLE, _U1, _U2, _I4, _U4, _U8 = map(Struct, (">d", "B", "<H", "<i", "<I", "<Q"))
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
Operation = Callable[["Unpickler", list[Any]], None]


class _Texts(dict[bytes, str]):
    """Each text once, by its bytes: tables repeat theirs a million times."""

    def __missing__(self, raw: bytes) -> str:
        self[raw] = text = str(raw, "utf-8", "surrogatepass")
        return text


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
        self._memo: list[Any] = []
        self._texts = _Texts()

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

    def _load(self) -> Any:
        """Run the pickle machine until the next object is whole.

        What tables mostly consist of is done here: a call for each would double the time. Other
        opcodes are in the tables below: `_ON_STACK`, `_ON_ITEMS` and `_OTHERS`.
        """
        buffer, place = self._buffer, self._place
        limit = len(buffer) - _MARGIN
        stack: list[Any] = []
        self._memo, self._texts = [], _Texts()
        outer: list[list[Any]] = []
        memo, put, texts = self._memo, self._memo.append, self._texts
        series, double, u4 = _SERIES.match, _DOUBLE.unpack_from, _U4.unpack_from
        while True:
            if place > limit:
                buffer, place, limit = self._refilled(place)
            op = buffer[place]
            place += 1
            if op == 71:  # BINFLOAT
                stack.append(double(buffer, place)[0])
                place += 8
            elif op == 106:  # LONG_BINGET
                stack.append(memo[u4(buffer, place)[0]])
                place += 4
            elif op == 114 and u4(buffer, place)[0] == len(memo):  # LONG_BINPUT
                put(stack[-1])
                place += 4
            elif op == 148:  # MEMOIZE
                put(stack[-1])
            elif op == 88 and (end := place + 4 + u4(buffer, place)[0]) <= len(buffer):
                stack.append(texts[buffer[place + 4 : end]])  # BINUNICODE
                place = end
            elif op == 140 and (end := place + 1 + buffer[place]) <= len(buffer):
                stack.append(texts[buffer[place + 1 : end]])  # SHORT_BINUNICODE
                place = end
            elif op == 75:  # BININT1
                stack.append(buffer[place])
                place += 1
            elif op == 104:  # BINGET
                stack.append(memo[buffer[place]])
                place += 1
            elif op == 40 and (found := series(buffer, place)) is not None:
                stack[-1].update(_UNIT.iter_unpack(buffer[place : found.end() - 1]))
                place = found.end()
            elif op == 40:  # MARK
                outer.append(stack)
                stack = []
            elif op == 117:  # SETITEMS
                items, stack = stack, outer.pop()
                self._fill(stack[-1], items)
            elif op in _ON_STACK:
                _ON_STACK[op](stack)
            elif op in _ON_ITEMS:
                items, stack = stack, outer.pop()
                _ON_ITEMS[op](stack, items)
            elif op == 46:  # STOP
                self._place = place
                (value,) = stack
                return value
            else:
                self._place = place
                _OTHERS.get(op, _unexpected)(self, stack)
                place = self._place
                if self._buffer is not buffer:
                    buffer = self._buffer
                    limit = max(len(buffer) - _MARGIN, place)

    def _refilled(self, place: int) -> tuple[bytes, int, int]:
        """Read on; return the buffer, where to go on in it, and from where to read on again."""
        buffer = self._refill(place)
        if not buffer:
            raise self._ended()
        # In the last piece, whatever is read beyond its end raises.
        return buffer, 0, max(len(buffer) - _MARGIN, 0) or len(buffer) - 1

    def _fill(self, filled: Any, items: list[Any]) -> None:
        if not isinstance(filled, dict):
            raise TypeError("items for something that is no dictionary")
        filled.update(zip(items[::2], items[1::2], strict=True))
        self._take(filled)

    # What the opcodes in `_OTHERS` find behind them.

    def _bytes(self, size: int) -> bytes:
        """The next bytes, however many those are."""
        if self._place + size > len(self._buffer):
            self._refill(self._place, size + _MARGIN)
            if size > len(self._buffer):
                raise self._ended()
        self._place += size
        return self._buffer[self._place - size : self._place]

    def _number(self, code: Struct) -> int:
        number: int = code.unpack_from(self._buffer, self._place)[0]
        self._place += code.size
        return number

    def _line(self) -> str:
        end = self._buffer.index(b"\n", self._place)
        line = self._buffer[self._place : end].decode()
        self._place = end + 1
        return line

    def _put(self, stack: list[Any], number: int) -> None:
        if number != len(self._memo):
            raise ValueError(f"memo entry {number} after {len(self._memo)}")
        self._memo.append(stack[-1])

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


# The opcodes that only move what is on the stack.


def _call(stack: list[Any]) -> None:
    """What stands in for calling one of the few things that may be called."""
    given = stack.pop()
    what = stack.pop()
    if what is OrderedDict and not given:  # it may have been given None
        given = ()
    stack.append(what(*given))


def _build(stack: list[Any]) -> None:
    state = stack.pop()
    if state is not None and hasattr(stack[-1], "__setstate__"):
        stack[-1].__setstate__(state)


def _append(stack: list[Any]) -> None:
    value = stack.pop()
    stack[-1].append(value)


def _tuple_of(size: int) -> Callable[[list[Any]], None]:
    def gather(stack: list[Any]) -> None:
        stack[-size:] = [tuple(stack[-size:])]

    return gather


_ON_STACK: dict[int, Callable[[list[Any]], None]] = {
    code[0]: operation
    for code, operation in (
        (pickle.NONE, lambda stack: stack.append(None)),
        (pickle.NEWTRUE, lambda stack: stack.append(True)),
        (pickle.NEWFALSE, lambda stack: stack.append(False)),
        (pickle.EMPTY_DICT, lambda stack: stack.append({})),
        (pickle.EMPTY_LIST, lambda stack: stack.append([])),
        (pickle.EMPTY_TUPLE, lambda stack: stack.append(())),
        (pickle.EMPTY_SET, lambda stack: stack.append(set())),
        (pickle.TUPLE1, _tuple_of(1)),
        (pickle.TUPLE2, _tuple_of(2)),
        (pickle.TUPLE3, _tuple_of(3)),
        (pickle.APPEND, _append),
        (pickle.REDUCE, _call),
        (pickle.NEWOBJ, _call),
        (pickle.BUILD, _build),
    )
}
_ON_ITEMS: dict[int, Callable[[list[Any], list[Any]], None]] = {
    code[0]: operation
    for code, operation in (
        (pickle.APPENDS, lambda stack, items: stack[-1].extend(items)),
        (pickle.ADDITEMS, lambda stack, items: stack[-1].update(items)),
        (pickle.TUPLE, lambda stack, items: stack.append(tuple(items))),
        (pickle.LIST, lambda stack, items: stack.append(items)),
        (pickle.FROZENSET, lambda stack, items: stack.append(frozenset(items))),
    )
}
"""What becomes of all since the last mark."""

# The opcodes that read on, or need to know more than the stack.


def _unexpected(reader: Unpickler, stack: list[Any]) -> None:
    raise ValueError(f"unexpected opcode {reader._buffer[reader._place - 1]}")


def _number(code: Struct) -> Operation:
    return lambda reader, stack: stack.append(reader._number(code))


def _long(reader: Unpickler, stack: list[Any]) -> None:
    stack.append(int.from_bytes(reader._bytes(reader._number(_U1)), "little", signed=True))


def _string(size: Struct) -> Operation:
    return lambda reader, stack: stack.append(reader._bytes(reader._number(size)))


def _text(size: Struct) -> Operation:
    return lambda reader, stack: stack.append(reader._texts[reader._bytes(reader._number(size))])


def _put(code: Struct) -> Operation:
    return lambda reader, stack: reader._put(stack, reader._number(code))


def _set_item(reader: Unpickler, stack: list[Any]) -> None:
    value = stack.pop()
    key = stack.pop()
    reader._fill(stack[-1], [key, value])


def _named(reader: Unpickler, stack: list[Any]) -> None:
    module = reader._line()
    stack.append(reader._global(module, reader._line()))


def _named_on_stack(reader: Unpickler, stack: list[Any]) -> None:
    name = stack.pop()
    stack.append(reader._global(stack.pop(), name))


def _skip(size: int) -> Operation:
    def skip(reader: Unpickler, stack: list[Any]) -> None:
        reader._place += size

    return skip


_OTHERS: dict[int, Operation] = {
    code[0]: operation
    for code, operation in (
        (pickle.BININT, _number(_I4)),
        (pickle.BININT2, _number(_U2)),
        (pickle.LONG1, _long),
        (pickle.SHORT_BINBYTES, _string(_U1)),
        (pickle.BINBYTES, _string(_U4)),
        (pickle.BINBYTES8, _string(_U8)),
        (pickle.SHORT_BINSTRING, _string(_U1)),
        (pickle.BINSTRING, _string(_U4)),
        (pickle.SHORT_BINUNICODE, _text(_U1)),
        (pickle.BINUNICODE, _text(_U4)),
        (pickle.BINPUT, _put(_U1)),
        (pickle.LONG_BINPUT, _put(_U4)),
        (pickle.SETITEM, _set_item),
        (pickle.GLOBAL, _named),
        (pickle.STACK_GLOBAL, _named_on_stack),
        (pickle.PROTO, _skip(1)),
        (pickle.FRAME, _skip(8)),
    )
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
