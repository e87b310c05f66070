"""Declares a setting of a config: default, meaning and limits stand together, in the component that they belong to.

The records are plain frozen dataclasses. ``search.config`` reads the metadata to check a YAML file and to write the
JSON Schema and the commented template, so a setting is added in one place.
"""

import dataclasses
from typing import Any

# Read by pydantic for every such dataclass in a config: no unknown keys, no silent conversions.
STRICT = {"extra": "forbid", "strict": True}


def option(default: Any, description: str, **limits: Any) -> Any:
    """A dataclass field with its meaning and limits (``ge gt le lt min_length max_length pattern``)."""
    return dataclasses.field(default=default, metadata={"description": description, **limits})
