"""Every way to break one expression or statement of a function, as code that can stand in."""

from __future__ import annotations
import __future__

import ast
import copy
import enum
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

GRADIENTS = {"backward", "slope", "gradient", "vjp", "_backpropagate"}
"""Functions of these names claim a derivative, or carry one."""

ONLY_FOR_GRADIENTS = {
    ("losses/logistic.py", "sigmoid"),
    ("losses/softmax.py", "softmax_and_complement"),
    ("losses/sparse_cross_entropy.py", "_set_at_class"),
}
"""Functions that no forward uses: what they get wrong, a gradient gets wrong."""

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
NEGATED = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
FACTORS = (-1, 0, 2, 1.001)
"""Sign flipped, term dropped, doubled, and a little off."""

Place = list[tuple[str, int | None]]


class Matters(enum.Enum):
    """What of an expression can reach the result; factors that leave it alone change nothing."""

    VALUE = FACTORS
    SIGN = (-1, 0)
    TRUTH = (0,)
    SHAPE = ()


SHAPE_ONLY = {"np.zeros_like", "np.ones_like"}
"""Read nothing but shape and dtype, which no factor changes; and zeros stay zeros."""

LABELS = {"as_real_labels", "as_binary_labels", "as_distributions", "as_classes"}
"""Compare labels with the shape and dtype of the predictions, their second argument."""


@dataclass(frozen=True)
class Target:
    """One function of the reference subjects that claims a derivative."""

    path: str
    qualname: str
    tree: ast.FunctionDef
    function: FunctionType
    code: CodeType

    @property
    def name(self) -> str:
        return f"{self.path}::{self.qualname}"


@dataclass(frozen=True)
class Mutant:
    """One broken version: ``before`` became ``after`` in the expression or statement ``within``."""

    target: Target
    before: str
    after: str
    within: str
    line: int
    code: CodeType

    @property
    def name(self) -> str:
        return f"{self.target.name}: {self.before} -> {self.after} in {self.within}"

    def __enter__(self) -> None:
        # The code of the live function is exchanged: whoever imported it, under whatever name, gets
        # the mutant.
        self.target.function.__code__ = self.code

    def __exit__(self, *_: object) -> None:
        self.target.function.__code__ = self.target.code


def targets() -> list[Target]:
    """Every function of ``models/`` and ``losses/`` that claims a derivative."""
    found = []
    for folder in ("losses", "models"):
        for file in sorted((ROOT / folder).glob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            for qualname, tree in _functions(ast.parse(file.read_text("utf-8"))):
                if _claims_a_derivative(path, tree):
                    function = _live(path, qualname)
                    found.append(Target(path, qualname, tree, function, function.__code__))
    return found


def mutants(target: Target) -> Iterator[Mutant]:
    """Every mutant of a target that compiles to other code."""
    original = _compiled(target.tree)
    for place, node, matters in _nodes(target.tree):
        for replacement in _replacements(node, target.tree, matters):
            tree = _with(target.tree, place, replacement)
            code = _compiled(tree)
            before, after = _text(node), _text(replacement)
            if code != original and before != after:
                yield Mutant(
                    target, before, after, _text(_parent(target.tree, place)), node.lineno, code
                )


def _functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _claims_a_derivative(path: str, tree: ast.FunctionDef) -> bool:
    named = tree.name in GRADIENTS or (path, tree.name) in ONLY_FOR_GRADIENTS
    return named and not _is_only_declared(tree)


def _is_only_declared(tree: ast.FunctionDef) -> bool:
    """Whether the body is a docstring or an ellipsis, as in protocols and abstract methods."""
    return all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in tree.body)


def _live(path: str, qualname: str) -> FunctionType:
    thing: Any = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in qualname.split("."):
        thing = thing.__dict__[part] if isinstance(thing, type) else getattr(thing, part)
    return thing


def _compiled(tree: ast.FunctionDef) -> CodeType:
    bare = copy.copy(tree)
    bare.decorator_list = []
    module = ast.fix_missing_locations(ast.Module([bare], []))
    flags = __future__.annotations.compiler_flag
    code = compile(module, f"<{tree.name}>", "exec", flags, dont_inherit=True)
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == tree.name)


def _nodes(tree: ast.FunctionDef) -> Iterator[tuple[Place, ast.expr | ast.stmt, Matters]]:
    """Statements and expressions of the body with their place; no docstring, no annotation."""
    for i, statement in enumerate(tree.body):
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not docstring:
            yield from _below(statement, [("body", i)], Matters.VALUE)


def _below(
    node: ast.AST, place: Place, matters: Matters
) -> Iterator[tuple[Place, ast.expr | ast.stmt, Matters]]:
    if isinstance(node, (ast.expr, ast.stmt)):
        yield place, node, matters
    for step, child in _children(node):
        yield from _below(child, [*place, *step], _what_matters(node, step))


def _children(node: ast.AST) -> Iterator[tuple[Place, ast.AST]]:
    for name, value in ast.iter_fields(node):
        if name == "func":
            # what is called stays callable, but the object of a method is an expression like others
            owner = getattr(value, "value", None)
            if owner is not None and _text(owner) != "np":
                yield [("func", None), ("value", None)], owner
        elif name not in {"annotation", "ctx", "op", "ops", "targets", "target"}:
            for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    yield [(name, i)], child


