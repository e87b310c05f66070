"""Reads YAML with positions. The one file that imports yaml.

It reads what a config needs: sections, lists, text, numbers, true, false and null. A scalar without quotes means what
it means in YAML 1.2 (``1e-3`` is a number; ``on``, ``no``, ``010`` and ``12:30`` are text). Tags, anchors, aliases and
duplicate keys are mistakes. PyYAML only splits the text into events; it never constructs objects.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from search.config.config_error import Fault, Path, Problem, Spot, dotted

MAX_DEPTH = 16
# Whole numbers with more digits are not the same number in every reader of JSON and YAML.
MAX_DIGITS = 18

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEANS = {**dict.fromkeys(("true", "True", "TRUE"), True), **dict.fromkeys(("false", "False", "FALSE"), False)}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

# For these mistakes the message points at the beginning, not at the place where the scanner gave up.
_BEGUN = re.compile("while (scanning a (simple key|.*quoted)|parsing a flow)")
_TOO_DEEP = "nested too deeply"
# A pattern of PyYAML's message, our message, and a hint.
_SYNTAX = (
    (r"'\\t' that cannot start", "a tab; YAML is indented with spaces", "replace the tab by spaces"),
    (r"character .* that cannot start", "a value cannot begin with this character", "put the value in quotes"),
    (r"mapping values are not allowed", "a `:` that is not allowed here", "put text with `: ` in quotes"),
    (r"could not find expected ':'", "a line without `key: value`", "is a `:`, or a space after it, missing?"),
    (r"unknown escape", "a backslash that does not begin an escape", "write /, or put the text in single quotes"),
    (r"end of stream|document separator", "a quote that is never closed", "close the quote"),
    (r"expected ',' or", "a bracket that is never closed, or a missing comma", "close the bracket"),
    (r"expected <block end>|sequence entries are not", "this line is not indented like its neighbours",
     "keys of one section start in the same column"),
    (_TOO_DEEP, _TOO_DEEP, "a config holds only sections and lists"),
)  # fmt: skip


class _Broken:
    """Stands for a value that could not be read, so that no further mistake is reported about it."""


_BROKEN = _Broken()


@dataclass
class Document:
    """A config as it was read, with the places of keys and values, and the mistakes."""

    file: str = ""
    tree: Any = None
    keys: dict[Path, Spot] = field(default_factory=dict)
    values: dict[Path, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)

    def spot(self, path: Path, *, at_key: bool = False) -> Spot:
        """The place of a value, or of its key; the section around it if the config does not set it."""
        for length in range(len(path), 0, -1):
            at_key = at_key or length < len(path)
            places = self.keys if at_key and path[:length] in self.keys else self.values
            if path[:length] in places:
                return places[path[:length]]
        return Spot(self.file)

    def problem(self, fault: Fault) -> Problem:
        return Problem(self.spot(fault.path, at_key=fault.at_key), dotted(fault.path), fault.message, fault.hint)

    def is_broken(self, path: Path) -> bool:
        """Whether a problem was found at the path, inside the value, or in a section around it."""
        return any(path[: len(other)] == other or other[: len(path)] == path for other in self.broken)

    def mark(self, path: Path, spot: Spot) -> None:
        """Notes a new place for the value at a path."""
        for places in (self.keys, self.values):
            for inner in [inner for inner in places if inner[: len(path)] == path]:
                del places[inner]
            places[path] = spot


def read(text: str, file: str) -> Document:
    """The document of a text. It holds all mistakes of the text; none is raised."""
    return _Reader(text, file).read()


def dump(tree: Any) -> str:
    """ASCII YAML that :func:`read` reads back as the same tree."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


