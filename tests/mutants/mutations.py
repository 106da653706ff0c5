"""Mutations of a module's syntax tree: small faults that its tests should notice.

Left alone are docstrings, annotations, decorators, texts, assertions, the messages of errors, and
what only a type checker runs.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Path = tuple[str | int, ...]

_COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_PAIRS = (
    *(("min", "max"), ("minimum", "maximum"), ("nanmin", "nanmax"), ("argmin", "argmax")),
    *(("any", "all"), ("issubset", "issuperset"), ("zeros", "ones"), ("floor", "ceil")),
    *(("partition", "rpartition"), ("removeprefix", "removesuffix")),
)
_SHORT = 20
"""Letters: less of a change does not say where it is."""
_SYMMETRIC = ("min", "max", "minimum", "maximum")
_NAMES = dict(_PAIRS) | {other: name for name, other in _PAIRS}


@dataclass(frozen=True)
class Mutation:
    """One fault: the function it is in, what it changes into what, and how often that was before.

    ``path`` leads from the module's tree to the node that ``node`` takes the place of.
    """

    function: str
    change: str
    number: int
    line: int
    path: Path
    node: ast.AST

    @property
    def name(self) -> str:
        """One for each mutation of a module; it stays when other code changes."""
        return f"{self.function}: {self.change}" + (f" #{self.number}" if self.number > 1 else "")

    def applied(self, source: str) -> ast.Module:
        """The module's tree with this fault."""
        tree = ast.parse(source)
        _put(tree, self.path, self.node)
        return ast.fix_missing_locations(tree)


def mutations(source: str) -> list[Mutation]:
    """Every fault that is known here, in the order of the source."""
    found: list[Mutation] = []
    seen: Counter[tuple[str, str]] = Counter()
    for around, path, function, node in _walk(ast.parse(source), (), ""):
        for other in _faults(node):
            change = _change(*around, path, node, other)
            seen[function, change] += 1
            line = getattr(node, "target", node).lineno
            found.append(Mutation(function, change, seen[function, change], line, path, other))
    return found


def _change(around: ast.AST, depth: int, path: Path, node: ast.AST, other: ast.AST) -> str:
    """What a fault makes of an expression or statement, or of what is around a short one."""
    before, after = _shown(node), _shown(other)
    whole = isinstance(around, ast.mod | ast.excepthandler) or hasattr(around, "body")
    if not whole and len(before) < _SHORT:
        before = _shown(around)
        _put(around, path[depth:], other)
        after = _shown(around)
        _put(around, path[depth:], node)
    return f"{before} → {after}"


def _put(node: Any, path: Path, child: ast.AST) -> None:
    """Put ``child`` where ``path`` leads from ``node``."""
    *above, last = path
    for step in above:
        node = node[step] if isinstance(step, int) else getattr(node, step)
    if isinstance(last, int):
        node[last] = child
    else:
        setattr(node, last, child)


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.arguments):
        node = copy.deepcopy(node)
        for argument in (*node.posonlyargs, *node.args, *node.kwonlyargs):
            argument.annotation = None
    first, _, rest = ast.unparse(node).strip().partition("\n")
    return f"{first} …" if rest else first


def _walk(
    node: ast.AST, path: Path, function: str, around: tuple[ast.AST, int] | None = None
) -> Iterator[tuple[tuple[ast.AST, int], Path, str, ast.AST]]:
    """All nodes that may be mutated: what to show of what is around, path, function, node."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
    if around is None or not isinstance(node, ast.Slice | ast.UnaryOp | ast.keyword):
        around = node, len(path)
    skipped = {"annotation", "returns", "decorator_list"}
    skipped |= {"bases", "keywords"} if isinstance(node, ast.ClassDef) else set()
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if name in skipped or not isinstance(child, ast.AST) or _is_left_alone(child):
                continue
            where = (*path, name, index) if isinstance(value, list) else (*path, name)
            yield around, where, function or "<module>", child
            if not isinstance(child, ast.Raise):
                yield from _walk(child, where, function, around)


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.If():
            return "TYPE_CHECKING" in ast.unparse(node.test)
        case ast.Expr():  # docstrings
            return isinstance(node.value, ast.Constant)
        case ast.Assign() | ast.AnnAssign():  # names for types
            text = ast.unparse(node.value) if node.value else ""
            return text.startswith(("NDArray[", "dict[", "tuple[", "TypeVar(", "Mapping["))
        case ast.keyword():  # of zip: an assertion
            return node.arg == "strict"
        case _:
            return isinstance(node, ast.Import | ast.ImportFrom | ast.Assert)


def _faults(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    match node:
        case ast.expr():
            yield from _faults_of_expression(node)
        case ast.If(test=test, body=body, orelse=orelse):
            if not isinstance(test, ast.Compare):  # or it is what the comparison's faults make
                yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
            yield ast.If(ast.Constant(False), body, orelse)
        case ast.Return(value=ast.expr()) if ast.unparse(node.value or node) != "None":
            yield ast.Return(None)
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield ast.Pass()
        case ast.Assign(value=ast.Constant() | ast.Tuple(elts=[ast.Constant(), *_])):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.comprehension(ifs=[_, *_]):
            for kept in _one_less(node.ifs):
                yield ast.comprehension(node.target, node.iter, kept, node.is_async)


def _faults_of_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for place, op in enumerate(ops):
                for swapped in _COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:place], swapped(), *ops[place + 1 :]], others)
        case ast.BinOp(left=left, op=op, right=right):
            if type(op) in _ARITHMETIC:
                yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
            if isinstance(right, ast.Constant):
                yield left
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Name(id=name) if name in _NAMES:
            yield ast.Name(_NAMES[name], node.ctx)
        case ast.Attribute(value=value, attr=name) if name in _NAMES:
            yield ast.Attribute(value, _NAMES[name], node.ctx)
        case ast.Call(func=func, args=args, keywords=keywords):
            if len(args) > 1 and not ast.unparse(func).endswith(_SYMMETRIC):
                yield ast.Call(func, [args[1], args[0], *args[2:]], keywords)
            for kept, gone in zip(_one_less(keywords), keywords, strict=True):
                if not _is_left_alone(gone):
                    yield ast.Call(func, args, kept)
        case ast.JoinedStr(values=values):
            for kept in _one_less(values):
                if len([v for v in kept if isinstance(v, ast.Constant)]) == len(
                    [v for v in values if isinstance(v, ast.Constant)]
                ):
                    yield ast.JoinedStr(kept)


def _one_less(items: list[T]) -> Iterator[list[T]]:
    for place in range(len(items)):
        yield [*items[:place], *items[place + 1 :]]
