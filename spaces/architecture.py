"""One SE block, and one architecture: frozen, canonical, hashable, text and back.

Text form: ``cifar_resnet20/-/-/avg:fc2:sigmoid@pre_addition/...``: one field for each site, ``-`` where it has no SE,
else ``squeeze:excitation:gate@position``. The excitation carries the *hidden width*, never the reduction ratio: two
ratios that round to the same width build the same network, so they must be the same architecture.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from spaces.errors import UserError

_FIELD = re.compile(r"(?P<squeeze>\w+):(?P<excitation>\w+):(?P<gate>\w+)@(?P<position>\w+)")
_EXCITATION = re.compile(r"fc(?P<hidden>[1-9]\d*)(?P<no_bias>nb)?")

# How an excitation is written in a config, and how it is spelled with its hidden width.
EXCITATIONS = {"fc": "fc{hidden}", "fcnb": "fc{hidden}nb"}


@dataclass(frozen=True, slots=True)
class SE:
    """A Squeeze-and-Excitation block (Hu et al., arXiv 1709.01507): what, how wide, how gated, and where in its unit."""

    squeeze: str
    excitation: str
    gate: str
    position: str

    def __post_init__(self) -> None:
        if not _EXCITATION.fullmatch(self.excitation):
            raise UserError(f"`{self.excitation}` is no excitation; write `fc16` or, without bias, `fc16nb`")

    @property
    def hidden(self) -> int:
        """Hidden width of the bottleneck: C / r of the paper."""
        return int(_match(self.excitation)["hidden"])

    @property
    def bias(self) -> bool:
        return _match(self.excitation)["no_bias"] is None

    @classmethod
    def parse(cls, text: str) -> "SE":
        """Read ``squeeze:excitation:gate@position``. Raises UserError."""
        match = _FIELD.fullmatch(text)
        if match is None:
            raise UserError(
                f"`{text}` is no SE block; write `squeeze:excitation:gate@position`",
                hint="for example `avg:fc16:sigmoid@pre_addition`, or `-` for none",
            )
        return cls(**match.groupdict())

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
                f"`{text}` is no architecture; write `backbone/field/field/...`, one field for each site",
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
        return "/".join([self.backbone, *("-" if se is None else str(se) for se in self.blocks)])

    def __str__(self) -> str:
        return self.key


def _match(excitation: str) -> re.Match[str]:
    match = _EXCITATION.fullmatch(excitation)
    assert match is not None  # checked at construction
    return match
