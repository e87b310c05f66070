"""``senet-search benchmark``: a network in every runtime and precision that is installed."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from search.cli.options import (
    BATCH,
    CHOICES,
    IMAGES,
    JSON,
    PICK,
    PLACES,
    RUNS,
    THREADS,
    is_whole,
    limited,
    placed,
    print_answer,
    refuse_typed,
)
from senet_nas.deploy.runtime_table import RUNTIMES


@click.command()
@click.argument("what", metavar="RUN|EXPORT|NETWORK|ARCHITECTURE")
@PICK
@limited
@placed
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice([*RUNTIMES]),
    help="Measure this runtime; may be given more than once. [default: all that are installed]",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Device of the forward pass.",
)
@BATCH
@THREADS
@click.option(
    "--seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 3600, min_open=True),
    help="Longest time for one form, but at least three rounds, each of which opens it again; it ends earlier once "
    "the figure is known within 1 %.",
)
@click.option(
    "--energy",
    "has_energy",
    is_flag=True,
    help="Also joules per image, where the machine counts them (RAPL, NVML).",
)
@RUNS
@JSON
def benchmark(
    what: str,
    pick: str,
    limits: dict[str, float],
    placement: str,
    min_hidden: int | None,
    image_size: int | None,
    channels: int | None,
    classes: int | None,
    runtimes: tuple[str, ...],
    device: Any,
    batch: int,
    threads: int,
    seconds: float,
    has_energy: bool,
    runs: Path,
    as_json: bool,
    **se: Any,
) -> None:
    """Measure a network in every installed runtime, beside plain.

    In each precision that a runtime knows: time with its interval, size, and for RUN the accuracy on the test set and
    what each form loses of it. A form that a runtime cannot run is a line of the table that says why.
    """
    from search.exporting.benchmarked import EXPORT, NETWORK, kind_of
    from search.exporting.benchmarked import benchmark as measure
    from senet_nas.recipe import LatencySpec

    kind = kind_of(what, runs)
    if kind == NETWORK:
        refuse_typed(CHOICES, f"chooses a network of a run, and {what} is no run", hint="remove the option")
    else:
        refuse_typed((*PLACES, *IMAGES), f"describes a network, and {what} is {kind}", hint="remove the option")
    if kind == EXPORT:
        refuse_typed(CHOICES, f"chooses a network of a run, and {what} is {kind}", hint="remove the option")
    if is_whole(what):
        refuse_typed(PLACES, f"says where SE goes, and {what} says it itself", hint="name a backbone instead")
    found = measure(
        what,
        pick=pick,
        limits=limits,
        runs=runs,
        runtimes=runtimes,
        spec=LatencySpec(device=device, batch=batch, threads=threads, seconds=seconds),
        placement=placement,
        se={name: str(value) for name, value in se.items() if value is not None},
        given={"min_hidden": min_hidden, "image_size": image_size, "channels": channels, "classes": classes},
        has_energy=has_energy,
        say=partial(click.echo, err=True),
    )
    print_answer("benchmark", what, found, as_json=as_json)
