"""How figures are written for people, one way everywhere: intervals, and counts with their noun."""

import re
import textwrap

# What a person may copy from a terminal, which must stay one line.
COMMAND = "senet-search "
# Where the second column of a line begins: after two spaces or more.
_FIRST_COLUMN = re.compile(r" *\S+(?: \S+)* {2,}")


def wrapped(line: str, width: int) -> list[str]:
    """A line for a terminal of ``width`` columns: broken between words, and continued where its second column begins.

    A line without columns continues two spaces further in. One with a command stays whole, so that it can be copied.
    """
    if len(line) <= width or COMMAND in line:
        return [line]
    column = _FIRST_COLUMN.match(line)
    indent = column.end() if column else len(line) - len(line.lstrip(" ")) + 2
    if indent > width // 2:
        indent = 4
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def interval(low: float, high: float, form: str = "+z.2f") -> str:
    """``[-0.01, +0.25]``."""
    return f"[{low:{form}}, {high:{form}}]"


def with_interval(value: float, low: float, high: float, unit: str = "", form: str = "+z.2f") -> str:
    """``+0.12 [-0.01, +0.25]``, with a unit ``+0.12 points [-0.01, +0.25]``."""
    shown = f"{value:{form}} {unit}".rstrip()
    return f"{shown} {interval(low, high, form)}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: ``1 epoch``, ``3 epochs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rough(seconds: float) -> str:
    """A duration with one unit: ``4.2 s``, ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
