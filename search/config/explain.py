"""Explains what is wrong with a value, in words from its declaration. Pydantic finds the mistakes.

Only the place and the kind of a pydantic error are used, never its text.
"""

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from search.config.checks import NAMES
from search.config.config_error import Fault, Path
from search.config.yaml_reader import plain
from spaces.errors import nearest, unknown

_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}
_LIMITS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}
_RANGE = ("greater_than", "less_than")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
# A key of another section must be so much alike: what merely shares letters is seldom meant.
_ALIKE = 0.7
# Names that other tools and people give our keys.
_ALSO = {
    "trials": "budget.trainings",
    "n_trials": "budget.trainings",
    "time_limit": "budget.time",
    "learning_rate": "train.lr",
    "batch": "train.batch_size",
    "algorithm": "search.sampler",
    "ratio": "space.reduction",
    "metrics": "objectives",
    "network": "model.backbone",
    "images": "data.path",
    "mlflow": "tracking.uri",
}
_MISSING = ("missing", "missing_argument")

Limits = Mapping[str, Any]


def explain(errors: Sequence[Mapping[str, Any]], tree: Any, kind: type) -> Iterator[Fault]:
    """A fault for each value that does not fit its declaration in the dataclass ``kind``.

    Pydantic reports an error for each member of a union: the one deepest in the value counts.
    """
    found: dict[Path, Fault] = {}
    for error in errors:
        path = _inside(error["loc"], tree)
        if error["type"] in _UNKNOWN:
            found[path] = _unknown_key(path, kind)
        elif error["type"] in _MISSING:
            path = (*path, error["loc"][-1])
            found[path] = Fault(path, f"missing; {_meaning(kind, path)}", at_key=True)
        else:
            found.setdefault(path, _misfit(error["type"], path, _value(tree, path), kind))
    for path, fault in found.items():
        if not any(len(other) > len(path) and other[: len(path)] == path for other in found):
            yield fault


def declared(kind: Any, path: Path) -> tuple[Any, Limits]:
    """The annotation and the metadata of the setting at a path."""
    annotation: Any = kind
    limits: Limits = {}
    for part in path:
        holder = next(member for member in _members(annotation) if _holds(member, part))
        if isinstance(part, int):
            annotation = get_args(holder)[0]
            limits = {}
        else:
            annotation = get_type_hints(holder, include_extras=True)[part]
            limits = dict(next(f.metadata for f in dataclasses.fields(holder) if f.name == part))
    return annotation, limits


def key_names(kind: type) -> list[str]:
    """The keys of a section."""
    return [field.name for field in dataclasses.fields(kind)]


def words(annotation: Any) -> str:
    """What an annotation allows, in words: ``auto or a whole number of at least 1``."""
    members = _members(annotation)
    if len(members) > 1:
        return " or ".join(words(member) for member in members)
    (member,) = members
    if get_origin(member) is Annotated:
        base, *metadata = get_args(member)
        return f"{words(base)} of {_range(_constraints(metadata))}"
    if get_origin(member) is Literal:
        return " or ".join(f"`{name}`" for name in get_args(member))
    if get_origin(member) is tuple:
        item = get_args(member)[0]
        return f"a list of {'sections' if dataclasses.is_dataclass(item) else _PLURALS.get(item, 'names')}"
    if dataclasses.is_dataclass(member):
        return f"a section with keys such as {', '.join(key_names(member)[:3])}"  # type: ignore[arg-type]
    return _NAMES[member]


