"""``senet-search profile``: what a placement of SE costs."""

from typing import Any

import click

from search.cli.options import (
    BATCH,
    JSON,
    PLACES,
    TARGET,
    THREADS,
    is_typed,
    is_whole,
    placed,
    print_answer,
    refuse_typed,
)
from senet_nas.deploy.precisions import PRECISIONS
from senet_nas.deploy.runtime_table import RUNTIMES
from spaces.errors import UserError


@click.command(short_help="Show what a placement of SE costs over plain.")
@click.argument("target", metavar="BACKBONE|NETWORK|ARCHITECTURE")
@placed
@click.option("--latency", is_flag=True, help="Also measure time and memory, side by side with plain, on this machine.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Device for --latency.",
)
@BATCH
@THREADS
@click.option(
    "--dtype",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Type of weights and images, by torch's name; --precision knows more formats.",
)
@click.option(
    "--runtime",
    default="eager",
    show_default=True,
    type=click.Choice([*RUNTIMES]),
    help="What runs the network.",
)
@click.option(
    "--precision",
    type=click.Choice([*PRECISIONS]),
    help="Number format of weights and activations, also int8. [default: that of --dtype]",
)
@click.option(
    "--seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, 3600, min_open=True),
    help="Longest time for one figure, but at least three rounds, each of which opens the network again; it ends "
    "earlier once the figure is known within 1 %.",
)
@TARGET
@JSON
def profile(
    target: str,
    placement: str,
    image_size: int | None,
    channels: int | None,
    classes: int | None,
    min_hidden: int | None,
    as_json: bool,
    latency: bool,
    device: Any,
    batch: int,
    threads: int,
    dtype: Any,
    runtime: Any,
    precision: Any,
    seconds: float,
    targets: tuple[str, ...],
    **se: Any,
) -> None:
    """Show what a placement of SE costs over plain: parameters and MACs; with --latency, also time and memory."""
    from senet_nas.costs.priced import price
    from senet_nas.costs.profile import profile as measure
    from senet_nas.recipe import LatencySpec

    if is_whole(target):
        refuse_typed(
            PLACES, f"says where SE goes, and {target} says it itself", "name a backbone, or remove the option"
        )
    if not latency:
        how = ("device", "batch", "threads", "dtype", "runtime", "precision", "seconds")
        refuse_typed(how, "says how time is measured", hint="add --latency, which measures it")
    if precision is not None and is_typed("dtype"):
        _check_one_format(dtype, precision)
    values = {name: str(value) for name, value in se.items() if value is not None}
    spec = LatencySpec(device, batch, threads, dtype, runtime, seconds, precision=precision) if latency else None
    priced = price(target, placement, values, min_hidden, image_size=image_size, channels=channels, classes=classes)
    found = measure(priced, spec, targets)
    print_answer("profile", None, found, as_json=as_json)


def _check_one_format(dtype: str, precision: str) -> None:
    """Raises UserError if both options are typed and say different number formats."""
    from senet_nas.recipe import FORMATS

    if FORMATS[dtype] != precision:
        raise UserError(
            f"--dtype {dtype} is {FORMATS[dtype]}, and --precision says {precision}",
            hint=f"remove one of them: `--precision {FORMATS[dtype]}` is `--dtype {dtype}`",
        )
