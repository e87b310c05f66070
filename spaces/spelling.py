"""The names of excitations and of whole operators: how a key spells them, and what their size means.

What they compute and cost is in :mod:`senet_nas.network.operators`, where each form of this table has a row.
"""

import re
from dataclasses import dataclass
from typing import Literal

Size = Literal["hidden width", "kernel", "none"]
_TEXT = re.compile(r"(?P<before>[a-z]+)(?P<size>[1-9]\d*)?(?P<behind>[a-z]*)")


@dataclass(frozen=True)
class Form:
    """A form of excitation. ``spelling`` is its text in a key, with ``{}`` where its size stands, if it has one."""

    spelling: str
    size: Size = "none"

    def has(self, size: int) -> bool:
        """Whether this form exists in a size. Kernels are odd, so that they have a middle."""
        if self.size == "none":
            return size == 0
        return size >= 1 and (self.size == "hidden width" or size % 2 == 1)


# By the name in SE.form. To add one, write its row here, and what it computes and costs in senet_nas.
FORMS: dict[str, Form] = {
    "fc": Form("fc{}", "hidden width"),
    "fcnb": Form("fc{}nb", "hidden width"),
    "eca": Form("eca{}", "kernel"),
    "diag": Form("diag"),
    "fcbn": Form("fc{}bn", "hidden width"),
    "ese": Form("ese"),
    "none": Form("none"),
    "axes": Form("axes{}", "hidden width"),
    "conv": Form("conv{}", "kernel"),
}


@dataclass(frozen=True)
class Choice:
    """What a name in a config stands for: a form, its kernel where the name gives it, and the squeeze it comes with.

    Without a squeeze, ``space.squeeze`` names it.
    """

    form: str
    kernel: int | None = None
    squeeze: str = ""


# Every excitation that a config may name: these take what any squeeze of channels leaves.
EXCITATIONS: dict[str, Choice] = {
    "fc": Choice("fc"),
    "fcnb": Choice("fcnb"),
    "fcbn": Choice("fcbn"),
    "eca": Choice("eca"),
    "eca3": Choice("eca", 3),
    "eca5": Choice("eca", 5),
    "eca7": Choice("eca", 7),
    "eca9": Choice("eca", 9),
    "diag": Choice("diag"),
    "ese": Choice("ese"),
    "none": Choice("none"),
}
SE_OPERATOR = "se"
# Every operator that a config may name; the first is what squeeze and excitation of the config say.
OPERATORS: dict[str, Choice | None] = {
    SE_OPERATOR: None,
    "ese": Choice("ese", squeeze="avg"),
    "coord": Choice("axes", squeeze="coord"),
    "spatial": Choice("conv", 7, squeeze="spatial"),
    "simam": Choice("none", squeeze="simam"),
}


def spelt(form: str, size: int) -> str:
    """``fc16``, ``fc16nb``, ``eca3`` or ``diag``."""
    return FORMS[form].spelling.format(size)


def read(text: str) -> tuple[str, int] | None:
    """Form and size of ``fc16``, ``fc16nb``, ``eca3`` or ``diag``; None if there is no such excitation."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    form = match["before"] + match["behind"]
    size = int(match["size"] or 0)
    return (form, size) if exists(form, size) and spelt(form, size) == text else None


def exists(form: str, size: int) -> bool:
    return form in FORMS and FORMS[form].has(size)


def has_hidden_width(form: str) -> bool:
    """Whether a reduction ratio means something for a form: its size is a hidden width."""
    return FORMS[form].size == "hidden width"
