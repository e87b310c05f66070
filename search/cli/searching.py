"""Commands that make a search: its config, its check, its run; and many of them over a table."""

import shlex
from pathlib import Path

import click

from search.cli.options import CONFIG, JSON, RUNS, SET, load, print_json


@click.command()
@click.option("--data", default="digits", show_default=True, help="A folder of images, or the name of a dataset.")
@click.option("--backbone", default=None, help="Network to put SE into (see `senet-search list backbones`).")
@click.argument("config", default="config.yaml", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(data: str, backbone: str | None, config: Path, force: bool) -> None:
    """Write a commented CONFIG (and its schema for editors) to start from."""
    from search.cli import new_config as first

    schema_file = first.write(data, backbone, config, force=force)
    click.echo(f"Wrote {config} and {schema_file}. Next: senet-search check {shlex.quote(str(config))}")


@click.command()
@CONFIG
@SET
@JSON
def check(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check config, data, network and machine, and estimate the time. Nothing is trained for keeps."""
    from search.cli import check_run as checks

    experiment = load(config, overrides)
    found = checks.check(experiment)
    if as_json:
        print_json("check", experiment.name, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))
        words = ["senet-search", "run", str(config), *(word for text in overrides for word in ("--set", text))]
        click.echo(f"Nothing was started. Next: {shlex.join(words)}")


@click.command()
@CONFIG
@SET
@RUNS
@JSON
@click.option("--new", is_flag=True, help="Start another run beside an existing one: NAME-2.")
@click.option("--trainings", metavar="N|+N", default=None, help="Set the budget, or extend a run by N trainings.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result only.")
def run(config: Path, overrides: tuple[str, ...], runs: Path, as_json: bool, new: bool, trainings: str | None,
        quiet: bool) -> None:  # fmt: skip
    """Search, or go on with a search that was stopped."""
    from search import session
    from search.report.terminal import Terminal, show

    experiment = load(config, overrides)
    front = session.run(experiment, runs=runs, new=new, trainings=trainings, watcher=Terminal(quiet=quiet))
    if as_json:
        click.echo(front.to_json())
    else:
        show(front, folder=(runs / front.run))


@click.command()
@click.argument("table")
@click.option(
    "--sampler", "samplers", default="auto,tpe,random", show_default=True, help="Samplers to compare, by commas."
)
@click.option("--trainings", default="32,64", show_default=True, help="Budgets, by commas.")
@click.option("--searches", default=20, show_default=True, type=click.IntRange(1), help="Searches for each of them.")
@click.option("--first", default=0, show_default=True, type=click.IntRange(0), help="Number of the first world.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes side by side.")
@JSON
def bench(table: str, samplers: str, trainings: str, searches: int, first: int, jobs: int, as_json: bool) -> None:
    """Search many times over TABLE (a file, or synthetic:113:0.6) and score what is reported against the truth."""
    from search.bench import runner as benchmarks

    try:
        budgets = [int(number) for number in trainings.split(",")]
    except ValueError:
        raise click.BadParameter(f"`{trainings}` is no list of whole numbers", param_hint="--trainings") from None
    found = benchmarks.bench(table, samplers.split(","), budgets, searches, jobs, first)
    if as_json:
        print_json("bench", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))
