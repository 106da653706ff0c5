"""One file of Python code: its syntax tree, less what has no effect when it runs.

Gone are docstrings and other constants that stand alone, what is only there for type checkers, and
the annotations of variables, arguments and results. Annotations stay in class bodies, where
dataclasses and named tuples make fields of them, and on functions with a decorator that is not
known to leave them alone.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_HARMLESS = {
    "strategy",
    *("property", "setter", "staticmethod", "classmethod", "abstractmethod", "override"),
    *("overload", "final", "cache", "lru_cache", "cached_property", "wraps", "contextmanager"),
}
"""Decorators that look at no annotation."""

_LOOK_UP = {"eval", "exec", "globals", "locals", "vars"}
"""What finds a name that is written nowhere."""


class Meaning(NamedTuple):
    """What an import binds a name to: a module, or something in it (``*`` for all of it)."""

    module: str
    attributes: tuple[str, ...] = ()


class Source:
    """A file of Python code.

    Attributes:
        body: its statements, without what has no effect.
        imports: all that it imports, in order.
        roots: the top-level modules that it imports, be it for type checkers alone.
        dotted: the modules, and packages around them, that ``import a.b`` makes known as such.
        meanings: what a name stands for that one import alone binds.
        unclear: the same for names that may also stand for something else somewhere in the file.
        assigned: names that are bound otherwise than by an import.
        empty: whether it does nothing but import.
    """

    def __init__(self, path: Path, package: str) -> None:
        self._package = package
        tree = ast.parse(path.read_bytes())
        self.roots = {of.module.partition(".")[0] for _, of in self.bindings(ast.walk(tree))}
        tree = _Stripped().visit(tree)
        nodes = list(ast.walk(tree))
        self.body: list[ast.stmt] = tree.body
        self.assigned = set(_assigned(nodes))
        bindings = list(self.bindings(nodes))
        found: dict[str, set[Meaning]] = {}
        for name, meaning in bindings:
            found.setdefault(name, set()).add(meaning)
        imports = [node for node in nodes if isinstance(node, ast.Import)]
        modules = [alias.name for node in imports for alias in node.names]
        self.imports = [meaning for _, meaning in bindings] + [Meaning(name) for name in modules]
        parts = [name.split(".") for name in modules]
        self.dotted = {".".join(of[:end]) for of in parts for end in range(2, len(of) + 1)}
        once = {name: of.pop() for name, of in found.items() if len(of) == 1 and name != "*"}
        unclear = self._unclear(nodes, once)
        self.meanings = {name: of for name, of in once.items() if name not in unclear}
        self.unclear = {name: once[name] for name in unclear}
        self.empty = len(self.meanings) == len(found) and all(
            isinstance(node, ast.Import | ast.ImportFrom) for node in self.body
        )

    def bindings(self, nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Meaning]]:
        """The names that the imports among these nodes bind, and their meanings."""
        for node in nodes:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for alias in node.names:
                if isinstance(node, ast.ImportFrom):
                    yield alias.asname or alias.name, Meaning(self._base(node), (alias.name,))
                elif alias.asname:
                    yield alias.asname, Meaning(alias.name)
                else:
                    root = alias.name.partition(".")[0]
                    yield root, Meaning(root)

    def _base(self, node: ast.ImportFrom) -> str:
        """The full name of the module behind ``from``."""
        above = self._package.split(".")
        above = above[: len(above) - node.level + 1] if node.level else []
        return ".".join([*above, *([node.module] if node.module else [])])

    def _unclear(self, nodes: Iterable[ast.AST], names: Iterable[str]) -> set[str]:
        """Those of the imported ``names`` that may be bound otherwise, or looked up unseen."""
        of_classes: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in _LOOK_UP:
                return set(names)
            if isinstance(node, ast.ClassDef):
                inner = (part for statement in node.body for part in ast.walk(statement))
                of_classes |= {name for name, _ in self.bindings(inner)}
        return set(names) & (self.assigned | of_classes | set(dir(builtins)))


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Every name that something else than an import binds."""
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif not isinstance(node, ast.alias | ast.keyword | ast.Attribute):
            # Functions, classes, handlers, patterns and type parameters.
            for field in ("name", "rest"):
                if isinstance(name := getattr(node, field, None), str):
                    yield name


class _Stripped(ast.NodeTransformer):
    """Takes out of a syntax tree what has no effect when the code runs."""

    def __init__(self) -> None:
        self._in_class = False

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == "__future__" else node

    def visit_If(self, node: ast.If) -> Any:
        if getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING":
            return [kept for other in node.orelse if (kept := self.visit(other)) is not None]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._within(node, True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if all(_last_name(decorator) in _HARMLESS for decorator in node.decorator_list):
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
        return self._within(node, False)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self._in_class:
            return self.generic_visit(node)
        if node.value is not None:
            plain = ast.Assign(targets=[node.target], value=node.value)
            return self.generic_visit(plain)
        node.annotation = ast.Constant(None)  # it still makes the name one of this function's own
        return self.generic_visit(node)

    def _within(self, node: ast.AST, in_class: bool) -> ast.AST:
        before, self._in_class = self._in_class, in_class
        self.generic_visit(node)
        self._in_class = before
        return node


def _last_name(node: ast.expr) -> str:
    """The last part of a decorator's name, called or not."""
    if isinstance(node, ast.Call):
        node = node.func
    return str(getattr(node, "attr", getattr(node, "id", "")))


def imported(node: object, source: Source) -> Meaning | None:
    """The meaning of a name, or of attributes of one, that an import binds; else None."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in source.meanings:
        return None
    module, names = source.meanings[node.id]
    while not names and attributes and f"{module}.{attributes[0]}" in source.dotted:
        module += f".{attributes.pop(0)}"
    return Meaning(module, (*names, *attributes))
