"""Mistakes in a config, shown as a compiler shows them: file, line, column, key, the source line, and what to write."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spaces.errors import BAD_INPUT, UserError
from spaces.text import plural

Path = tuple[str | int, ...]

# At most this many problems are printed.
SHOWN = 20
# A longer source line is cut to this width, around the mistake.
WIDTH = 100

_PASSWORD = re.compile(r"(://[^/?#:@\s]*:)[^\s]*@")
_SECRET = re.compile(r"([?&](?:password|passwd|pwd|token|secret|key|\w*_key|\w*_token)=)[^&\s]*", re.IGNORECASE)


@dataclass(frozen=True)
class Spot:
    """A place in a config. Lines and columns count from 1; line 0 means a whole file, an override, or no file."""

    file: str = ""
    line: int = 0
    column: int = 0
    width: int = 1
    source: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Fault:
    """A mistake in the value at a path, or with ``at_key`` in its key."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False


@dataclass(frozen=True)
class Problem:
    """A mistake and its place. ``key`` is dotted, and empty for a mistake of the whole file."""

    spot: Spot
    key: str
    message: str
    hint: str = ""

    @property
    def file(self) -> str:
        return self.spot.file

    @property
    def line(self) -> int:
        return self.spot.line

    @property
    def column(self) -> int:
        return self.spot.column

    def __str__(self) -> str:
        is_named = not self.key or self.message.startswith(f"{self.key} ")
        what = self.message if is_named else f"{self.key}: {self.message}"
        where = f"{self.spot}  " if str(self.spot) else ""
        return "\n".join([_clean(f"error: {redacted(where)}{what}"), *self._excerpt()])

    def _excerpt(self) -> list[str]:
        """The source line, and below it carets under the mistake and the hint."""
        if not self.line:
            return [f"  hint: {_clean(self.hint)}"] if self.hint else []
        start = max(0, self.column - WIDTH // 2) if len(self.spot.source) > WIDTH else 0
        source = _clean(redacted(self.spot.source))[start : start + WIDTH]
        indent = self.column - 1 - start
        carets = " " * indent + "^" * max(1, min(self.spot.width, len(source) - indent))
        hint = _clean(self.hint)
        fits = len(carets) + len(hint) <= WIDTH
        margin = " " * len(f"{self.line:>5}")
        marked = [f"{margin} | {carets} {hint}".rstrip()] if fits else [f"{margin} | {carets}", f"{margin} | {hint}"]
        return [f"{self.line:>5} | {source}", *marked]


class ConfigError(UserError):
    """All mistakes of a config at once. Its text is ready to be printed.

    ``draft`` is an Experiment with the sections ``model`` and ``space`` of the config, if these two have no mistake. So
    what only the built network can find wrong with them can be reported together with the rest.
    """

    def __init__(self, problems: Iterable[Problem], *, code: int = BAD_INPUT, draft: Any = None) -> None:
        self.draft = draft
        self.problems = tuple(sorted(problems, key=lambda p: (p.line == 0, p.line, p.column)))
        count = len(self.problems)
        assert count
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        if count > SHOWN:
            lines.append(f"... and {count - SHOWN} more")
        lines.append(f"{plural(count, 'error')}. Nothing was started.")
        super().__init__("\n".join(lines), key=self.problems[0].key, code=code)


def dotted(path: Path) -> str:
    """A path as people write it: ``train.lr``."""
    return ".".join(str(part) for part in path)


def parts(key: str) -> Path:
    """The path of a dotted key; a number is an index into a list."""
    return tuple(int(part) if re.fullmatch("[0-9]{1,6}", part) else part for part in key.strip().split("."))


def redacted(uri: str) -> str:
    """The URI without its password and without secrets in its query: ``http://u:***@host``."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1***@", uri))


def _clean(text: str) -> str:
    """The text with a space for every character that a terminal cannot print."""
    return "".join(character if character.isprintable() else " " for character in text)
