"""``senet-search show``: a network stage by stage."""

from pathlib import Path
from typing import Any

import click

from search.cli.options import JSON, placed, print_answer


@click.command(short_help="Show where SE acts in a network, stage by stage.")
@click.argument("target", metavar="ARCHITECTURE|NETWORK|BACKBONE")
@placed
@click.option("--svg", default=None, type=click.Path(dir_okay=False, path_type=Path), help="Also draw it to this file.")
@JSON
def show(
    target: str,
    placement: str,
    image_size: int | None,
    channels: int | None,
    classes: int | None,
    min_hidden: int | None,
    svg: Path | None,
    as_json: bool,
    **se: Any,
) -> None:
    """Show a network stage by stage: where SE acts and what it costs there.

    ARCHITECTURE is a key that another command printed. --placement puts SE into a BACKBONE.
    """
    from senet_nas.costs import breakdown
    from senet_nas.costs.priced import price

    values = {name: str(value) for name, value in se.items() if value is not None}
    priced = price(target, placement, values, min_hidden, image_size=image_size, channels=channels, classes=classes)
    found = breakdown.show(priced)
    print_answer("show", None, found, as_json=as_json)
    if svg is not None:
        _draw(found, svg)


def _draw(found: Any, to: Path) -> None:
    from search.state import run_folder
    from senet_nas.costs import diagram

    run_folder.write(to, diagram.svg(found).encode(), option="--svg")
    click.echo(f"Wrote {to}", err=True)
