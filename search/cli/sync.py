"""``senet-search sync``: sends a run to MLflow again."""

from pathlib import Path

import click

from search.cli.options import JSON, RUNS, print_json, print_lines


@click.command()
@click.argument("run")
@RUNS
@JSON
def sync(run: str, runs: Path, as_json: bool) -> None:
    """Rebuild the MLflow runs of RUN from its ledger. Correct entries stay as they are."""
    from search.track.sync import sync as send

    sent = send(run, runs)
    if as_json:
        print_json("sync", run, sent.to_dict())
    else:
        print_lines(sent.lines(runs))
