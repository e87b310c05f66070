"""``senet-search status``: how far runs are."""

from pathlib import Path

import click

from search.cli.options import JSON, RUNS, print_json


@click.command()
@click.argument("run", required=False)
@RUNS
@JSON
def status(run: str | None, runs: Path, as_json: bool) -> None:
    """Show how far RUN is, from any terminal. Without RUN, show all runs."""
    from search.report.status import read_status
    from search.state import run_folder

    names = [run] if run else run_folder.names(runs)
    found = [read_status(name, runs) for name in names]
    if as_json:
        print_json("status", run, {"runs": [state.to_dict() for state in found]})
    elif found:
        click.echo("\n".join(line for state in found for line in state.lines()))
    else:
        click.echo(f"no runs in {runs}")
