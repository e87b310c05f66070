"""One SE block, and one architecture: frozen, canonical, hashable, text and back.

Text form: ``cifar_resnet20/-/-/avg:fc2:sigmoid@pre_addition/...``: one field for each site, ``-`` where it has no SE,
else ``squeeze:excitation:gate@position``. The excitation carries the *hidden width*, never the reduction ratio: two
ratios that round to the same width build the same network, so they must be the same architecture.
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property

from spaces.errors import UserError

_FIELD = re.compile(r"(?P<squeeze>\w+):(?P<excitation>\w+):(?P<gate>\w+)@(?P<position>\w+)")
_EXCITATION = re.compile(r"fc[1-9]\d*(nb)?|eca([1-9]\d*)?[13579]|diag")

# How an excitation is written in a config, and how it is spelled where C channels and the hidden width are known.
EXCITATIONS = {
    "fc": "fc{hidden}", "fcnb": "fc{hidden}nb", "eca": "eca{kernel}", "eca3": "eca3", "eca5": "eca5", "eca7": "eca7",
    "eca9": "eca9", "diag": "diag",
}  # fmt: skip
REDUCING = ("fc", "fcnb")  # those that have a hidden width, so that a reduction ratio means something


@dataclass(frozen=True, slots=True)
class SE:
    """A Squeeze-and-Excitation block (Hu et al., arXiv 1709.01507): what, how wide, how gated, and where in its unit."""

    squeeze: str
    excitation: str
    gate: str
    position: str

    def __post_init__(self) -> None:
        if not _EXCITATION.fullmatch(self.excitation):
            raise UserError(
                f"`{self.excitation}` is no excitation; write `fc16` (without bias `fc16nb`), `eca3` (an odd number) or "
                "`diag`"
            )

    @property
    def form(self) -> str:
        """The excitation without its number: ``fc``, ``fcnb``, ``eca`` or ``diag``."""
        return re.sub(r"\d+", "", self.excitation)

    @property
    def size(self) -> int:
        """The number in the excitation: hidden width of ``fc`` (C / r of the paper), kernel of ``eca``, else 0."""
        return int(re.sub(r"\D+", "", self.excitation) or 0)

    @property
    def hidden(self) -> int:
        """Hidden width of the bottleneck, C / r of the paper; 0 where there is none."""
        return self.size if self.form in REDUCING else 0

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


def spelled(excitation: str, channels: int, hidden: int) -> str:
    """An excitation of a config as an architecture names it: ``fc`` -> ``fc16``, ``eca`` -> ``eca5``."""
    return EXCITATIONS[excitation].format(hidden=hidden, kernel=eca_kernel(channels))


def eca_kernel(channels: int) -> int:
    """The odd number at or after (log2 C + 1) / 2, rounded down: ECA-Net's rule (arXiv 1910.03151) as its code has it."""
    return int((math.log2(channels) + 1) / 2) | 1
