"""One SE block, and one architecture: frozen, canonical, hashable, to text and back.

Text form: ``cifar_resnet20/-/-/avg:fc2:sigmoid@pre_addition/...``: one field for each site, ``-`` for a site without
SE, else ``squeeze:excitation:gate@position``. The excitation names its *hidden width*, never the reduction ratio: two
ratios that round to the same width build the same network, so they must be the same architecture.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

from spaces.errors import UserError

Form = Literal["fc", "fcnb", "eca", "diag"]

# How the key spells each form of excitation, given its size.
_SPELLING: dict[str, str] = {"fc": "fc{}", "fcnb": "fc{}nb", "eca": "eca{}", "diag": "diag"}
# The forms with a hidden width: only for these does a reduction ratio mean something.
REDUCING: tuple[Form, ...] = ("fc", "fcnb")
_FIELD = re.compile(r"(?P<squeeze>\w+):(?P<excitation>\w+):(?P<gate>\w+)@(?P<position>\w+)")
_EXCITATION = re.compile(r"(?P<form>fc|eca|diag)(?P<size>[1-9]\d*)?(?P<bias>nb)?")


@dataclass(frozen=True, slots=True)
class SE:
    """A Squeeze-and-Excitation block (Hu et al., arXiv 1709.01507): its operators, its size and its position in a unit.

    ``size`` is the hidden width of ``fc`` and ``fcnb`` (C / r of the paper), the kernel of ``eca``, and 0 for ``diag``.
    ``ratio`` is the reduction ratio that was asked for, None if it is unknown. It is a name for people and for the
    model; the network does not depend on it, so it takes no part in equality, hash or text.

    Raises UserError for a form that does not exist and for a size that the form cannot have.
    """

    squeeze: str
    form: Form
    size: int
    gate: str
    position: str
    ratio: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not _has_size(self.form, self.size):
            raise _not_an_excitation(f"{self.form}{self.size or ''}")

    @property
    def hidden(self) -> int:
        """Hidden width of the bottleneck, C / r of the paper; 0 for a form without one."""
        return self.size if self.form in REDUCING else 0

    @property
    def excitation(self) -> str:
        """Form and size as the key spells them: ``fc16``, ``fc16nb``, ``eca3`` or ``diag``."""
        return _SPELLING[self.form].format(self.size)

    @classmethod
    def parse(cls, text: str) -> "SE":
        """Read ``squeeze:excitation:gate@position``. Raises UserError."""
        match = _FIELD.fullmatch(text)
        if match is None:
            raise UserError(
                f"`{text}` is not an SE block; write `squeeze:excitation:gate@position`",
                hint="for example `avg:fc16:sigmoid@pre_addition`, or `-` for a unit without SE",
            )
        form, size = _read_excitation(match["excitation"])
        return cls(match["squeeze"], form, size, match["gate"], match["position"])

    def __str__(self) -> str:
        return f"{self.squeeze}:{self.excitation}:{self.gate}@{self.position}"


@dataclass(frozen=True)
class Architecture:
    """A backbone and one ``SE`` or None for each of its sites. Names the network, never its weights or its recipe."""

    backbone: str
    blocks: tuple[SE | None, ...]

    @classmethod
    def parse(cls, text: str) -> "Architecture":
        """Read the text form. Raises UserError."""
        backbone, *fields = text.strip().split("/")
        if not backbone or not fields:
            raise UserError(
                f"`{text}` is not an architecture; write `backbone/field/field/...`, one field for each site",
                hint="`senet-search profile BACKBONE --placement all` prints one",
            )
        return cls(backbone, tuple(None if field == "-" else SE.parse(field) for field in fields))

    @classmethod
    def plain(cls, backbone: str, n_sites: int) -> "Architecture":
        return cls(backbone, (None,) * n_sites)

    @property
    def is_plain(self) -> bool:
        return not any(self.blocks)

    @cached_property
    def key(self) -> str:
        """The text form, which :meth:`parse` reads."""
        return "/".join([self.backbone, *("-" if se is None else str(se) for se in self.blocks)])

    def __str__(self) -> str:
        return self.key


def _read_excitation(text: str) -> tuple[Form, int]:
    """Form and size of ``fc16``, ``fc16nb``, ``eca3`` or ``diag``. Raises UserError."""
    match = _EXCITATION.fullmatch(text)
    form = match["form"] + (match["bias"] or "") if match else ""
    size = int(match["size"] or 0) if match else 0
    if not _has_size(form, size):
        raise _not_an_excitation(text)
    return cast(Form, form), size


def _has_size(form: str, size: int) -> bool:
    """Whether an excitation of this form and size exists."""
    if form in REDUCING:
        return size >= 1
    if form == "eca":
        return size >= 1 and size % 2 == 1
    return form == "diag" and size == 0


def _not_an_excitation(text: str) -> UserError:
    return UserError(
        f"`{text}` is not an excitation; write `fc16` (without bias `fc16nb`), `eca3` (an odd number) or `diag`"
    )
