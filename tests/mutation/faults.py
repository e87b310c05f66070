"""Gives the deliberate faults of a source file: small changes of its syntax tree, each of which a test should notice.

Texts are left alone: docstrings, f-strings, annotations, decorators and what an error says. So is ``strict`` of
``zip``, which only guards against mistakes of ours.
"""

import ast
import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
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
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
# A call of the first becomes a call of the second; an empty name leaves the argument alone.
CALLS = {"sorted": "list", "reversed": "list", "abs": "", "max": "min", "min": "max", "any": "all", "all": "any"}
# Words that code decides by: each is exchanged for the next of its group.
WORDS = (
    ("plain", "proven", "likely", "likely worse", "open"),
    ("waiting", "running", "finished", "failed", "stopped"),
    ("baseline", "search", "confirm"),
    ("pays", "costs"),
    ("off", "on"),
    ("stage", "block"),
    ("pre_addition", "post_addition", "pre_unit", "identity"),
)


@dataclass(frozen=True)
class Fault:
    """One change: where it is, what stands there, and what would stand there; ``place`` finds it in the tree."""

    file: str
    function: str
    line: int
    before: str
    after: str
    place: tuple[int, int]
    twin: int = 0

    @property
    def name(self) -> str:
        """Names the fault also after other lines have moved."""
        twin = f" ({self.twin + 1})" if self.twin else ""
        return f"{self.file} {self.function}: {self.before} -> {self.after}{twin}"

    @property
    def is_in_function(self) -> bool:
        """Outside are constants of modules, fields of classes (``Class.``) and default arguments (``<function>``)."""
        return not self.function.startswith("<") and not self.function.endswith(".")


def faults_of(file: str) -> list[Fault]:
    """All faults of a file, by its path from the root of the repository."""
    tree = ast.parse((ROOT / file).read_text())
    found: list[Fault] = []
    twins: dict[tuple[str, str, str], int] = {}
    for number, (node, function) in enumerate(_visited(tree)):
        for choice, changed in enumerate(_variants(node)):
            before, after = _text(node, changed)
            known = (function, before, after)
            twins[known] = twins.get(known, -1) + 1
            line = next(part.lineno for part in ast.walk(node) if isinstance(part, ast.expr | ast.stmt))
            found.append(Fault(file, function, line, before, after, (number, choice), twins[known]))
    return found


def with_fault(fault: Fault) -> ast.Module:
    """The syntax tree of the file with the fault in it."""
    tree = ast.parse((ROOT / fault.file).read_text())
    number, choice = fault.place
    node = [node for node, _ in _visited(tree)][number]
    changed = list(_variants(node))[choice]
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, changed)
            elif isinstance(value, list):
                value[:] = [changed if item is node else item for item in value]
    return ast.fix_missing_locations(tree)


def sample(faults: Sequence[Fault], size: int, seed: int) -> list[Fault]:
    """A fixed sample: one fault of each function in turn, functions and faults in a random order."""
    by_function: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        by_function.setdefault((fault.file, fault.function), []).append(fault)
    for key, group in by_function.items():
        random.Random(f"{seed} {key}").shuffle(group)
    keys = sorted(by_function)
    random.Random(seed).shuffle(keys)
    chosen: list[Fault] = []
    while len(chosen) < min(size, len(faults)):
        chosen += [by_function[key].pop() for key in keys if by_function[key]]
    return chosen[:size]


