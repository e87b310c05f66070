"""Options that several commands share, and what all commands do: load a config, print an answer."""

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click
from click.core import ParameterSource

from senet_nas.costs.measures import MEASURES
from spaces.errors import UserError
from spaces.text import wrapped

if TYPE_CHECKING:
    from search.config import Experiment

Command = Callable[..., None]


class Answer(Protocol):
    """What a command found, for machines and for people."""

    def to_dict(self) -> dict[str, Any]: ...

    def lines(self) -> list[str]: ...


def percent(text: str) -> float:
    """A number of percent from 0 up, as people type it: ``5%`` or ``5``. Raises BadParameter."""
    try:
        found = float(text.removesuffix("%"))
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise click.BadParameter(f"`{text}` is not a percentage; write for example 5%")
    return found


CONFIG = click.argument("config", type=click.Path(path_type=Path))
RUNS = click.option(
    "--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder that holds all runs."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a config key, e.g. train.epochs=3."
)
PICK = click.option(
    "--pick",
    default="best",
    show_default=True,
    metavar="aN|best|knee|cheapest-proven|accurate",
    help="Architecture of RUN: its id, or a rule that chooses one.",
)
ONNX = click.option(
    "--onnx/--no-onnx", default=None, help="Also write model.onnx. [default: if the onnx extra is installed]"
)
TARGET = click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME",
    help="Say what this target is known to refuse (`senet-search list targets`); may be given more than once.",
)
BATCH = click.option(
    "--batch", default=1, show_default=True, type=click.IntRange(1, 65_536), help="Images in one pass."
)
THREADS = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1, 1024), help="CPU threads of one pass."
)
# The parameters that say where SE goes, those that choose a network of a run, and those that describe an image.
PLACES = ("placement", "reduction", "position", "squeeze", "excitation", "operators", "gate", "min_hidden")
CHOICES = ("pick", *(f"max_{name}" for name in MEASURES))
IMAGES = ("image_size", "channels", "classes")
# Where SE goes in a backbone, and the images that the network takes.
_PLACEMENT = (
    click.option(
        "--placement",
        default="all",
        show_default=True,
        help="Units that get SE: none | all | last | stages:1-3 | blocks:1.0,3.2 | published (as the network has it), "
        "or the key of an architecture.",
    ),
    click.option(
        "--reduction",
        default=16,
        show_default=True,
        type=click.IntRange(1, 65_536),
        help="Ratio r: the hidden width is channels // r.",
    ),
    click.option(
        "--position",
        default=None,
        help="Where in a unit SE acts. [default: pre_addition, or the position that all units offer]",
    ),
    click.option("--squeeze", default="avg", show_default=True, help="How a channel becomes one number."),
    click.option("--excitation", default="fc", show_default=True, help="Network between squeeze and gate."),
    click.option(
        "--operator",
        "operators",
        default="se",
        show_default=True,
        help="se (of squeeze and excitation), or a whole operator: ese | coord | spatial | simam.",
    ),
    click.option("--gate", default="sigmoid", show_default=True, help="Function that makes the scale factors."),
    click.option(
        "--min-hidden", default=None, type=click.IntRange(1, 65_536), help="Smallest hidden width that is allowed."
    ),
    click.option(
        "--image-size",
        type=click.IntRange(1, 65_536),
        help="Side of an image in pixels. [default: the size that the network was made for]",
    ),
    click.option(
        "--channels",
        type=click.IntRange(1, 65_536),
        help="Channels of an image. [default: those that the network was made for]",
    ),
    click.option(
        "--classes",
        type=click.IntRange(1, 10_000_000),
        help="Classes that the network tells apart. [default: those that it was made for]",
    ),
)


def placed(command: Command) -> Command:
    """Adds the options that put SE into a backbone and describe its images."""
    for option in reversed(_PLACEMENT):
        command = option(command)
    return command


def is_whole(network: str) -> bool:
    """Whether a name says where SE stands: the key of an architecture, or a published network."""
    from senet_nas.network.published import NETWORKS

    return "/" in network or network in NETWORKS


def refuse_typed(names: Iterable[str], why: str, hint: str) -> None:
    """Raises UserError if one of these options was typed, which would change nothing."""
    context = click.get_current_context()
    for name in names:
        if is_typed(name):
            (option,) = (parameter for parameter in context.command.params if parameter.name == name)
            raise UserError(f"{option.opts[0]} {why}", hint=hint)


def is_typed(name: str) -> bool:
    """Whether this option of the command that runs was typed, and does not have its default."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def limited(command: Command) -> Command:
    """Adds --max-NAME for every cost of the table. The command gets ``limits``, percent by overhead column."""

    @functools.wraps(command)
    def with_limits(**given: Any) -> None:
        typed = {measure.overhead: given.pop(_parameter(name)) for name, measure in MEASURES.items()}
        limits = {column: limit for column, limit in typed.items() if limit is not None}
        command(**given, limits=limits)

    made: Command = with_limits
    for name, measure in reversed(MEASURES.items()):
        option = click.option(
            f"--max-{name}", _parameter(name), type=percent, metavar="PERCENT", help=measure.limit_help
        )
        made = option(made)
    return made


def _parameter(name: str) -> str:
    return f"max_{name}"


def load(path: Path, overrides: tuple[str, ...]) -> "Experiment":
    """The experiment of a config file. Raises ConfigError."""
    from search.setup.experiment_setup import load

    return load(path, overrides)


def print_answer(command: str, run: str | None, found: Answer, *, as_json: bool) -> None:
    """Prints what a command found: as lines, or as JSON in the envelope of all commands."""
    if as_json:
        print_json(command, run, found.to_dict())
    else:
        print_lines(found.lines())


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines: a terminal gets them broken between words, a file or a pipe as they are."""
    if sys.stdout is not None and sys.stdout.isatty():  # it is None where the shell closed it
        width = shutil.get_terminal_size().columns
        lines = [part for line in lines for part in wrapped(line, width)]
    click.echo("\n".join(lines))


def print_json(command: str, run: str | None, body: dict[str, Any]) -> None:
    """Prints JSON in the envelope of all commands: schema, command, run, then ``body``."""
    click.echo(json.dumps({"schema": 1, "command": command, "run": run, **body}, indent=1))