def _what_matters(parent: ast.AST, step: Place) -> Matters:
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Mult, ast.MatMult)):
        return Matters.SHAPE  # a factor of a factor is one of the product, which is tried too
    if isinstance(parent, ast.Compare) and _text(parent.comparators[0]) == "0":
        return Matters.SIGN
    if isinstance(parent, ast.Attribute) and parent.attr == "shape":
        return Matters.SHAPE
    if isinstance(parent, ast.If) and step == [("test", None)]:
        return Matters.TRUTH
    if isinstance(parent, ast.Call):
        return _what_a_call_reads(_text(parent.func), step)
    return Matters.VALUE


def _what_a_call_reads(called: str, step: Place) -> Matters:
    if called in SHAPE_ONLY or (called in LABELS and step == [("args", 1)]):
        return Matters.SHAPE
    if called == "np.sign":
        return Matters.SIGN
    if called == "np.where" and step == [("args", 0)]:
        return Matters.TRUTH
    return Matters.VALUE


def _parent(tree: ast.FunctionDef, place: Place) -> Any:
    """The expression or statement around a place; a statement of the body is its own."""
    parent: Any = tree
    for name, i in place[:-1] or place:
        parent = getattr(parent, name) if i is None else getattr(parent, name)[i]
    return parent


def _with(tree: ast.FunctionDef, place: Place, replacement: ast.AST) -> ast.FunctionDef:
    changed = copy.deepcopy(tree)
    parent: Any = _parent(changed, place) if len(place) > 1 else changed
    name, i = place[-1]
    if i is None:
        setattr(parent, name, copy.deepcopy(replacement))
    else:
        getattr(parent, name)[i] = copy.deepcopy(replacement)
    return changed


def _replacements(
    node: ast.expr | ast.stmt, tree: ast.FunctionDef, matters: Matters
) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        if not isinstance(node, ast.Return):
            yield ast.copy_location(ast.Pass(), node)
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    yield from _of_this_kind(node)
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Call, ast.Subscript, ast.Name, ast.Attribute)):
        for factor in _factors(node, matters):
            yield ast.BinOp(ast.Constant(factor), ast.Mult(), node)
    if isinstance(node, ast.Name):
        for other in sorted(_locals(tree) - _aliases(node.id, tree) - {"self"}):
            yield ast.Name(other, ast.Load())


def _factors(node: ast.expr, matters: Matters) -> tuple[float, ...]:
    if _text(node) in {"np", "self"} or _is_number(node):
        return ()
    if isinstance(node, ast.Call) and _text(node.func) == "np.zeros_like":
        return ()
    return matters.value


def _of_this_kind(node: ast.expr) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)
        yield from (node.left, node.right)
        if not isinstance(node.op, (ast.Add, ast.Mult)):  # those commute
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare):
        for table in (SWAPPED, NEGATED):
            if type(node.ops[0]) in table:
                yield ast.Compare(node.left, [table[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node.value)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, (ast.Attribute, ast.Subscript)):
        yield node.value
    elif isinstance(node, ast.Tuple):
        yield from (ast.Tuple(elements, node.ctx) for elements in _neighbours_swapped(node.elts))
    elif isinstance(node, ast.Dict):
        yield from (ast.Dict(node.keys, values) for values in _neighbours_swapped(node.values))
        for i in range(len(node.keys)):
            yield ast.Dict(_without(node.keys, i), _without(node.values, i))


def _other_constants(value: Any) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield from (ast.Constant(other) for other in (value + 1, value - 1))
        if value:
            yield ast.Constant(-value)
    elif isinstance(value, str):
        yield ast.Constant(value + "_")


def _other_calls(call: ast.Call) -> Iterator[ast.AST]:
    if isinstance(call.func, ast.Attribute) and _text(call.func.value) != "np":
        yield call.func.value  # x.sum() -> x
    yield from call.args  # np.sign(x) -> x
    for args in _neighbours_swapped(call.args):
        yield ast.Call(call.func, args, call.keywords)
    for i in range(len(call.keywords)):
        yield ast.Call(call.func, call.args, _without(call.keywords, i))


def _neighbours_swapped(items: list[Any]) -> Iterator[list[Any]]:
    for i in range(len(items) - 1):
        yield [*items[:i], items[i + 1], items[i], *items[i + 2 :]]


def _without(items: list[Any], i: int) -> list[Any]:
    return [*items[:i], *items[i + 1 :]]


def _locals(tree: ast.FunctionDef) -> set[str]:
    arguments = {argument.arg for argument in tree.args.args}
    stored = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return (arguments | stored) - _lists(tree)


def _lists(tree: ast.FunctionDef) -> set[str]:
    """Names of lists being filled: put inside itself, a list hangs whoever makes an array of it."""
    filled = (node for node in ast.walk(tree) if isinstance(node, ast.Assign))
    return {
        name.id
        for node in filled
        if _text(node.value) in {"[]", "([], [])"}
        for name in ast.walk(node.targets[0])
        if isinstance(name, ast.Name)
    }


def _aliases(name: str, tree: ast.FunctionDef) -> set[str]:
    """Names that hold the same array: after ``p = residuals`` it does not matter which is read."""
    same = {name}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            pair = {_text(node.targets[0]), node.value.id}
            same |= pair if pair & same else set()
    return same


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)


def _text(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))
