"""``senet-search ui``: opens the MLflow UI on a run."""

from pathlib import Path

import click

from search.cli.options import RUNS


@click.command()
@click.argument("run")
@RUNS
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(1, 65_436),
    help="Port on this machine, or the next one that is free.",
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open MLflow in a browser.")
def ui(run: str, runs: Path, port: int, browser: bool) -> None:
    """Open the MLflow UI on RUN, and serve its page. Both serve this machine only, until Ctrl-C."""
    from search.track import ui as server

    server.serve(run, runs, port, click.echo, browser=browser)
