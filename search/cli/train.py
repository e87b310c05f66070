"""``senet-search train``: trains one architecture in full."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from search.cli.options import JSON, ONNX, PICK, RUNS, SET, limited, print_answer


@click.command(short_help="Train one architecture in full.")
@click.argument("what", metavar="RUN|NETWORK|plain|KEY")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Config of the data and the recipe. [default: that of RUN]",
)
@PICK
@limited
@click.option(
    "--start",
    type=click.Choice(["scratch", "search"]),
    default="scratch",
    show_default=True,
    help="Start as the config says (model.init), or from the weights that RUN kept.",
)
@click.option(
    "--seed",
    default="0",
    show_default=True,
    metavar="BLOCK[.REPLICATE]",
    help="Seed of the initial weights and of the data order.",
)
@click.option(
    "--devices",
    default=1,
    show_default=True,
    type=click.IntRange(min=1, max=1024),
    help="GPUs of this machine, or of the cluster of resources.ray (CPU cores without a GPU). They share every batch.",
)
@click.option(
    "--test-size",
    "sizes",
    multiple=True,
    type=click.IntRange(min=8, max=1024),
    help="Also test at this image size, e.g. 320 after a training at 224.",
)
@click.option("--extend", is_flag=True, help="Go on with a training that has finished, up to the new train.epochs.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Folder to write. [default: RUN/train/ID]")
@ONNX
@SET
@click.option("-q", "--quiet", is_flag=True, help="Print only the result.")
@RUNS
@JSON
def train(
    what: str,
    config_path: Path | None,
    pick: str,
    limits: dict[str, float],
    start: Literal["scratch", "search"],
    seed: str,
    devices: int,
    sizes: tuple[int, ...],
    extend: bool,
    target: Path | None,
    onnx: bool | None,
    overrides: tuple[str, ...],
    quiet: bool,
    runs: Path,
    as_json: bool,
) -> None:
    """Train one architecture in full: of a run, a published network, plain of a config, or a key.

    Type the same command again to continue after a stop.
    """
    from search.full_training import run
    from search.full_training.plan import plan

    planned, usual = plan(
        what,
        config_path=config_path,
        overrides=overrides,
        pick=pick,
        limits=limits,
        start=start,
        seed=seed,
        runs=runs,
    )
    trained = run.train(
        replace(planned, devices=devices, extend=extend),
        target or usual,
        sizes=sizes,
        onnx=onnx,
        say=_silent if quiet else _say,
    )
    print_answer("train", what, trained, as_json=as_json)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _silent(text: str) -> None:
    pass
