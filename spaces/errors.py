"""Errors that are meant for people: what is wrong, what is allowed, what to type instead."""

import difflib
from collections.abc import Iterable
from pathlib import Path

# More names than this are not listed in a message.
LISTED = 24
# Names that people type, and ours for the same thing.
SYNONYMS = {
    "gpu": "cuda",
    "mean": "avg",
    "average": "avg",
    "gap": "avg",
    "avgpool": "avg",
    "maximum": "max",
    "gmp": "max",
    "maxpool": "max",
    "sigm": "sigmoid",
    "logistic": "sigmoid",
    "hsigmoid": "hard_sigmoid",
    "hardsigmoid": "hard_sigmoid",
    "mlp": "fc",
    "dense": "fc",
    "linear": "fc",
    "r": "reduction",
    "ratio": "reduction",
    "pool": "squeeze",
    "pooling": "squeeze",
    "activation": "gate",
    "flops": "macs",
    "parameters": "params",
    "speed": "latency",
    "hours": "time",
    "minutes": "time",
    "duration": "time",
}
# How much alike the name that is meant and the word are at least, up to 1.
ALIKE = 0.5
# The letters from which on a word may be the beginning of the name that is meant.
ABBREVIATED = 3
# Exit status of a command. After a signal it is SIGNALLED plus the number of the signal.
DONE = 0
BUG = 1
BAD_INPUT = 2
NOTHING_USABLE = 3
ENVIRONMENT = 4
SIGNALLED = 128


class UserError(Exception):
    """A mistake that the user can mend. It is printed without a traceback.

    ``key`` is the dotted config key that caused it, if one did; ``code`` is the exit status:
    2 bad config or usage, 3 the search found nothing usable, 4 the environment failed.
    """

    def __init__(self, message: str, *, hint: str = "", key: str = "", code: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.key = key
        self.code = code


def nearest(word: str, allowed: Iterable[str], cutoff: float = ALIKE) -> str | None:
    """The allowed name that means ``word``, begins with it, or looks most like it; None without one.

    ``cutoff``: how alike, up to 1. A caller that is stricter than usual gets no name for its beginning alone.
    """
    meant = SYNONYMS.get(str(word).lower())
    allowed = [str(name) for name in allowed]
    if meant in allowed:
        return meant
    same = next((name for name in allowed if name.lower() == str(word).lower()), None)
    if same is not None:
        return same
    begun = [name for name in allowed if name.lower().startswith(str(word).lower())]
    if cutoff <= ALIKE and len(begun) == 1 and len(str(word)) >= ABBREVIATED:
        return begun[0]
    close = difflib.get_close_matches(str(word), allowed, n=1, cutoff=cutoff)
    return close[0] if close else None


def nearest_file(path: Path, endings: tuple[str, ...]) -> Path | None:
    """The file with one of these endings that stands where ``path`` does not, under the name most like it."""
    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    beside = [name for name in names if name.lower().endswith(endings)]
    guess = nearest(path.name, beside)
    return path.parent / guess if guess else None


def unknown(what: str, word: str, allowed: Iterable[str], *, key: str = "") -> UserError:
    """The error for an unknown name. It lists allowed names, of many only similar ones, and suggests the nearest."""
    names = list(allowed)
    guess = nearest(word, names)
    shown = ", ".join(names)
    if len(names) > LISTED:
        alike = difflib.get_close_matches(str(word), names, n=LISTED // 2, cutoff=0.0)
        shown = f"{', '.join(alike)}, ... ({len(names)} in all)"
    return UserError(
        f"unknown {what} `{word}`; allowed: {shown}",
        hint=f"did you mean `{guess}`?" if guess else "",
        key=key,
    )
