"""A hash of what Python code does, not of how it is written or where it lies.

Comments, formatting and all that `syntax` leaves out do not count, nor do those arguments of
``@strategy`` that no run depends on. A name that an import binds is replaced by what it stands for,
and the import itself goes: which module a name came from, how that module is called and where it
lies do not matter, what it holds does. Modules are numbered as they are met, from the first one
on, so that their names and order do not matter either. The hash is the same on every version of
Python that can parse the code.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from .syntax import Meaning, Source, imported

Locate: TypeAlias = "Callable[[str], Path | str]"
"""From a module's full name to its source, if that counts; else to the text that stands for it."""

ARENA = "nasarena"
"""What stands for the modules of the arena itself."""

_NO_EFFECT = {"family", "source", "lanes", "budget_aware"}
"""Arguments of ``@strategy`` that no run depends on."""

_UNSEEN = {"ctx", "kind", "type_comment", "type_ignores", "simple"}
"""Fields of a syntax tree that follow from the rest, or do nothing."""


def digest(start: Path, package: str, name: str, locate: Locate) -> tuple[str, set[str]]:
    """Hash the code in a file and in the modules that it imports.

    Args:
        start: the file.
        package: the full name of the package it lies in, from which relative imports start.
        name: what is used of it.
        locate: tells which modules to follow.

    Returns:
        16 hexadecimal digits, and the top-level modules that any of the files imports, be it for
        type checkers alone.

    Raises:
        OSError: if a file cannot be read.
        SyntaxError: if one is not Python; also ValueError and RecursionError.
    """
    code = _Code(locate)
    text = code.text(start, package, name)
    roots = set().union(*(source.roots for source in code.sources.values()))
    return hashlib.sha256(text.encode()).hexdigest()[:16], roots


class _Code:
    """The files that the code of one file leads to.

    Attributes:
        sources: those that were read.
    """

    def __init__(self, locate: Locate) -> None:
        self.sources: dict[Path, Source] = {}
        self._locate = locate
        self._numbers: dict[Path, int] = {}

    def text(self, start: Path, package: str, name: str) -> str:
        """All files as one text, in the order of their numbers, behind what ``name`` stands for."""
        first = self.sources[start] = Source(start, package)
        own = f"<file {self._number(start)}.{name}>" if name not in first.meanings else ""
        written = [own or self._refer(first.meanings[name])]
        written += [f"{[self._number(path) for path in self._filled(start, set())]}\n"]
        done = 0
        while done < len(self._numbers):
            source = self.sources[list(self._numbers)[done]]
            written += (self._write(node, source) for node in source.body)
            for other, meaning in sorted(source.unclear.items()):
                written.append(f"import({other}={self._refer(meaning)})")
            written.append(f"{sorted({self._number(path) for path in self._needed(source)})}\n")
            done += 1
        return "".join(written)

    def _number(self, path: Path) -> int:
        return self._numbers.setdefault(path, len(self._numbers))

    def _source(self, module: str) -> Path | str:
        """Where a module's source is, which has been read then; else what stands for it."""
        path = self._locate(module)
        if isinstance(path, Path) and path not in self.sources:
            package = module if path.stem == "__init__" else module.rpartition(".")[0]
            self.sources[path] = Source(path, package)
        return path

    def _inner(self, module: str, name: str) -> Path | str:
        """The same for a module in a package, or "" where there is none of that name."""
        package = self._locate(module)
        if isinstance(package, Path) and package.stem != "__init__":
            return ""
        path = self._source(f"{module}.{name}")
        return path if isinstance(path, Path) else ""

    def _needed(self, source: Source, seen: set[Path] | None = None) -> Iterator[Path]:
        """The files that a file imports, each once."""
        seen = set() if seen is None else seen
        for module, names in source.imports:
            for path in (self._source(module), *(self._inner(module, name) for name in names)):
                if isinstance(path, Path):
                    yield from self._filled(path, seen)

    def _filled(self, path: Path, seen: set[Path]) -> Iterator[Path]:
        """The file, or in place of one that does nothing but import, what that imports."""
        if path in seen:
            return
        seen.add(path)
        if self.sources[path].empty:
            yield from self._needed(self.sources[path], seen)
        else:
            yield path

    def _refer(self, meaning: Meaning) -> str:
        """What a name stands for: the file that defines it by its number, or the package."""
        module, names = meaning
        seen = set()
        while names and (module, names) not in seen:
            seen.add((module, names))
            path = self._source(module)
            source = self.sources[path] if isinstance(path, Path) else None
            if source is not None and names[0] in source.meanings:  # it comes from elsewhere
                module, further = source.meanings[names[0]]
                names = (*further, *names[1:])
            elif (source is None or names[0] not in source.assigned) and self._inner(
                module, names[0]
            ):
                module, names = f"{module}.{names[0]}", names[1:]
            else:
                break
        path = self._source(module)
        start = f"file {self._number(path)}" if isinstance(path, Path) else path
        return f"<{'.'.join([start, *names])}>"

    def _write(self, tree: ast.AST, source: Source) -> str:
        """A part of a syntax tree as text."""
        written: list[str] = []
        waiting: list[Any] = [tree]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                written.append(part)
            elif isinstance(part, list):
                waiting += ["]", *map(_leaf, reversed(part)), "["]
            else:
                waiting += reversed(self._parts(part, source))
        return "".join(written)

    def _parts(self, node: ast.AST, source: Source) -> list[Any]:
        """What a node is written as: text, and nodes and lists of nodes to be written."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            return [
                f"import({name}={self._refer(meaning)})"
                for name, meaning in source.bindings([node])
                if name not in source.meanings and name not in source.unclear
            ]
        if (meaning := imported(node, source)) is not None:
            return [self._refer(meaning)]
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in _UNSEEN]
        if isinstance(node, ast.JoinedStr):
            fields = [("values", list(_joined(node.values)))]
        elif isinstance(node, ast.FormattedValue) and not list(
            _joined(getattr(node.format_spec, "values", []))
        ):
            fields = [(name, value) for name, value in fields if name != "format_spec"]
        elif isinstance(node, ast.Call) and self._is_strategy(node, source):
            kept = [keyword for keyword in node.keywords if keyword.arg not in _NO_EFFECT]
            fields = [("args", node.args), ("keywords", kept)]
        parts: list[Any] = [type(node).__name__, "("]
        for name, value in fields:
            # What is not there is not written: some versions of Python have further fields.
            if value not in (None, []) or isinstance(node, ast.Constant):
                parts += [f"{name}=", _leaf(value)]
        return [*parts, ")"]

    def _is_strategy(self, node: ast.Call, source: Source) -> bool:
        meaning = imported(node.func, source)
        return meaning is not None and self._refer(meaning) == f"<{ARENA}.strategy>"


def _leaf(value: Any) -> Any:
    """Text in place of what is neither a node nor a list."""
    return value if isinstance(value, ast.AST | list) else f"{type(value).__name__} {value!a},"


def _joined(values: list[ast.expr]) -> Iterator[ast.expr]:
    """The parts of an f-string, of which Python versions cut the constant ones differently."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)
