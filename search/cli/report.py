"""``senet-search report``: prints and writes the result of a run."""

from pathlib import Path

import click

from search.cli.options import JSON, RUNS


@click.command(short_help="Print the result of RUN, and rewrite its report.")
@click.argument("run")
@RUNS
@JSON
def report(run: str, runs: Path, as_json: bool) -> None:
    """Print the result of RUN, and rewrite its report, tables and picture."""
    from search.report.refresh import refresh_run
    from search.report.terminal import show
    from search.state import run_folder

    with run_folder.writable(runs / run):
        front, folder, unwritten = refresh_run(run, runs)
    if as_json:
        click.echo(front.to_json())
    else:
        show(front, folder=folder, is_written=not unwritten)
    if unwritten:
        click.echo(f"caution: {unwritten}", err=True)
