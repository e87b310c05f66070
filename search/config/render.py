"""Configs as text: resolved, as a commented template, and as a JSON Schema; and the differences between two."""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, replace
from typing import Any, get_type_hints

from search.config.checks import NAMES
from search.config.config_error import redacted
from search.config.experiment import Config, Experiment, adapter
from search.config.sections import BudgetSpec
from search.config.source_checks import FOLDER
from search.config.yaml_reader import dump
from senet_nas.data.datasets import DATASETS, known, section
from senet_nas.training.quality_metrics import OWN_NAME, RECALL_PATTERN
from spaces.errors import UserError

# A value to set in a new config, and the reason for it.
Setting = tuple[Any, str]
SCHEMA_FILE = "senet-search.schema.json"
# The column in which comments of the template start, and the longest line.
COLUMN = 34
WIDTH = 120

# What may change between two sessions of a run, because it changes neither a training nor what a proof needs.
OPEN = (
    "name",
    "budget",
    "resources",
    "tracking",
    "search.tolerance",
    "search.level",
    "search.worthwhile",
    "search.confirm",
    "search.model",
    "search.stop",
    "search.short",
    "search.pictures",
    "data.streaming",
    "data.cache",
    "train.cudagraph",
)


def to_yaml(experiment: Experiment) -> str:
    """All settings, including defaults, as YAML that loads as the same experiment. Passwords in URIs are removed."""
    tree = experiment.to_dict()
    uri = tree["tracking"]["uri"]
    tree["tracking"]["uri"] = redacted(uri) if uri else uri
    return "# All settings of a search, defaults included.\n" + dump(tree)


def differences(old: Experiment, new: Experiment) -> list[tuple[str, Any, Any]]:
    """(dotted key, old value, new value) for every setting that differs."""
    before = dict(_flat(old.to_dict()))
    after = dict(_flat(new.to_dict()))
    return [(key, before[key], after[key]) for key in before if before[key] != after[key]]


def with_trainings(experiment: Experiment, text: str) -> Experiment:
    """The experiment with a budget of ``N`` trainings, or of ``+N`` more than it has. Raises UserError."""
    number, is_extension = trainings_in(text)
    limits = next(f.metadata for f in dataclasses.fields(BudgetSpec) if f.name == "trainings")
    total = number + (experiment.budget.trainings if is_extension else 0)
    if not limits["ge"] <= total <= limits["le"]:
        raise UserError(f"--trainings {text}: must be at least {limits['ge']} and at most {limits['le']}, got {total}")
    return replace(experiment, budget=replace(experiment.budget, trainings=total))


def trainings_in(text: str) -> tuple[int, bool]:
    """The number in ``80`` or ``+20``, and whether it extends a budget. Raises UserError."""
    number = text.strip().removeprefix("+")
    if not (number.isascii() and number.isdecimal() and len(number) <= 7):
        raise UserError(f"--trainings {text}: expected a whole number", hint="write 80, or +20 for 20 more")
    is_extension = text.strip().startswith("+")
    if is_extension and not int(number):
        raise UserError(f"--trainings {text} adds nothing", hint="leave it out, or write +20 for 20 more")
    return int(number), is_extension


