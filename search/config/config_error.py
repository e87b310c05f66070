"""Mistakes in a config, as a compiler tells them: file, line, column, key, the line itself, what to type instead."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spaces.errors import BAD_INPUT, UserError

Path = tuple[str | int, ...]

# More than this on one screen helps nobody.
SHOWN = 20
# A source line is cut to this width, around what is wrong.
WIDTH = 100

_PASSWORD = re.compile(r"(://[^/?#:@\s]*:)[^\s]*@")
_SECRET = re.compile(r"([?&](?:password|passwd|pwd|token|secret|key|\w*_key|\w*_token)=)[^&\s]*", re.IGNORECASE)


@dataclass(frozen=True)
class Spot:
    """Where something stands. Lines and columns count from 1; line 0 is the whole file, an override, or no file."""

    file: str = ""
    line: int = 0
    column: int = 0
    width: int = 1
    source: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Fault:
    """What is wrong with the value at a path. ``at_key``: with its key."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False


@dataclass(frozen=True)
class Problem:
    """One mistake and where it stands. ``key`` is dotted, empty where the file as a whole is meant."""

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
        what = f"{self.key}: {self.message}" if self.key else self.message
        where = f"{self.spot}  " if str(self.spot) else ""
        return "\n".join([_clean(f"error: {redacted(where)}{what}"), *self._excerpt()])

    def _excerpt(self) -> list[str]:
        """The source line and, under what is wrong, carets and the hint."""
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

    ``draft`` is an Experiment of which ``model`` and ``space`` can be trusted, where those two sections are whole: what
    only the network can say about them may be told together with the rest.
    """

    def __init__(self, problems: Iterable[Problem], *, code: int = BAD_INPUT, draft: Any = None) -> None:
        self.draft = draft
        self.problems = tuple(sorted(problems, key=lambda p: (p.line == 0, p.line, p.column)))
        count = len(self.problems)
        assert count
        more = [f"... and {count - SHOWN} more"] if count > SHOWN else []
        end = f"{count} error{'s' if count > 1 else ''}. Nothing was started."
        text = "\n".join([*(str(problem) for problem in self.problems[:SHOWN]), *more, end])
        super().__init__(text, key=self.problems[0].key, code=code)


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def parts(key: str) -> Path:
    """The path of a dotted key; a number is an index into a list."""
    return tuple(int(part) if re.fullmatch("[0-9]{1,6}", part) else part for part in key.strip().split("."))


def redacted(uri: str) -> str:
    """The URI without its password and without secrets in its query: ``http://u:***@host``."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1***@", uri))


def _clean(text: str) -> str:
    """The text as a terminal can print it, each character one column wide."""
    return "".join(character if character.isprintable() else " " for character in text)
