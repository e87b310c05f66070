"""Options that several commands share, and the two things that all of them do: load a config, print JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def percent(text: str) -> float:
    """A number of percent that is not negative, as people type it: ``5%`` or ``5``. Raises BadParameter."""
    try:
        found = float(text.removesuffix("%"))
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise click.BadParameter(f"`{text}` is no percentage; write 5%")
    return found


RUNS = click.option(
    "--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder of all runs."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a config key, e.g. train.epochs=3."
)
CONFIG = click.argument("config", type=click.Path(path_type=Path))
PLACEMENT = (
    click.option(
        "--placement", default="all", show_default=True, help="none | all | last | stages:1-3 | blocks:1.0,3.2 | a key."
    ),
    click.option("--reduction", default=16, show_default=True, type=click.IntRange(1, 65_536)),
    click.option("--position", default=None, help="[default: pre_addition, or what all units of the backbone offer]"),
    click.option("--squeeze", default="avg", show_default=True),
    click.option("--excitation", default="fc", show_default=True),
    click.option("--gate", default="sigmoid", show_default=True),
    click.option("--min-hidden", default=None, type=click.IntRange(1, 65_536)),
    click.option("--image-size", type=click.IntRange(1, 65_536), help="[default: what the network was made for]"),
    click.option("--channels", type=click.IntRange(1, 65_536), help="[default: likewise]"),
    click.option("--classes", type=click.IntRange(1, 10_000_000), help="[default: likewise]"),
)


def placed(command: Callable[..., None]) -> Callable[..., None]:
    """The options that fill a backbone with SE and say for which images."""
    for option in reversed(PLACEMENT):
        command = option(command)
    return command


def load(path: Path, overrides: tuple[str, ...]) -> Any:
    from search.setup.experiment_setup import load

    return load(path, overrides)


def print_json(command: str, run: str | None, body: dict[str, Any]) -> None:
    """The envelope of every JSON answer."""
    click.echo(json.dumps({"schema": 1, "command": command, "run": run, **body}, indent=1))