def _visited(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every node that may carry a fault, with the outermost function around it."""
    yield from _walk(tree, "")


def _walk(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    label = function or "<module>"
    if not isinstance(node, ast.Module | ast.ClassDef):
        yield node, label
    for child, inside in _children(node, function):
        yield from _walk(child, inside)


def _children(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.FunctionDef):
        name = function if _is_inside(function) else f"{function}{node.name}"
        defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None]
        yield from ((default, function if _is_inside(function) else f"<{name}>") for default in defaults)
        yield from ((statement, name) for statement in _body(node))
    elif isinstance(node, ast.ClassDef):
        name = function if _is_inside(function) else f"{node.name}."
        yield from ((statement, name) for statement in _body(node))
    elif isinstance(node, ast.AnnAssign):
        yield from [(node.value, function)] if node.value is not None else []
    elif isinstance(node, ast.Raise):
        yield from ((keyword.value, function) for keyword in _keywords(node) if keyword.arg == "code")
    else:
        yield from ((child, function) for child in ast.iter_child_nodes(node) if not _is_left_alone(child))


def _is_inside(function: str) -> bool:
    return bool(function) and not function.endswith(".")


def _body(node: ast.FunctionDef | ast.ClassDef) -> list[ast.stmt]:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return [statement for statement in body if not _is_left_alone(statement)]


def _keywords(node: ast.Raise) -> list[ast.keyword]:
    return node.exc.keywords if isinstance(node.exc, ast.Call) else []


def _is_left_alone(node: ast.AST) -> bool:
    """Texts, imports, and what says something to tools alone: names to hand on, and types."""
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    if not isinstance(node, ast.Assign):
        return False
    is_type = isinstance(node.value, ast.Subscript) and ast.unparse(node.value.value) in ("Literal", "tuple", "dict")
    return is_type or ast.unparse(node.targets[0]) == "__all__"


def _text(node: ast.AST, changed: ast.AST) -> tuple[str, str]:
    """What is changed, as short as it can be said."""
    if isinstance(node, ast.If | ast.While) and isinstance(changed, ast.If | ast.While):
        return f"if {ast.unparse(node.test)}", f"if {ast.unparse(changed.test)}"
    before, after = (" ".join(ast.unparse(part).split()) for part in (node, changed))
    return before, after


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of a node."""
    if isinstance(node, ast.Slice):
        yield from _slices(node)
    elif isinstance(node, ast.expr):
        yield from _expressions(node)
    elif isinstance(node, ast.If | ast.While):
        yield _replaced(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return):
        if node.value is not None and not isinstance(node.value, ast.Constant):
            yield ast.copy_location(ast.Return(ast.Constant(None)), node)
    elif isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Call):
            yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.Raise | ast.AugAssign | ast.Continue | ast.Delete):
        yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.Assign):
        if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
            yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.comprehension):
        yield from (_replaced(node, ifs=[c for c in node.ifs if c is not test]) for test in node.ifs)


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from (_replaced(node, ops=[operator()]) for operator in COMPARISONS[type(node.ops[0])])
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            changed = COMPARISONS[type(operator)][0]()
            yield _replaced(node, ops=[*node.ops[:place], changed, *node.ops[place + 1 :]])
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield _replaced(node, op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield _replaced(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield _replaced(node, body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        name = CALLS[node.func.id]
        keywords = [keyword for keyword in node.keywords if keyword.arg not in ("key", "reverse") or name != "list"]
        called = ast.Call(ast.Name(name, ast.Load()), node.args, keywords)
        yield ast.copy_location(called if name else node.args[0], node)


def _constants(node: ast.Constant) -> Iterator[ast.Constant]:
    value = node.value
    if isinstance(value, bool):
        yield _replaced(node, value=not value)
    elif isinstance(value, int):
        yield _replaced(node, value=value + 1)
    elif isinstance(value, float):
        yield _replaced(node, value=value * 2 if value else 1.0)
    elif isinstance(value, str):
        for group in WORDS:
            if value in group:
                yield _replaced(node, value=group[(group.index(value) + 1) % len(group)])
                return


def _slices(node: ast.Slice) -> Iterator[ast.Slice]:
    """Bounds that are off by one; those that are numbers change as numbers."""
    for name in ("lower", "upper"):
        bound = getattr(node, name)
        if bound is not None and not isinstance(bound, ast.Constant):
            yield _replaced(node, **{name: ast.BinOp(bound, ast.Add(), ast.Constant(1))})


def _replaced(node: ast.AST, **fields: object) -> "ast.AST":
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
