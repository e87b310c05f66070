"""``senet-search init``: writes a commented config to start from, and its schema for editors."""

import json
import os
import shlex
from pathlib import Path

import click

from spaces import durable
from spaces.errors import ENVIRONMENT, UserError

# A folder with this many images fits the usual batch size.
MANY = 5000


@click.command()
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="A folder of images, a table of paths and labels, a .npz file, or the name of a dataset.",
)
@click.option("--backbone", default=None, help="Network to put SE into; `senet-search list backbones` shows names.")
@click.argument("config", default="config.yaml", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(data: str, backbone: str | None, config: Path, force: bool) -> None:
    """Write a commented CONFIG to start from, and its schema for editors."""
    schema = write_config(data, backbone, config, force=force)
    click.echo(f"Wrote {config} and {schema}. Next: senet-search check {shlex.quote(str(config))}")


def write_config(data: str, backbone: str | None, config: Path, *, force: bool = False) -> Path:
    """Writes the config and, beside it, the schema; returns the path of the schema.

    ``data`` is the name of a dataset or a folder of images. Raises UserError if the config exists or cannot be written,
    and if `check` would refuse the backbone or the folder; nothing is written then.
    """
    from search import config as configs
    from senet_nas.data.datasets import known, named, section

    if config.exists() and not force:
        raise UserError(f"{config} exists already", hint="choose another name, or add --force")
    batch = None
    row = known(data)
    if data not in _names() and not (row and row.form):
        data = _place(Path(data), config)
    dataset = section(data)["dataset"]
    if dataset == "image_folder":
        batch = _batch(_training_images(config.parent / data))
    if backbone is not None:
        _check_backbone(backbone, dataset)
    text = configs.template(data=data, backbone=backbone or named(dataset).backbone, batch=batch)
    schema = config.with_name(configs.SCHEMA_FILE)
    try:
        durable.write(config, text)
        durable.write(schema, json.dumps(configs.schema(), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}", code=ENVIRONMENT) from error
    return schema


def _names() -> list[str]:
    """The datasets that need no path of the user's."""
    from senet_nas.data.datasets import DATASETS

    return [name for name, dataset in DATASETS.items() if dataset.listed is None]


def _place(images: Path, config: Path) -> str:
    """The folder or file relative to the config, as the config will be read. Raises UserError if it is neither."""
    from senet_nas.data.datasets import DATASETS

    endings = tuple(ending for dataset in DATASETS.values() for ending in dataset.endings)
    if not images.is_dir() and not (images.is_file() and images.name.lower().endswith(endings)):
        raise UserError(
            f"{images} is neither a folder nor a dataset",
            hint=f"give a folder of images, a file ({', '.join(endings)}), or one of {', '.join(_names())}",
        )
    if images.is_absolute():
        return str(images)
    seen = os.path.relpath(images, config.parent)
    return seen if seen.startswith(".") else f"./{seen}"


def _batch(n_train: int | None) -> tuple[int, str] | None:
    """A batch size and the reason for it, if there are fewer training images than the usual batch size."""
    from search.setup.fit_checks import fitting_batch
    from senet_nas.recipe import Recipe

    if n_train is None or n_train >= Recipe.batch_size:
        return None
    why = f"images per step; the usual {Recipe.batch_size} exceed the {n_train} training images"
    return fitting_batch(n_train), why


def _training_images(images: Path) -> int | None:
    """The number of training images in a folder; None for a large one. Raises UserError without a class of images."""
    from senet_nas.data import image_folder
    from senet_nas.data.split import split
    from senet_nas.recipe import DataSpec

    spec = DataSpec(path=str(images.resolve()), color="rgb")  # a fixed colour, so that no file is opened
    found = image_folder.listed(spec, Path())
    if sum(len(files) for files in found.files.values()) >= MANY:
        return None
    return len(split(found.labels, spec, len(found.classes))["train"][1])


def _check_backbone(backbone: str, dataset: str) -> None:
    """Raises UserError if no network has this name, or if it is made for other data. The user's own may be new."""
    from senet_nas.data.datasets import named
    from senet_nas.network.backbones import table

    table.check(backbone)
    if table.is_own(backbone):
        return
    usual = named(dataset).backbone
    if (table.usual(backbone) == table.SIGNALS) != (table.usual(usual) == table.SIGNALS):
        raise UserError(f"{backbone} is a network for other data than {dataset}", hint=f"use for example {usual}")
