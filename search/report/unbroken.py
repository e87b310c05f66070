"""HTML in which no line ends between a figure and its unit, or inside an interval."""

import re

NO_BREAK = "\u00a0"
# What a reader copies keeps its spaces, and code is not prose.
VERBATIM = re.compile(r"(<(script|style|pre|code)\b.*?</\2>)", re.DOTALL)
UNIT = re.compile(r"(?<=\d) (?=(?:%|points?|ms|µs|s|min|h|kB|MB|GB|MiB|GiB)(?![\w]))")
INTERVAL = re.compile(r"(?<=\[)([-+]?[\d.]+), ([-+]?[\d.]+)(?=\])")


def kept_together(html: str) -> str:
    """The page with no-break spaces in figures; code, and what can be copied, is unchanged."""
    parts = VERBATIM.split(html)
    # Of each three parts the second is verbatim, and the third the name of its tag.
    return "".join(_kept(prose) + verbatim for prose, verbatim in zip(parts[::3], [*parts[1::3], ""], strict=True))


def _kept(prose: str) -> str:
    return UNIT.sub(NO_BREAK, INTERVAL.sub(rf"\1,{NO_BREAK}\2", prose))
