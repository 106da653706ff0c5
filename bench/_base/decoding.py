"""Plain data from files and other processes as typed structs, or one sentence about the fault.

msgspec checks; what it says of a fault leaves out the key of a dictionary and the value that came.
So a fault is looked up once more here, part by part, to name both:
``tasks.nasbench201/cifar10.hash: expected text, got 3``.
"""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from .errors import NasarenaError, UnknownName

T = TypeVar("T")

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a table",
    list: "a list",
    tuple: "a list",
    NoneType: "nothing",
}
_LONGEST = 60
"""Characters that are shown of a value."""


class DecodeError(ValueError):
    """Data that are not what their type says; the message names the field and what came."""


def convert(plain: Any, kind: type[T], at: str = "", *, complete: bool = False) -> T:
    """Return ``plain``, as JSON or TOML give it, as a ``kind``.

    Args:
        plain: dictionaries, lists, texts, numbers, truth values and None.
        kind: a `msgspec.Struct`, or whatever else msgspec can convert to.
        at: what errors call ``plain``; nothing for a whole file.
        complete: whether keys that have a default must be there nevertheless.

    Raises:
        DecodeError: naming the first field that is wrong, missing or unknown.
    """
    try:
        made = msgspec.convert(plain, kind)
    except (msgspec.ValidationError, NasarenaError, RecursionError) as error:
        raise DecodeError(_fault(plain, kind, at) or str(error)) from error
    if complete and (fault := _fault(plain, kind, at, complete=True)):
        raise DecodeError(fault)
    return made


def decode(text: str | bytes, kind: type[T]) -> T:
    """Return the ``kind`` that a JSON text holds.

    Raises:
        DecodeError: if it is no JSON, or not what ``kind`` says.
    """
    return convert(loads(text), kind)


def loads(text: str | bytes) -> Any:
    """Return what a JSON text holds, as plain data.

    Raises:
        DecodeError: if it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"it is no JSON: {error}") from error


def plain(value: Any) -> Any:
    """Return structs, and what they hold, as the plain data that `convert` takes."""
    return _lists(msgspec.to_builtins(value))


def _lists(value: Any) -> Any:
    """``value`` with lists in place of tuples, as JSON gives them."""
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def encode(value: Any, *, indent: int | None = None) -> str:
    """Return ``value`` as JSON text that `decode` gives back.

    Not by msgspec, which writes infinite numbers as ``null``.
    """
    return json.dumps(plain(value), indent=indent, ensure_ascii=False)


# What is wrong.


def _fault(value: Any, kind: Any, at: str, *, complete: bool = False) -> str | None:
    """The first thing in ``value`` that is not as ``kind`` says; None if all is well."""
    if isinstance(value, dict | list):
        kind = _member(value, kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(value, dict):
                return _struct_fault(value, kind, at, complete)
        else:
            for part, inner, where in _parts(value, kind, at):
                if found := _fault(part, inner, where, complete=complete):
                    return found
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return f"{_prefix(at)}expected {_words(kind)}, got {_shown(value)}"
    except (NasarenaError, RecursionError) as error:
        return f"{_prefix(at)}{error}"
    return None


def _member(value: Any, kind: Any) -> Any:
    """The member of a union that ``value`` is for: by its tag, or the only one of its sort."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    structs = [m for m in get_args(kind) if isinstance(m, type) and issubclass(m, msgspec.Struct)]
    if isinstance(value, dict) and structs:
        tagged = {m.__struct_config__.tag: m for m in structs}
        field = structs[0].__struct_config__.tag_field
        return tagged.get(value.get(field), kind) if field else structs[0]
    sort = dict if isinstance(value, dict) else (list, tuple)
    fitting = [m for m in get_args(kind) if isinstance(get_origin(m) or m, type)]
    fitting = [m for m in fitting if issubclass(get_origin(m) or m, sort)]
    return fitting[0] if len(fitting) == 1 else kind


def _struct_fault(
    value: dict[Any, Any], kind: type[msgspec.Struct], at: str, complete: bool
) -> str | None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    config = kind.__struct_config__
    if config.forbid_unknown_fields:
        for name in value:
            if name not in fields and name != config.tag_field:
                return str(UnknownName(f"key{f' of {at}' if at else ''}", str(name), fields))
    for name, field in fields.items():
        where = f"{at}.{name}" if at else name
        if name in value:
            if found := _fault(value[name], field.type, where, complete=complete):
                return found
        elif complete or field.required:
            return f"{where}: expected {_words(field.type)}, it is missing"
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, NasarenaError) as error:  # what its own check says
        return f"{_prefix(at)}{error}"
    return None


def _parts(value: Any, kind: Any, at: str) -> list[tuple[Any, Any, str]]:
    """What ``value`` holds, each with its type and place; nothing where the type says neither."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict and isinstance(value, dict):
        return [(v, inner[1], f"{at}.{k}" if at else str(k)) for k, v in value.items()]
    if origin in (list, tuple) and isinstance(value, list):
        if len(inner) > 1 and inner[1] is not ...:
            kinds = inner if len(inner) == len(value) else ()
        else:
            kinds = inner[:1] * len(value)
        return [(v, k, f"{at}[{n}]") for n, (v, k) in enumerate(zip(value, kinds, strict=False))]
    return []


def _prefix(at: str) -> str:
    return f"{at}: " if at else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _words(kind: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _words(inner[0]) + "".join(_bounds(m) for m in kind.__metadata__)
    if origin in (Union, UnionType):
        return " or ".join(_words(member) for member in inner)
    if origin is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        names = [field.encode_name for field in msgspec.structs.fields(kind)]
        return f"a table with {', '.join(names)}"
    return _WORDS.get(origin or kind, str(kind))


def _bounds(meta: Any) -> str:
    if not isinstance(meta, msgspec.Meta):
        return ""
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge:,} to {meta.le:,}"
    if meta.ge is not None:
        return f" of at least {meta.ge:,}"
    if meta.gt is not None:
        return f" above {meta.gt:,}"
    if meta.min_length is not None:
        return f" with at least {meta.min_length} entr{'y' if meta.min_length == 1 else 'ies'}"
    return ""
