"""``FILE.json`` beside a table of results: the backbone, its sites, and where the results come from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spaces.errors import UserError
from spaces.spec import Site

SITE = '{"name": "1.0", "stage": 1, "channels": {"pre_addition": 16}}'


def read_about(table: Path) -> dict[str, Any]:
    """What the file beside a table says; empty without the file. Raises UserError if it is not a JSON object."""
    beside = _beside(table)
    if not beside.exists():
        return {}
    try:
        found = json.loads(beside.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {beside}: {error}", hint="write JSON in UTF-8", key="evaluate") from error
    if not isinstance(found, dict):
        raise UserError(f"{beside} is not a JSON object", hint=f'write {{"sites": [{SITE}]}}', key="evaluate")
    return found


def sites_of(table: Path, about: Mapping[str, Any]) -> tuple[Site, ...] | None:
    """The sites that the file beside a table names; None if it names none. Raises UserError for a malformed site."""
    described = about.get("sites")
    if not described:
        return None
    try:
        return tuple(_site(site) for site in described)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{_beside(table)}: a site is malformed ({type(error).__name__}: {error})"
        raise UserError(message, hint=f"write each site like {SITE}", key="evaluate") from error


# -- inside -----------------------------------------------------------------------------------------------------------


def _beside(table: Path) -> Path:
    return table.with_name(table.name + ".json")


def _site(described: Mapping[str, Any]) -> Site:
    channels = {str(position): int(count) for position, count in described["channels"].items()}
    return Site(str(described["name"]), int(described["stage"]), channels)
