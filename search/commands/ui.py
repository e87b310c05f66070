"""``senet-search ui``: the MLflow UI on the store of a run, on this machine only."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import click

from search import config, folder, track
from search.ledger import Ledger


def serve(run: str, runs: Path, port: int) -> None:
    """Starts the UI and waits for Ctrl-C; for a tracking server elsewhere, only says where to look."""
    place = folder.find(run, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        experiment_id = str(ledger.fact("mlflow_experiment") or "")
    uri = track.open_store(config.load(place.config).tracking.uri, place.path.parent)
    if not uri.startswith("sqlite:"):
        click.echo(f"{run} is tracked elsewhere. Open {track.url(uri, experiment_id)}")
        return
    free = track.free_port(port)
    argv, env = track.ui_command(uri, free)
    click.echo(f"MLflow for this computer only: {track.url(f'http://127.0.0.1:{free}', experiment_id)}")
    click.echo("It answers in about ten seconds. Ctrl-C stops it.")
    server = subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait(timeout=10)
