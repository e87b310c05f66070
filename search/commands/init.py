"""``senet-search init``: a commented config to start from, and its schema for editors."""

import json
import os
from pathlib import Path

from search import config as configs
from senet_nas.datasets import DATASETS
from spaces.errors import ENVIRONMENT, UserError

NAMED = [name for name in DATASETS if name != "image_folder"]


def write(data: str, backbone: str | None, config: Path, *, force: bool = False) -> Path:
    """Writes the config and, beside it, the schema; returns the schema's path. Raises UserError where one is in the way."""
    if config.exists() and not force:
        raise UserError(f"{config} exists already", hint="choose another name, or --force")
    if data not in NAMED:
        data = _folder(Path(data), config)
    text = configs.template(
        data=data, backbone=backbone or DATASETS[data if data in NAMED else "image_folder"].backbone
    )
    schema = config.with_name(configs.SCHEMA_FILE)
    try:
        config.write_text(text)
        schema.write_text(json.dumps(configs.schema(), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}", code=ENVIRONMENT) from error
    return schema


def _folder(images: Path, config: Path) -> str:
    """The folder as seen from the config, since that is where its path will be read from."""
    if not images.is_dir():
        raise UserError(
            f"{images} is no folder and no dataset", hint=f"datasets: {', '.join(NAMED)}; or a folder of images"
        )
    if images.is_absolute():
        return str(images)
    seen = os.path.relpath(images, config.parent)
    return seen if seen.startswith(".") else f"./{seen}"
