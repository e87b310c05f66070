"""Is the code of the user the one that a run was begun with? A front must not mix trainings of two codes."""

import ast
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from search.setup.opened_run import OpenedRun
from search.state.facts import CodeFact, Facts
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

    plain = Architecture.plain(backbone, sites)

    def measured() -> own_identity.Measured:
        network = build.build(plain, in_channels=shape[0], num_classes=num_classes)
        return own_identity.measure(network, tuple(shape))

    first = measured()
    is_repeatable = _same(first.outputs, measured().outputs)
    return replace(
        _source(backbone.partition("@")[0]),
        shapes=first.shapes,
        outputs=first.outputs if is_repeatable else (),
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
        if before.source != after.source:
            say(f"caution: {after.target} has another source than when this run was begun; it behaves the same")


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
    """The target, and the SHA-256 of its module: of the file, and of its code without comments and docstrings."""
    file = user_code.source_file(target)
    content = b"" if file is None else file.read_bytes()
    return CodeFact(target, durable.sha256_of(content), durable.sha256_of(_code(content)))


def _code(content: bytes) -> bytes:
    tree = ast.parse(content)
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
        return "" if before.code == now.code else "its source was changed"
    if not before.outputs or not now.outputs:  # the function does not repeat itself, so only its source can be compared
        return "" if before.code == now.code else "its source was changed"
    if _same(before.outputs, now.outputs) or (before.source == now.source and before.torch != now.torch):
        return ""
    return "it gives another output for the same input and seed"


def _other_shapes(before: Mapping[str, tuple[int, ...]], now: Mapping[str, tuple[int, ...]]) -> str:
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    lines = [f"{name} was {_shape(before.get(name))}, is {_shape(now.get(name))}" for name in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return "; ".join(lines) + more


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(tuple(shape))


def _same(before: Sequence[float], now: Sequence[float]) -> bool:
    largest = max((abs(value) for value in before if math.isfinite(value)), default=0.0)
    close = (abs(a - b) <= _TOLERANCE * largest for a, b in zip(before, now, strict=False))
    return len(before) == len(now) and all(close)
