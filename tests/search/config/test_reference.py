import dataclasses
from pathlib import Path
from typing import get_type_hints

from search.config import reference
from search.config.experiment import Config

PAGE = Path(__file__).parents[3] / "docs" / "config.md"


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text() == reference() + "\n", "stale: senet-search schema --markdown > docs/config.md"


def test_every_setting_has_a_row():
    text = reference()
    for name, section in get_type_hints(Config).items():
        part = text.split(f"## `{name}`")[1].split("\n## ")[0]
        for field in dataclasses.fields(section) if dataclasses.is_dataclass(section) else ():
            assert part.count(f"| `{field.name}`") == 1
            assert field.metadata["description"].replace("|", "/") in part
    assert "| `metric` | (required) | `accuracy`, `top5`, `balanced_accuracy`" in text
