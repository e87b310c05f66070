"""``senet-search init``: looks at the data, and writes a config to start from and its schema for editors."""

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import print_lines
from spaces import durable
from spaces.errors import ENVIRONMENT, UserError, nearest

if TYPE_CHECKING:
    from search.setup.suggestion import Suggestion
    from senet_nas.data.glance import Glance

CONFIG = Path("config.yaml")


@click.command(short_help="Look at the data and write a CONFIG with suggestions.")
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="A folder of images, a table of paths and labels, a .npz file, or the name of a dataset.",
)
@click.option("--backbone", default=None, help="Network to put SE into; `senet-search list backbones` shows names.")
@click.argument("config", default=str(CONFIG), type=click.Path(path_type=Path))
@click.option("--full", is_flag=True, help="Also write every other key, as a comment with its default.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(data: str, backbone: str | None, config: Path, full: bool, force: bool) -> None:
    """Look at the data and write a CONFIG with suggestions, and its schema for editors.

    Opens 200 images for their size and times one training on noise, which takes a few seconds. Nothing is trained.
    """
    click.echo("Looking at the data and timing a training: up to about 20 s ...", err=True)
    started = write_config(data, backbone, config, force=force, full=full)
    print_lines(started.lines())


@dataclass(frozen=True)
class Started:
    """What ``init`` wrote, and what it saw."""

    config: Path
    schema: Path
    seen: "Glance"
    suggestion: "Suggestion"

    def lines(self) -> list[str]:
        from search.report.plan_lines import few_images

        shown = {key: value for key, (value, _) in self.suggestion.settings.items()}
        return [
            *(f"found     {line}" for line in self.seen.lines()),
            *(f"caution   {line}" for line in [*few_images(self.seen.counts["validation"]), *self.seen.notes]),
            "suggested " + ", ".join(f"{key.partition('.')[2]} {value}" for key, value in shown.items()),
            f"time      {self.suggestion.time}",
            f"Wrote {self.config} and {self.schema}. Next: senet-search check {shlex.quote(str(self.config))}",
        ]


def write_config(data: str, backbone: str | None, config: Path, *, force: bool = False, full: bool = False) -> Started:
    """Writes the config and, beside it, the schema.

    ``data`` is the name of a dataset, a folder of images or a file. Raises UserError if the config exists or cannot be
    written, and if `check` would refuse the data, the backbone or the memory; nothing is written then.
    """
    from search.config import template
    from search.config.render import source_of, starter
    from search.setup.suggestion import suggest
    from senet_nas.data.glance import glance
    from senet_nas.recipe import DataSpec

    if config.exists() and not force:
        raise UserError(f"{config} exists already", hint="choose another name, or add --force")
    text = as_written(data, config)
    source = source_of(text)
    if backbone is not None:
        _check_backbone(backbone, source["dataset"])
    # A fixed colour, so that no file is opened for it.
    seen = glance(DataSpec(source["dataset"], source.get("path"), color="rgb"), config.parent)
    suggestion = suggest(source, seen, backbone, config.parent)
    settings = {**_name(data, config), **suggestion.settings}
    if full:
        chosen = str(settings["model.backbone"][0])
        written = template(data=text, backbone=chosen, name=config.stem, settings=settings)
    else:
        written = starter(data=text, settings=settings, remarks=[*seen.lines(), suggestion.time])
    return Started(config, _write(config, written), seen, suggestion)


def as_written(data: str, config: Path) -> str:
    """The data as the config will name them: a path relative to it, or a name.

    Raises UserError if they are neither a folder, nor a file that can be read, nor a name.
    """
    from senet_nas.data.datasets import known

    row = known(data)
    is_name = data in _names() or (row is not None and row.form)
    return data if is_name else _place(Path(data), config)


# -- inside -----------------------------------------------------------------------------------------------------------


def _write(config: Path, text: str) -> Path:
    from search import config as configs

    schema = config.with_name(configs.SCHEMA_FILE)
    try:
        durable.write(config, text)
        durable.write(schema, json.dumps(configs.schema(), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}", code=ENVIRONMENT) from error
    return schema


def _name(data: str, config: Path) -> dict[str, tuple[str, str]]:
    """The name of the run: that of the data, unless the config was given a name of its own, which is then the run's."""
    from search.state.run_folder import NAME

    if config.stem != CONFIG.stem:
        return {}
    stem = Path(data).resolve().stem if Path(data).exists() else data
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64]
    return {"name": (name, "of the run: its folder is runs/NAME")} if NAME.fullmatch(name) else {}


def _names() -> list[str]:
    """The datasets that need no path of the user's."""
    from senet_nas.data.datasets import DATASETS

    return [name for name, dataset in DATASETS.items() if dataset.listed is None and not dataset.is_empty]


def _place(images: Path, config: Path) -> str:
    """The folder or file relative to the config, as the config will be read. Raises UserError if it is neither."""
    from senet_nas.data.datasets import DATASETS, names

    endings = tuple(ending for dataset in DATASETS.values() for ending in dataset.endings)
    if not images.is_dir() and not (images.is_file() and images.name.lower().endswith(endings)):
        guess = nearest(str(images), names())
        raise UserError(
            f"{images} is neither a folder nor a dataset",
            hint=(f"did you mean `{guess}`? " if guess else "")
            + f"Give a folder of images, a file ({', '.join(endings)}), hf:FOLDER, a function as module:function, "
            f"or a name of `senet-search list datasets`",
        )
    if images.is_absolute():
        return str(images)
    seen = os.path.relpath(images, config.parent)
    return seen if seen.startswith(".") else f"./{seen}"


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
