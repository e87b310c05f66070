"""``senet-search status``: how far runs are."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import JSON, RUNS, print_json, print_lines

if TYPE_CHECKING:
    from search.report.status import Status

WATCH_SECONDS = 2.0


@click.command()
@click.argument("run", required=False)
@RUNS
@JSON
@click.option("--watch", is_flag=True, help="Show it again every two seconds until no run trains, or Ctrl-C.")
def status(run: str | None, runs: Path, as_json: bool, watch: bool) -> None:
    """Show how far RUN is, from any terminal. Without RUN, show all runs."""
    if watch and as_json:
        raise click.UsageError("--watch is for people: leave --json out")
    found = _read(run, runs)
    if as_json:
        print_json("status", run, {"runs": [state.to_dict() for state in found]})
        return
    _show(found, runs)
    try:
        while watch and any(state.state == "running" for state in found):
            time.sleep(WATCH_SECONDS)
            found = _read(run, runs)
            click.clear()  # of a terminal only; a log gets one text after the other
            _show(found, runs)
    except KeyboardInterrupt:
        return  # Ctrl-C is how it is meant to end


def _read(run: str | None, runs: Path) -> "list[Status]":
    from search.report.status import read_status
    from search.state import run_folder

    return [read_status(name, runs) for name in ([run] if run else run_folder.names(runs))]


def _show(found: "list[Status]", runs: Path) -> None:
    if found:
        print_lines(line for state in found for line in state.lines())
    else:
        click.echo(f"no runs in {runs}")
