"""The reference of a config as markdown, made from the declarations that check a config."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any, get_args, get_origin, get_type_hints

from search.config.checks import NAMES
from search.config.experiment import Config
from search.config.render import OPEN, flow

_INTRODUCTION = """# Every setting of a config

To set something, look up its name, its default and what it may be. Only `data` and `model.backbone` must be set.
`senet-search init --full` writes a file with every setting as a comment, and beside it a JSON Schema, which editors
read for completion. `--set KEY=VALUE` overrides a setting on the command line. Settings marked with * may change
between two sessions of a run; all others are fixed once a run has begun.

`senet-search schema --markdown` writes this page; `tests/search/config/test_reference.py` fails if it is stale.
"""
_LIMITS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def reference() -> str:
    """All sections and their settings: key, default, allowed values, meaning."""
    hints = get_type_hints(Config, include_extras=True)
    parts = [_INTRODUCTION]
    for field in dataclasses.fields(Config):
        section = hints[field.name]
        items = get_args(section)
        parts.append(f"## `{field.name}`{_mark(field.name)}\n\n{_sentence(field)}\n")
        if dataclasses.is_dataclass(section):
            parts.append(_table(field.name, section))
        elif items and dataclasses.is_dataclass(items[0]):
            parts.append("A list of sections, each with these keys:\n\n" + _table(f"{field.name}.*", items[0]))
    return "\n".join(parts)


def _table(name: str, section: Any) -> str:
    hints = get_type_hints(section, include_extras=True)
    rows = [_row(name, field, hints[field.name]) for field in dataclasses.fields(section)]
    return "\n".join(["| key | default | allowed | meaning |", "|---|---|---|---|", *rows, ""])


def _row(section: str, field: "dataclasses.Field[Any]", hint: Any) -> str:
    key = f"{section}.{field.name}"
    meaning = field.metadata["description"].replace("|", "/")
    return f"| `{field.name}`{_mark(key)} | {_default(field)} | {_allowed(key, field.metadata, hint)} | {meaning} |"


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is None:
        return ""
    return "(required)" if field.default in (MISSING, "") else f"`{flow(field.default)}`"


def _sentence(field: "dataclasses.Field[Any]") -> str:
    meaning = field.metadata["description"]
    sentence = f"{meaning[0].upper()}{meaning[1:]}."
    if field.default is MISSING or dataclasses.is_dataclass(field.default) or "default:" in meaning:
        return sentence
    return f"{sentence} Default: `{flow(field.default)}`."


def _mark(key: str) -> str:
    """A star for a setting, or a setting of a section, that may change between two sessions."""
    section = key.split(".", maxsplit=1)[0]
    return r" \*" if key in OPEN or section in OPEN else ""


def _allowed(key: str, metadata: Mapping[str, Any], hint: Any) -> str:
    names = NAMES.get(key, NAMES.get(f"{key}.*"))
    if names is not None:
        return _listed(hint, ", ".join(f"`{name}`" for name in names))
    kinds = list(dict.fromkeys(_kinds(hint)))
    bounds = [text.format(f"{metadata[limit]:,}") for limit, text in _LIMITS.items() if limit in metadata]
    return ", ".join([" or ".join(kinds), *bounds])


def _listed(hint: Any, names: str) -> str:
    return f"list of {names}" if "list of" in " ".join(_kinds(hint)) else names


def _kinds(hint: Any) -> Iterator[str]:
    """A type in words; the values of a choice."""
    origin = get_origin(hint)
    inside = get_args(hint)
    if hint in _WORDS:
        yield _WORDS[hint]
    elif origin is tuple:
        yield "list of " + " or ".join(_PLURAL.get(kind, kind) for kind in dict.fromkeys(_kinds(inside[0])))
    elif str(origin) == "typing.Literal":
        yield from (f"`{value}`" for value in inside)
    elif dataclasses.is_dataclass(hint):
        yield "sections: " + ", ".join(f"`{field.name}`" for field in dataclasses.fields(hint))
    elif hasattr(hint, "__metadata__"):
        yield from _kinds(hint.__origin__)
    else:
        yield from (kind for part in inside for kind in _kinds(part))


_WORDS = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`true` or `false`",
    type(None): "nothing",
}
_PLURAL = {"whole number": "whole numbers", "number": "numbers", "text": "texts"}
