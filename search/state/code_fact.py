"""What a ledger notes about code of the user: enough to see whether it is still the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceFact:
    """SHA-256 of a module's file, and of the code in it without comments and docstrings."""

    source: str
    code: str


@dataclass(frozen=True)
class CodeFact:
    """Code of the user, a network's function or an evaluator, as it was when the run was begun.

    ``source`` and ``code``: SHA-256 of its module's file, and of the code in it without comments and docstrings.
    Of a network: ``shapes`` of plain's state dict, ``outputs`` for a fixed input and seed (empty if they vary), and the
    version of ``torch``; ``trainable`` are the parameters that a training changes. Of an evaluator: its ``signature``.
    ``helpers``: the modules of the user's that the module imports. None if an older version did not note them.
    """

    target: str
    source: str
    code: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: tuple[float, ...] = ()
    torch: str = ""
    signature: str = ""
    trainable: tuple[str, ...] | None = None
    helpers: Mapping[str, SourceFact] | None = None
