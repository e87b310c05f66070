"""``FILE.json`` beside a table of results: the backbone, its sites, the space, and where the results come from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from search.config import ConfigError, Experiment
from search.config.config_error import Fault, parts
from search.config.yaml_reader import Document, read
from spaces.errors import UserError, nearest
from spaces.spec import Position, Site, SpaceSpec

SITE = '{"name": "1.0", "stage": 1, "channels": {"pre_addition": 16}}'
_SPACE = '{"reduction": [16], "position": ["pre_addition"]}'
_EXAMPLES = {"backbone": '"backbone": "my_net"', "sites": f'"sites": [{SITE}]', "space": f'"space": {_SPACE}'}
_SITE_KEYS = ("name", "stage", "channels")


def beside(table: Path) -> Path:
    """The file that describes a table."""
    return table.with_name(table.name + ".json")


def read_about(table: Path) -> dict[str, Any]:
    """What the file beside a table says; empty without the file. Raises UserError if it is not a JSON object."""
    path = beside(table)
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise UserError(f"{where} is not JSON: {error.msg}", hint="write JSON in UTF-8", key="evaluate") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {path}: {error}", hint="write JSON in UTF-8", key="evaluate") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is not a JSON object", hint=f"write {{{_EXAMPLES['sites']}}}", key="evaluate")
    return found


def check_about(table: Path, about: Mapping[str, Any], needed: Sequence[str] = ()) -> None:
    """Raises ConfigError with every mistake of the file beside a table; it must hold the keys ``needed``."""
    path = beside(table)
    if needed and not path.exists():
        raise UserError(
            f"{table} has no {path.name} beside it, which names its {', '.join(needed)}",
            hint=f"write {{{', '.join(_EXAMPLES[name] for name in needed)}}}",
        )
    found = [*_lacking(about, needed), *_faults(about)]
    if found:
        document = _document(path)
        raise ConfigError([document.problem(fault) for fault in found])


def sites_of(table: Path, about: Mapping[str, Any]) -> tuple[Site, ...] | None:
    """The sites that the file beside a table names; None if it names none. Raises ConfigError for any mistake in it."""
    check_about(table, about)
    if about.get("sites") is None:
        return None
    return tuple(Site(site["name"], site["stage"], site["channels"]) for site in about["sites"])


def space_of(about: Mapping[str, Any]) -> SpaceSpec:
    """The space that the table was made from. Raises ConfigError if it is not the section ``space`` of a config."""
    config = {"data": "digits", "model": {"backbone": "cifar_resnet8"}, "space": about["space"]}
    return Experiment.from_dict(config).space


# -- inside -----------------------------------------------------------------------------------------------------------


def _document(path: Path) -> Document:
    """The places of keys and values. JSON is YAML but for rarities, and those only lack their places."""
    document = read(path.read_text(encoding="utf-8-sig"), str(path))
    return document if document.tree is not None else Document(str(path))


def _lacking(about: Mapping[str, Any], needed: Sequence[str]) -> Iterator[Fault]:
    for name in needed:
        if about.get(name) is None:
            guess = nearest(name, [key for key in about if key not in _EXAMPLES])
            alike = f"; you have `{guess}`" if guess else ""
            yield Fault((), f"`{name}` is missing{alike}", f"write for example {_EXAMPLES[name]}")


def _faults(about: Mapping[str, Any]) -> Iterator[Fault]:
    backbone = about.get("backbone")
    if backbone is not None and (not isinstance(backbone, str) or not backbone or "/" in backbone):
        yield Fault(("backbone",), "not the name of a network", f"write for example {_EXAMPLES['backbone']}")
    yield from _faults_of_sites(about.get("sites"))
    if about.get("space") is not None:
        yield from _faults_of_space(about)


def _faults_of_sites(sites: Any) -> Iterator[Fault]:
    if sites is None:
        return
    if not isinstance(sites, list) or not sites:
        yield Fault(("sites",), "not a list of sites", f"write [{SITE}, ...]")
        return
    for number, site in enumerate(sites):
        yield from _faults_of_site(("sites", number), site)
    names = [site.get("name") for site in sites if isinstance(site, dict)]
    for number, name in enumerate(names):
        if isinstance(name, str) and name in names[:number]:
            yield Fault(("sites", number, "name"), f"a second site `{name}`", "give each site a name of its own")


def _faults_of_site(path: tuple[str | int, ...], site: Any) -> Iterator[Fault]:
    if not isinstance(site, dict):
        yield Fault(path, "not a site", f"write {SITE}")
        return
    for key in _SITE_KEYS:
        if key not in site:
            guess = nearest(key, [name for name in site if name not in _SITE_KEYS])
            yield Fault(path, f"`{key}` is missing", f"rename `{guess}`" if guess else f"write {SITE}")
    if "name" in site and (not isinstance(site["name"], str) or not site["name"]):
        yield Fault((*path, "name"), "a name is text", 'write for example "1.0", the stage and the block')
    if "stage" in site and not _is_count(site["stage"]):
        yield Fault((*path, "stage"), "a stage is a whole number from 1 up", "write for example 1")
    if "channels" in site:
        yield from _faults_of_channels((*path, "channels"), site["channels"])


def _faults_of_channels(path: tuple[str | int, ...], channels: Any) -> Iterator[Fault]:
    if not isinstance(channels, dict) or not channels:
        yield Fault(path, "not the channels of each position", 'write for example {"pre_addition": 16}')
        return
    allowed = get_args(Position)
    for position, count in channels.items():
        if position not in allowed:
            guess = nearest(position, allowed)
            message = f"unknown position `{position}`; allowed: {', '.join(allowed)}"
            yield Fault((*path, position), message, f"did you mean `{guess}`?" if guess else "", at_key=True)
        if not _is_count(count):
            yield Fault((*path, position), "channels are a whole number from 1 up", "write for example 16")


def _faults_of_space(about: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        space_of(about)
    except ConfigError as error:
        for problem in error.problems:
            yield Fault(parts(problem.key), problem.message, problem.hint)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
