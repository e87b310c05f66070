"""``senet-search ui``: the MLflow UI on the store of a run, on this machine only."""

import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import click

from search import config, folder, mlflow_ui, track
from search.ledger import Ledger
from search.prepare import kept
from spaces.errors import ENVIRONMENT, UserError


def serve(run: str, runs: Path, port: int) -> None:
    """Starts the UI and waits for Ctrl-C; for a tracking server elsewhere, only says where to look."""
    place = folder.find(run, runs)
    runs = place.path.parent
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        uri = track.store(kept(place, ledger).tracking.uri, runs)
        number = ledger.fact("mlflow_experiment")
    if not number:
        raise UserError(
            f"MLflow knows nothing of {run} yet", hint="try again when the search has ended", code=ENVIRONMENT
        )
    if not track.is_embedded(uri):
        click.echo(f"{run} is tracked elsewhere. Open {mlflow_ui.link(config.redacted(uri), number, place.name)}")
        return
    free = mlflow_ui.free_port(port)
    argv, env = mlflow_ui.ui_command(uri, runs, free)
    click.echo(f"MLflow for this computer only: {mlflow_ui.link(f'http://127.0.0.1:{free}', number, place.name)}")
    click.echo("It answers in about ten seconds. Ctrl-C stops it.")
    server = subprocess.Popen(argv, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: server.terminate())
    try:
        server.wait()
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it is meant to end
    finally:
        server.terminate()
        server.wait(timeout=10)