def plain(text: str) -> bool | int | float | str | None:
    """The value of a scalar without quotes."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text) and len(text.lstrip("+-")) <= MAX_DIGITS:
        return int(text)
    if _INFINITE.fullmatch(text):
        return math.nan
    return float(text) if _NUMBER.fullmatch(text) else text


class _Reader:
    """Turns the events of one text into a document."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._lines = _BREAK.split(text)
        self._document = Document(file)
        self._last = Spot(file)
        self._ended: Any = None  # where the last list or section ended

    def read(self) -> Document:
        unprintable = yaml.SafeLoader.NON_PRINTABLE.search(self._text)
        if unprintable:
            before = _BREAK.split(self._text[: unprintable.start()])
            spot = self._spot_at(len(before) - 1, len(before[-1]))
            self._note((), spot, "a control character; a config is plain text")
            return self._document
        try:
            self._read_all(yaml.parse(self._text, Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except (ValueError, OverflowError):  # an escape or a directive with a number that Python cannot hold
            self._note((), self._last, "not YAML: a number is too large")
        return self._document

    def _read_all(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        next(events)
        if isinstance(next(events), yaml.StreamEndEvent):
            return
        tree = self._node(next(events), (), None)
        next(events)
        event = next(events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._note((), self._spot(event), "a second YAML document; a file holds one config")
        self._document.tree = None if isinstance(tree, _Broken) else tree

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _node(self, event: Any, path: Path, key: Spot | None) -> Any:
        """The value that an event begins."""
        spot = self._spot(event)
        is_open = isinstance(event, yaml.CollectionStartEvent) and not event.flow_style
        is_empty = isinstance(event, yaml.ScalarEvent) and not event.value and event.style is None
        self._document.values[path] = key if key and (is_open or is_empty) else spot
        if len(path) > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=event.start_mark)
        refused = _refused(event)
        if refused:
            self._note(path, spot, refused)
            self._document.broken.add(path)
        value = self._value(event, path)
        if isinstance(event, yaml.CollectionStartEvent) and event.flow_style:
            self._document.values[path] = self._spot(event, self._ended)
        return _BROKEN if refused else value

    def _value(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event, path) if isinstance(event, yaml.ScalarEvent) else _BROKEN

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        count = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value = self._node(event, (*path, count), None)
            count += 1
            items.append(None if isinstance(value, _Broken) else value)
        self._ended = event.end_mark
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            spot = self._spot(event)
            earlier = self._document.keys.get((*path, key)) if key is not None else None
            if earlier:
                self._note((*path, str(key)), spot, f"appears twice; first in line {earlier.line}", "keep one of them")
            if key is None or earlier:
                self._skip()
                continue
            self._document.keys[(*path, key)] = spot
            value = self._node(next(self._events), (*path, key), spot)
            if not isinstance(value, _Broken):
                found[key] = value
        self._ended = event.end_mark
        return found

    def _skip(self, depth: int = 0) -> None:
        """Skips the next value, or (depth 1) the rest of the value that has just begun."""
        while True:
            event = next(self._events)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return

    def _key(self, event: Any, path: Path) -> str | None:
        spot = self._spot(event)
        refused = _refused(event)
        if not refused and not isinstance(event, yaml.ScalarEvent):
            refused = "a key must be text"
        refused = refused or _unreadable(event.value)
        if refused:
            self._note(path, spot, refused)
        if isinstance(event, yaml.CollectionStartEvent):
            self._skip(depth=1)
        return None if refused else str(event.value)

    def _scalar(self, event: Any, path: Path) -> Any:
        value = plain(event.value) if event.style is None else event.value
        fault = ""
        if isinstance(value, float) and _WHOLE.fullmatch(event.value):
            fault = f"a number with {len(event.value.lstrip('+-'))} digits"
        elif isinstance(value, float) and not math.isfinite(value):
            fault = f"`{event.value[:20]}` is not a finite number"
        elif isinstance(value, str):
            fault = _unreadable(value)
        if fault:
            self._note(path, self._spot(event), fault)
            self._document.broken.add(path)
        return _BROKEN if fault else value

    # -- problems -----------------------------------------------------------------------------------------------------

    def _note(self, path: Path, spot: Spot, message: str, hint: str = "") -> None:
        self._document.problems.append(Problem(spot, dotted(path), message, hint))

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        """Notes a mistake that PyYAML found; a tab at every line that begins with one, up to ten."""
        said = error.problem or error.context or "not YAML"
        known = next((row for row in _SYNTAX if re.search(row[0], said)), None)
        _, message, hint = known or ("", f"not YAML: {said}", "")
        began = error.context_mark if _BEGUN.match(error.context or "") else None
        mark = began or error.problem_mark
        tabs = self._lines_with_tabs() if message.startswith("a tab") else []
        spots = [self._spot_at(line, self._lines[line].index("\t")) for line in tabs[:10]]
        if mark and mark.line not in tabs:
            spots.append(self._spot_at(mark.line, mark.column))
        for spot in spots or [self._last]:
            self._note((), spot, message, hint)
        self._document.tree = None

    def _lines_with_tabs(self) -> list[int]:
        return [number for number, line in enumerate(self._lines) if re.match(" *\t", line)]

    def _spot(self, event: Any, end: Any = None) -> Spot:
        start = event.start_mark
        end = end or event.end_mark
        last = end.column if end.line == start.line else len(self._line(start.line))
        length = last - start.column
        self._last = self._spot_at(start.line, start.column, length)
        return self._last

    def _spot_at(self, line: int, column: int, width: int = 1) -> Spot:
        return Spot(self._file, line + 1, column + 1, max(1, width), self._line(line))

    def _line(self, number: int) -> str:
        return self._lines[number] if number < len(self._lines) else ""


def _refused(event: Any) -> str:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        return "anchors (`&`) and aliases (`*`) are not allowed; repeat the value, or put text in quotes"
    if event.tag is not None:
        return "tags (`!`) are not allowed; write the value alone, or put text in quotes"
    return ""


def _unreadable(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return "a line break or a control character inside a text"
    return ""


class _Dumper(yaml.SafeDumper):
    """Quotes text that our reader would take for another value."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if plain(text) == text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)
