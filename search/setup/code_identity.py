"""Is the code of the user the one that a run was begun with? A front must not mix trainings of two codes."""

import ast
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from search.setup.opened_run import OpenedRun
from search.setup.own_imports import own_imports
from search.state.code_fact import CodeFact, SourceFact
from search.state.facts import Facts
from senet_nas import user_code
from senet_nas.network.backbones import table
from spaces import durable
from spaces.architecture import Architecture
from spaces.errors import UserError

# Outputs that agree this well, relative to the largest, are equal: machines round differently.
_TOLERANCE = 1e-3
_BACK = "put the code back, or start another run with --new"
_SHOWN = 3


def of_network(backbone: str, sites: int, shape: Sequence[int], num_classes: int) -> CodeFact | None:
    """The identity of a network of the user's own, plain, for inputs (C, ...); None for a network by name.

    Its outputs are left out if the function does not make the same network twice.
    """
    if not table.is_own(backbone):
        return None
    import torch

    from senet_nas.network import build
    from senet_nas.network.backbones import own_identity

    target = backbone.partition("@")[0]
    plain = Architecture.plain(backbone, sites)

    def measured() -> own_identity.Measured:
        network = build.build(plain, in_channels=shape[0], num_classes=num_classes)
        return own_identity.measure(network, tuple(shape))

    with user_code.blamed(target, key=table.KEY):
        first = measured()
        again = measured()
    return replace(
        _source(target),
        shapes=first.shapes,
        outputs=first.outputs if _same(first.outputs, again.outputs) else (),
        trainable=first.trainable if first.trainable == again.trainable else None,
        torch=torch.__version__,
    )


def of_function(target: str, function: Callable[..., Any]) -> CodeFact:
    """The identity of an evaluator of the user's: its source and its signature."""
    try:
        signature = str(inspect.signature(function))
    except (TypeError, ValueError):  # a function written in C may have no signature
        signature = ""
    return replace(_source(target), signature=signature)


def check_same(facts: Facts, now: Facts, *, has_results: bool, say: Callable[[str], None]) -> None:
    """Raises UserError if the code of the user does something else than when the run was begun; says if it may.

    A run without results may begin with other code, and so may one that is older than these facts.
    """
    if not has_results:
        return
    for key, before, after in (
        ("model.backbone", facts.network_code, now.network_code),
        ("evaluate", facts.evaluator_code, now.evaluator_code),
    ):
        if before is None or after is None:
            continue
        if change := _change(before, after):
            raise UserError(
                f"the code of {after.target} is not that with which this run was begun: {change}",
                hint=_BACK,
                key=key,
            )
        if caution := _caution(before, after):
            say(caution)


def check_run(run: OpenedRun) -> None:
    """Raises UserError if the network of a run is the user's own and is not any more the one that was trained."""
    data = run.facts.data
    if run.facts.network_code is None or data is None:
        return
    from senet_nas.network import build

    backbone = run.experiment.model.network
    now = of_network(backbone, len(build.sites(backbone)), data.shape, len(data.classes))
    check_same(run.facts, Facts(network_code=now), has_results=True, say=lambda _: None)


# -- inside -----------------------------------------------------------------------------------------------------------


def _source(target: str) -> CodeFact:
    """The target, and the hashes of its module and of those that this imports from folders of the user's."""
    file = user_code.source_file(target)
    own = _hashes(b"" if file is None else file.read_bytes())
    files = own_imports(target.partition(":")[0])
    helpers = {name: _hashes(path.read_bytes()) for name, path in files.items()}
    return CodeFact(target, own.source, own.code, helpers=helpers)


def _hashes(content: bytes) -> SourceFact:
    return SourceFact(durable.sha256_of(content), durable.sha256_of(_code(content)))


def _code(content: bytes) -> bytes:
    """The code of a file without comments and docstrings; all of a file that is no Python."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return content
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree).encode()


def _change(before: CodeFact, now: CodeFact) -> str:
    """What is another than before in behaviour; empty if nothing is known to be."""
    if before.shapes != now.shapes:
        return _other_shapes(before.shapes, now.shapes)
    if before.signature != now.signature:
        return f"its arguments were {before.signature}, now {now.signature}"
    if not now.shapes:  # an evaluator is not run to compare it
        return _other_code(before, now)
    if before.torch != now.torch and not _changed(before, now, "source"):
        return "" if before.outputs and now.outputs else _other_code(before, now)
    return _other_trainable(before.trainable, now.trainable) or _other_outputs(before, now)


def _other_outputs(before: CodeFact, now: CodeFact) -> str:
    if not before.outputs or not now.outputs:  # the function does not repeat itself, so only its source can be compared
        return _other_code(before, now)
    return "" if _same(before.outputs, now.outputs) else "it gives another output for the same input and seed"


def _caution(before: CodeFact, now: CodeFact) -> str:
    """A sentence about another text that is not known to behave differently; empty for the same text."""
    same = "the code is the same"
    if before.outputs and now.outputs:
        same = "the outputs are the same" if before.trainable is None else "outputs and trained weights are the same"
    lines = [f"{name} has another source than when this run was begun" for name in _changed(before, now, "source")]
    lines = [f"{'; '.join(lines)}; {same}"] if lines else []
    if before.helpers is not None and now.helpers is not None:
        gone = [name for name in before.helpers if name not in now.helpers]
        new = [name for name in now.helpers if name not in before.helpers]
        lines += [f"`{name}` was one of your modules that {now.target} imports, and is none now" for name in gone]
        lines += [f"{now.target} imports your module `{name}` now" for name in new]
    return f"caution: {'; '.join(lines)}" if lines else ""


def _other_code(before: CodeFact, now: CodeFact) -> str:
    changed = _changed(before, now, "code")
    if changed == [now.target]:
        return "its source was changed"
    return f"the source of {' and of '.join(changed)} was changed" if changed else ""


def _changed(before: CodeFact, now: CodeFact, kind: Literal["source", "code"]) -> list[str]:
    """The target and the modules that it imports whose text, or whose code, is another; older facts lack the modules.

    A module that is there on one side only may have been installed meanwhile: it is not compared.
    """
    changed = [now.target] if getattr(before, kind) != getattr(now, kind) else []
    was = before.helpers or {}
    helpers = now.helpers or {}
    names = [name for name in sorted(was.keys() & helpers.keys()) if _differ(was[name], helpers[name], kind)]
    return [*changed, *(f"`{name}`, which {now.target} imports," for name in names)]


def _differ(before: SourceFact, now: SourceFact, kind: Literal["source", "code"]) -> bool:
    return bool(getattr(before, kind) != getattr(now, kind))


def _other_trainable(before: Sequence[str] | None, now: Sequence[str] | None) -> str:
    if before is None or now is None or set(before) == set(now):
        return ""
    frozen = [f"{name} is frozen now" for name in before if name not in now]
    trained = [f"{name} is trained now" for name in now if name not in before]
    return f"other weights are trained: {_first([*frozen, *trained])}"


def _other_shapes(before: Mapping[str, tuple[int, ...]], now: Mapping[str, tuple[int, ...]]) -> str:
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    lines = [f"{name} was {_shape(before.get(name))}, is {_shape(now.get(name))}" for name in changed]
    return _first(lines)


def _first(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(tuple(shape))


def _same(before: Sequence[float], now: Sequence[float]) -> bool:
    largest = max((abs(value) for value in before if math.isfinite(value)), default=0.0)
    close = (abs(a - b) <= _TOLERANCE * largest for a, b in zip(before, now, strict=False))
    return len(before) == len(now) and all(close)