def shown(value: Any) -> str:
    """A value as messages name it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value}"
    if isinstance(value, str):
        return f"text `{value}`" if len(value) <= 40 else f"text `{value[:37]}...`"
    return "a list" if isinstance(value, list) else "a section"


def _inside(loc: Sequence[str | int], tree: Any) -> Path:
    """The part of a pydantic location that is a path in the tree; the rest names members of unions."""
    path: list[str | int] = []
    for part in loc:
        is_there = part in tree if isinstance(tree, dict) else isinstance(tree, list) and isinstance(part, int)
        if is_there:
            tree = tree[part]
            path.append(part)
    return tuple(path)


def _value(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _unknown_key(path: Path, kind: type) -> Fault:
    annotation, _ = declared(kind, path[:-1])
    section = next(member for member in _members(annotation) if dataclasses.is_dataclass(member))
    names = key_names(section)  # type: ignore[arg-type]
    written = str(path[-1])
    guess = _elsewhere(written, kind, exact=True) or nearest(written, names) or _elsewhere(written, kind)
    hint = f"did you mean `{guess}`?" if guess else ""
    if guess == written:
        hint = f"`{written}` stands at the top of a config, beside `{path[0]}`"
    home, _, inner = written.partition(".")
    if home in key_names(kind) and inner in _inner(declared(kind, (home,))[0]):
        hint = f"write `{inner}` below `{home}`, or add `--set {written}=VALUE` to the command"
    return Fault(path, f"unknown key; allowed: {', '.join(names)}", hint, at_key=True)


def _elsewhere(name: str, kind: type, exact: bool = False) -> str:
    """A key of another section with this name (``exact``) or a similar one: wrong indentation, or a habit."""
    homes = {key: f"{section}.{key}" for section in key_names(kind) for key in _inner(declared(kind, (section,))[0])}
    homes |= {section: section for section in key_names(kind)} | _ALSO
    found = name if exact else nearest(name, homes, cutoff=_ALIKE)
    return homes.get(found or "", "")


def _inner(section: Any) -> list[str]:
    return key_names(section) if dataclasses.is_dataclass(section) else []  # type: ignore[arg-type]


def _meaning(kind: type, path: Path) -> str:
    _, limits = declared(kind, path)
    return f"required: {limits['description']}"


def _misfit(error: str, path: Path, value: Any, kind: type) -> Fault:
    annotation, limits = declared(kind, path)
    members = _members(annotation)
    if error == "too_short":
        return Fault(path, "expected at least one value, got an empty list")
    if error == "string_too_short":
        return Fault(path, "expected text, got empty text")
    if error == "string_pattern_mismatch":
        return Fault(path, f"`{value[:80]}` does not fit; {limits['description']}")
    if len(members) == 1 and error.startswith(_RANGE):
        return Fault(path, f"must be {_range(limits)}, got {shown(value)}")
    if len(members) == 1 and get_origin(members[0]) is Literal and isinstance(value, str):
        error_ = unknown("value", value, get_args(members[0]))
        return Fault(path, error_.message, error_.hint)
    return Fault(path, f"expected {words(annotation)}, got {shown(value)}", _hint(path, members, value, limits))


def _hint(path: Path, members: Sequence[Any], value: Any, limits: Limits) -> str:
    """What to write instead, if that can be guessed."""
    kinds = {_kind(member) for member in members}
    if value is None:
        return "remove the key to use its default"
    if isinstance(value, dict | list):
        return ""
    required = [key for member in members if dataclasses.is_dataclass(member) for key in _required(member)]
    if required:
        return f"write {{{required[0]}: {_written(value)}}}"
    if tuple in kinds:
        return _hint_for_list(path, members, _written(value))
    if isinstance(value, str):
        return _hint_for_text(kinds, members, value)
    return _hint_for_number(kinds, value, limits)


def _kind(member: Any) -> Any:
    """The type of a member, without limits and without the types of its items."""
    if get_origin(member) is Annotated:
        return get_args(member)[0]
    return get_origin(member) or member


def _hint_for_number(kinds: set[Any], value: float, limits: Limits) -> str:
    if str in kinds:
        examples = limits.get("examples")
        if examples:
            return f"for example {' or '.join(examples)}"
        return f"put it in quotes: '{_written(value)}'"
    is_whole = int in kinds and isinstance(value, float) and value.is_integer()
    return f"write {int(value)}" if is_whole else ""


def _hint_for_text(kinds: set[Any], members: Sequence[Any], value: str) -> str:
    if bool in kinds:
        return "write true or false"
    if kinds & {int, float}:
        number = plain(value.replace("_", "").replace(",", "").strip())
        if isinstance(number, int | float) and not isinstance(number, bool):
            return f"write {number}, without quotes"
    choices = [name for member in members if get_origin(member) is Literal for name in get_args(member)]
    guess = nearest(value, choices)
    return f"did you mean `{guess}`?" if guess else ""


def _hint_for_list(path: Path, members: Sequence[Any], text: str) -> str:
    """The list to write in place of a single item; of unknown names the nearest, or all that are allowed."""
    items = [get_args(member)[0] for member in members if get_origin(member) is tuple]
    choices = [name for item in items if get_origin(item) is Literal for name in get_args(item)]
    choices += NAMES.get(".".join(map(str, (*path, "*"))), ())
    if not choices or text in choices:
        return f"write [{text}]"
    guess = nearest(text, choices)
    return f"write [{guess}]" if guess else f"write a list of {', '.join(choices)}"


def _required(section: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(section) if field.default is dataclasses.MISSING]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union without None; a tuple of the annotation itself if it is not a union."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(member for member in get_args(annotation) if member is not type(None))
    return (annotation,)


def _holds(member: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return get_origin(member) is tuple
    return dataclasses.is_dataclass(member) and part in key_names(member)  # type: ignore[arg-type]


def _constraints(metadata: Sequence[Any]) -> dict[str, Any]:
    """The limits inside an Annotated, as pydantic keeps them."""
    rules = [rule for item in metadata for rule in getattr(item, "metadata", [item])]
    return {name: getattr(rule, name) for rule in rules for name in _LIMITS if getattr(rule, name, None) is not None}


def _range(limits: Limits) -> str:
    return " and ".join(text.format(limits[name]) for name, text in _LIMITS.items() if limits.get(name) is not None)
