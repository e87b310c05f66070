"""One SE block, and one architecture: frozen, canonical, hashable, to text and back.

Text form: ``cifar_resnet20/-/-/avg:fc2:sigmoid@pre_addition/...``: one field for each site, ``-`` for a site without
SE, else ``squeeze:excitation:gate@position``. The excitation names its *hidden width*, never the reduction ratio: two
ratios that round to the same width build the same network, so they must be the same architecture.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

from spaces import spelling
from spaces.errors import UserError

_FIELD = re.compile(r"(?P<squeeze>\w+):(?P<excitation>\w+):(?P<gate>\w+)@(?P<position>\w+)")


@dataclass(frozen=True, slots=True)
class SE:
    """A Squeeze-and-Excitation block (Hu et al., arXiv 1709.01507): its operators, its size and its position in a unit.

    ``size`` is the hidden width of forms such as ``fc`` (C / r of the paper), the kernel of forms such as ``eca``, else
    0; :mod:`spaces.spelling` lists the forms.
    ``ratio`` is the reduction ratio that was asked for, None if it is unknown. It is a name for people and for the
    model; the network does not depend on it, so it takes no part in equality, hash or text.

    Raises UserError for a form that does not exist and for a size that the form cannot have.
    """

    squeeze: str
    form: str
    size: int
    gate: str
    position: str
    ratio: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not spelling.exists(self.form, self.size):
            raise _not_an_excitation(f"{self.form}{self.size or ''}")

    @property
    def hidden(self) -> int:
        """Hidden width of the bottleneck, C / r of the paper; 0 for a form without one."""
        return self.size if spelling.has_hidden_width(self.form) else 0

    @property
    def excitation(self) -> str:
        """Form and size as the key spells them: ``fc16``, ``fc16nb``, ``eca3`` or ``diag``."""
        return spelling.spelt(self.form, self.size)

    @classmethod
    def parse(cls, text: str) -> "SE":
        """Read ``squeeze:excitation:gate@position``. Raises UserError."""
        match = _FIELD.fullmatch(text)
        if match is None:
            raise UserError(
                f"`{text}` is not an SE block; write `squeeze:excitation:gate@position`",
                hint="for example `avg:fc16:sigmoid@pre_addition`, or `-` for a unit without SE",
            )
        excitation = spelling.read(match["excitation"])
        if excitation is None:
            raise _not_an_excitation(match["excitation"])
        return cls(match["squeeze"], *excitation, match["gate"], match["position"])

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


def _not_an_excitation(text: str) -> UserError:
    sized = {"hidden width": "16", "kernel": "3", "none": ""}
    names = [form.spelling.format(sized[form.size]) for form in spelling.FORMS.values()]
    listed = ", ".join(f"`{name}`" for name in names)
    return UserError(f"`{text}` is not an excitation; write {listed}", hint="a kernel, as in `eca3`, is odd")