def schema() -> dict[str, Any]:
    """JSON Schema of a config file: types, limits, meanings and allowed names."""
    found = adapter().json_schema()
    for pattern, names in NAMES.items():
        section, *rest = pattern.split(".")
        place = _within(found, section, rest)
        if pattern == "data.dataset":
            forms = [{"pattern": f"^{row.form}$"} for row in DATASETS.values() if row.form]
            place["anyOf"] = [{"enum": list(names)}, *forms]
        elif pattern in ("objectives.*.metric", "record.*"):
            patterns = [RECALL_PATTERN, *([OWN_NAME.pattern] if pattern != "record.*" else [])]
            place["anyOf"] = [{"enum": list(names)}, *({"pattern": text} for text in patterns)]
        else:
            place["enum"] = list(names)
    properties = found["properties"]
    objective = properties["objectives"]["items"]
    properties["objectives"]["items"] = {"anyOf": [objective, {"type": "string"}]}
    for name, section in properties.items():
        if "$ref" in section:
            properties[name] = _section_or_short(name, section)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _section_or_short(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a section that may be empty (all defaults), or text in the case of ``data``."""
    allowed: list[dict[str, Any]] = [{"$ref": section["$ref"]}]
    if name == "data":
        allowed.append({"type": "string"})
    elif "default" in section:
        allowed.append({"type": "null"})
    described = {"description": section["description"]} if "description" in section else {}
    return {**described, "anyOf": allowed}


def template(*, data: str, backbone: str, name: str = "config", settings: Mapping[str, Setting] | None = None) -> str:
    """A config to start from: data and backbone are set, every other line is a comment that shows a default.

    ``data`` is the name of a dataset, or the path of an image folder or of a file; ``name`` that of the config file.
    ``settings`` are set as well: values and reasons by dotted key.
    """
    more = {"model.backbone": (backbone, ""), **(settings or {})}
    given = {**{f"data.{key}": value for key, value in source_of(data).items()}, **values(more)}
    lines = [
        f"# yaml-language-server: $schema=./{SCHEMA_FILE}",
        "# Where should Squeeze-and-Excitation go? This file says what to compare. Only data and model.backbone must",
        "# be set; every other line shows its default: take away the `# ` before a key to change it.",
    ]
    for field in dataclasses.fields(Config):
        lines += _section(field, given, name, {key: why for key, (_, why) in more.items() if why})
    return "\n".join(lines) + "\n"


def starter(*, data: str, settings: Mapping[str, Setting], remarks: Sequence[str] = ()) -> str:
    """A short config: data and ``settings``, each with its reason, and ``remarks`` about the data as comments."""
    lines = [
        f"# yaml-language-server: $schema=./{SCHEMA_FILE}",
        "# Where should Squeeze-and-Excitation go? These are suggestions: change what you know better. All other keys",
        "# have their defaults; `senet-search init --full` writes every key, and docs/config.md explains them.",
        *(
            line
            for remark in remarks
            for line in textwrap.wrap(remark, WIDTH, initial_indent="# ", subsequent_indent="# ")
        ),
    ]
    shown = {**{f"data.{key}": (value, "") for key, value in source_of(data).items()}, **settings}
    for field in dataclasses.fields(Config):
        if field.name in shown:
            lines += _commented("", f"{field.name}: {flow(shown[field.name][0])}", shown[field.name][1])
        inner = {key: pair for key, pair in shown.items() if key.startswith(f"{field.name}.")}
        lines += [f"{field.name}:"] if inner else []
        for key, (value, why) in inner.items():
            lines += _commented("  ", f"{key.partition('.')[2]}: {flow(value)}", why)
    return "\n".join(lines) + "\n"


def source_of(data: str) -> dict[str, str]:
    """The section ``data`` for a name, a path or a file; text that nothing else explains is the path of a folder."""
    source = section(data)
    return source if known(source["dataset"]) else {"dataset": FOLDER, "path": data}


def values(settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The values of settings, without their reasons."""
    return {key: value for key, (value, _) in settings.items()}


def _keys() -> Iterator[str]:
    """The dotted key of every setting."""
    hints = get_type_hints(Config)
    for field in dataclasses.fields(Config):
        section = hints[field.name]
        inner = dataclasses.fields(section) if dataclasses.is_dataclass(section) else ()
        yield from (f"{field.name}.{key.name}" for key in inner) if inner else (field.name,)


FIXED = frozenset(key for key in _keys() if key not in OPEN and key.split(".")[0] not in OPEN)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _within(found: dict[str, Any], section: str, rest: list[str]) -> dict[str, Any]:
    """The part of the schema that a pattern of keys matches."""
    here = found["properties"][section]
    for part in rest:
        here = found["$defs"][here["$ref"].split("/")[-1]] if "$ref" in here else here
        here = here["items"] if part == "*" else here["properties"][part]
    return here  # type: ignore[no-any-return]


def _section(field: "dataclasses.Field[Any]", given: Mapping[str, Any], name: str, why: Mapping[str, str]) -> list[str]:
    section = get_type_hints(Config)[field.name]
    meaning = field.metadata["description"]
    if not dataclasses.is_dataclass(section):
        default = name if field.name == "name" else flow(field.default)
        text = f"{field.name}: {flow(given[field.name])}" if field.name in given else f"# {field.name}: {default}"
        return ["", *_commented("", text, meaning)]
    lines = ["", *_commented("", f"{field.name}:", meaning)]
    for key in dataclasses.fields(section):
        value = given.get(f"{field.name}.{key.name}", MISSING)
        text = f"# {key.name}: {flow(key.default)}" if value is MISSING else f"{key.name}: {flow(value)}"
        if key.name == "dataset" and value == FOLDER:
            text = f"# {text}"
        lines += _commented("  ", text, why.get(f"{field.name}.{key.name}", key.metadata["description"]))
    return lines


def _commented(indent: str, text: str, meaning: str) -> list[str]:
    """A line with its meaning beside it, or above it if the line would be too long."""
    line = f"{indent}{text}"
    if not meaning:
        return [line]
    beside = f"{line:<{COLUMN}}  # {meaning}"
    if len(beside) <= WIDTH:
        return [beside]
    comment = f"{indent}# "
    return [*textwrap.wrap(meaning, WIDTH, initial_indent=comment, subsequent_indent=comment), line]


def flow(value: Any) -> str:
    """A default as YAML on one line."""
    if isinstance(value, tuple):
        return f"[{', '.join(flow(item) for item in value)}]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        settings = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in settings if item is not None) + "}"
    return dump([value]).strip()[1:-1]
