"""``senet-search init``: a commented config to start from, and its schema for editors."""

import itertools
import json
import os
from pathlib import Path

from search import config as configs
from search.setup.experiment_setup import fitting_batch
from senet_nas.data.datasets import DATASETS
from senet_nas.recipe import DataSpec, Recipe
from spaces.errors import ENVIRONMENT, UserError

NAMED = [name for name in DATASETS if name != "image_folder"]
# With so many files in a folder the usual batch size fits, and counting on would take long.
MANY = 5000


def write(data: str, backbone: str | None, config: Path, *, force: bool = False) -> Path:
    """Writes the config and, beside it, the schema; returns the schema's path. Raises UserError where one is in the way."""
    if config.exists() and not force:
        raise UserError(f"{config} exists already", hint="choose another name, or --force")
    if data not in NAMED:
        data = _folder(Path(data), config)
    n_train = None if data in NAMED else _training_images(config.parent / data)
    text = configs.template(
        data=data,
        backbone=backbone or DATASETS[data if data in NAMED else "image_folder"].backbone,
        batch=_batch(n_train),
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


def _batch(n_train: int | None) -> tuple[int, str] | None:
    """A batch size for so many images, and why, where they are fewer than the usual one takes."""
    if n_train is None or n_train >= Recipe.batch_size:
        return None
    why = f"images per step; the usual {Recipe.batch_size} are more than the {n_train} that train"
    return fitting_batch(n_train), why


def _training_images(images: Path) -> int | None:
    """How many images of a folder would train; None of one that is large, or of which `check` has something to say."""
    from senet_nas.data import image_folder
    from senet_nas.data.split import split

    if len(list(itertools.islice(images.rglob("*"), MANY))) == MANY:
        return None
    try:
        spec = DataSpec(path=str(images.resolve()), color="rgb")  # whatever it is, so that no file is opened
        found = image_folder.listed(spec, Path())
        return len(split(found.labels, spec, len(found.classes))["train"][1])
    except UserError:
        return None
