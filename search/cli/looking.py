"""Commands that need no run: what a network costs, what it looks like, what can be named."""

import json
from pathlib import Path
from typing import Any

import click

from search.cli.options import JSON, RUNS, placed, print_json


@click.command()
@click.argument("target", metavar="BACKBONE|NETWORK|ARCHITECTURE")
@placed
@click.option("--latency", is_flag=True, help="Also measure time and memory beside plain, on this machine.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 65_536), help="Images in one pass.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 1024), help="CPU threads.")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(["float32", "bfloat16", "float16"]))
@click.option(
    "--runtime", default="eager", show_default=True, type=click.Choice(["eager", "compile", "cudagraph", "onnxruntime"])
)
@click.option(
    "--seconds", default=30.0, show_default=True, type=click.FloatRange(0, 3600, min_open=True),
    help="Longest time for one figure; less where 1 % is reached.",
)  # fmt: skip
@JSON
def profile(target: str, placement: str, image_size: int | None, channels: int | None, classes: int | None, min_hidden: int | None,
            as_json: bool, latency: bool, device: Any, batch: int, threads: int, dtype: Any, runtime: Any,
            seconds: float, **se: Any) -> None:  # fmt: skip
    """What a placement of SE costs over the plain BACKBONE: parameters and MACs; with --latency, time and memory."""
    from senet_nas.costs import profile as prices
    from senet_nas.recipe import LatencySpec

    se = {name: str(value) for name, value in se.items() if value is not None}
    measured = LatencySpec(device, batch, threads, dtype, runtime, seconds) if latency else None
    found = prices.profile(
        target, placement, se, min_hidden, image_size=image_size, channels=channels, classes=classes, latency=measured
    )
    if as_json:
        print_json("profile", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@click.command()
@click.argument("target", metavar="ARCHITECTURE|NETWORK|BACKBONE")
@placed
@click.option(
    "--svg", default=None, type=click.Path(dir_okay=False, path_type=Path), help="Also draw it into this file."
)
@JSON
def show(target: str, placement: str, image_size: int | None, channels: int | None, classes: int | None, min_hidden: int | None,
         svg: Path | None, as_json: bool, **se: Any) -> None:  # fmt: skip
    """A network stage by stage: where SE acts, and its price there. ARCHITECTURE is a key as the other commands print
    it; a BACKBONE is filled as --placement says."""
    from senet_nas.costs import breakdown as shows

    values = {name: str(value) for name, value in se.items() if value is not None}
    found = shows.show(target, placement, values, min_hidden, image_size=image_size, channels=channels, classes=classes)
    if svg is not None:
        from search.state import run_folder as folder
        from senet_nas.costs import diagram as network

        folder.write(svg, network.svg(found).encode(), option="--svg")
        click.echo(f"drawn into {svg}", err=True)
    if as_json:
        print_json("show", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@click.command(name="list")
@click.argument(
    "what",
    required=False,
    metavar="[backbones|networks|datasets|squeezes|excitations|gates|positions|samplers|measures|runs]",
)
@RUNS
@JSON
def list_(what: str | None, runs: Path, as_json: bool) -> None:
    """What can be named in a config."""
    from search.cli import names

    found = names.listing(what, runs)
    if as_json:
        print_json("list", None, found)
    else:
        click.echo("\n".join(names.lines(found)))


@click.command()
@click.option(
    "--markdown", is_flag=True, help="As a reference for people: every setting, its default, what is allowed."
)
def schema(markdown: bool) -> None:
    """Print the JSON Schema of the config, for editors."""
    from search import config

    click.echo(config.reference() if markdown else json.dumps(config.schema(), indent=1))
