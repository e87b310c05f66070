"""``senet-search run``: searches, or continues a search."""

from pathlib import Path

import click

from search.cli.options import CONFIG, JSON, RUNS, SET, load


@click.command()
@CONFIG
@SET
@RUNS
@JSON
@click.option("--new", is_flag=True, help="Start another run beside an existing one: NAME-2.")
@click.option(
    "--trainings",
    metavar="N|+N",
    default=None,
    help="Set the budget to N trainings, or add N to it. The same +N continues an extension that was interrupted.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the result, and cautions on stderr.")
def run(
    config: Path,
    overrides: tuple[str, ...],
    runs: Path,
    as_json: bool,
    new: bool,
    trainings: str | None,
    quiet: bool,
) -> None:
    """Search, or continue a search that was stopped."""
    from search import session
    from search.report.terminal import Terminal, show

    experiment = load(config, overrides)
    front = session.run(experiment, runs=runs, new=new, trainings=trainings, watcher=Terminal(quiet=quiet))
    if as_json:
        click.echo(front.to_json())
    else:
        show(front, folder=(runs / front.run))
