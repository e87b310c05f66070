"""The footnotes of a page: statistics and conditions, numbered in the order in which the text refers to them."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


class Footnotes:
    """Gives each text its number. The same text has one number, wherever it is referred to."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Every number with its text."""
        return ((number, text) for text, number in self._numbers.items())


def with_code(text: str) -> "Markup":
    """The text as HTML, escaped; what stands between backticks is code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
