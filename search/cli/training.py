"""The command that trains one architecture in full."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from search.cli.options import JSON, RUNS, SET, print_json


@click.command()
@click.argument("what", metavar="RUN|NETWORK|KEY")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Data and recipe. [default: those of RUN]",
)
@click.option(
    "--pick",
    default="best",
    show_default=True,
    metavar="aN|best|knee|cheapest-proven|accurate",
    help="Which architecture of RUN: an id, or a rule.",
)
@click.option(
    "--start",
    type=click.Choice(["scratch", "search"]),
    default="scratch",
    show_default=True,
    help="From new weights, or from those that RUN kept.",
)
@click.option("--seed", default="0", show_default=True, metavar="BLOCK[.REPLICATE]", help="Of weights and data order.")
@click.option(
    "--devices",
    default=1,
    show_default=True,
    type=click.IntRange(min=1, max=1024),
    help="GPUs (CPU cores without one) of this machine, each with its part of every batch.",
)
@click.option(
    "--test-size",
    "sizes",
    multiple=True,
    type=click.IntRange(min=8, max=1024),
    help="Test at images of this size as well, e.g. 320 after a training at 224.",
)
@click.option("--to", "target", type=click.Path(path_type=Path), help="Folder to write. [default: RUN/train/ID]")
@click.option("--onnx/--no-onnx", default=None, help="Write model.onnx too. [default: if the onnx extra is installed]")
@SET
@click.option("-q", "--quiet", is_flag=True, help="Print the result alone.")
@RUNS
@JSON
def train(
    what: str,
    config_path: Path | None,
    pick: str,
    start: Literal["scratch", "search"],
    seed: str,
    devices: int,
    sizes: tuple[int, ...],
    target: Path | None,
    onnx: bool | None,
    overrides: tuple[str, ...],
    quiet: bool,
    runs: Path,
    as_json: bool,
) -> None:
    """Train one architecture in full: of a run, a published network, or a key. Type it again to go on after a stop."""
    from search.full_training import run as full_training
    from search.full_training.plan import plan

    planned, usual = plan(
        what, config_path=config_path, overrides=overrides, pick=pick, start=start, seed=seed, runs=runs
    )
    trained = full_training.train(
        replace(planned, devices=devices),
        target or usual,
        sizes=sizes,
        onnx=onnx,
        say=lambda text: None if quiet else click.echo(text, err=True),
    )
    if as_json:
        print_json("train", what, trained.to_dict())
    else:
        click.echo("\n".join(trained.lines()))
