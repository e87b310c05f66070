"""``senet-search dashboard``: opens Optuna's dashboard on a run."""

from pathlib import Path

import click

from search.cli.options import RUNS


@click.command()
@click.argument("run")
@RUNS
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65_436),
    help="Port on this machine, or the next one that is free.",
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in a browser.")
def dashboard(run: str, runs: Path, port: int, browser: bool) -> None:
    """Open Optuna's dashboard on RUN. It serves this machine only, until Ctrl-C.

    Writes the placements and trainings of RUN as Optuna studies into its folder. Needs the extra `dashboard`.
    """
    from search.dashboard import server

    server.serve(run, runs, port, click.echo, browser=browser)
