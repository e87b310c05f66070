"""``senet-search ui``: the MLflow UI on the store of a run, on this machine only."""

import os
import subprocess
from pathlib import Path

import click

from search import config, folder, track
from spaces.errors import ENVIRONMENT, UserError


def serve(run: str, runs: Path, port: int) -> None:
    """Starts the UI and waits for Ctrl-C; for a tracking server elsewhere, only says where to look."""
    place = folder.find(run, runs)
    experiment, runs = config.load(place.config), place.path.parent
    uri = track.store(experiment.tracking.uri, runs)
    number = track.experiment_id(uri, runs, experiment.tracking.experiment or experiment.name)
    if number is None:
        raise UserError(f"MLflow knows nothing of {run} yet", hint="it is written while the run goes on", code=ENVIRONMENT)
    if not track.is_embedded(uri):
        click.echo(f"{run} is tracked elsewhere. Open {track.link(config.redacted(uri), number)}")
        return
    free = track.free_port(port)
    argv, env = track.ui_command(uri, runs, free)
    click.echo(f"MLflow for this computer only: {track.link(f'http://127.0.0.1:{free}', number)}")
    click.echo("It answers in about ten seconds. Ctrl-C stops it.")
    server = subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait(timeout=10)
