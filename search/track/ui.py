"""``senet-search ui``: the MLflow UI on the store of a run, on this machine only."""

import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from search import config
from search.report.live_page import serving
from search.report.loopback import end_by_signals, free_port, show
from search.setup.opened_run import open_run
from search.state.run_folder import RunFolder
from search.track.client import check_there, connect, error_line, sync_command
from search.track.store import database, is_embedded, opened_uri, store_to_read
from search.track.views import host, link, ui_command
from spaces.errors import ENVIRONMENT, UserError


def serve(run: str, runs: Path, port: int, say: Callable[[str], None], *, browser: bool = True) -> None:
    """Start the UI and wait for Ctrl-C. For a tracking server elsewhere, only say where to look.

    The page of the run is served beside MLflow, where it loads itself again while the run goes on. ``browser``: MLflow
    is opened in one as soon as it is there.
    """
    with open_run(run, runs) as opened:
        place = opened.folder
        runs = place.path.parent
        uri = store_to_read(opened.experiment.tracking.uri, runs, opened.facts).uri
        number = opened.facts.mlflow_experiment
        trouble = opened.facts.tracking_trouble
    if not number:
        raise UserError(f"MLflow knows nothing of {run} yet", hint=_sends(place, trouble), code=ENVIRONMENT)
    if not is_embedded(uri):
        say(f"{run} is tracked elsewhere. Open {link(config.redacted(uri), number, place.name)}")
        return
    free = free_port(port)
    _check_experiment(uri, place, number)
    if trouble:
        say(f"caution: MLflow lacks something of this run: {trouble}")
    argv, env = ui_command(opened_uri(uri, runs), runs, free)
    address = link(f"http://{host()}:{free}", number, place.name)
    say(f"MLflow for this computer only: {address}")
    with tempfile.TemporaryFile() as said, serving(place, free_port(free + 1)) as page:
        say(f"The page of the run: {page}")
        say("MLflow starts (about ten seconds); Ctrl-C stops both.")
        server = subprocess.Popen(argv, env={**os.environ, **env}, stdout=said, stderr=subprocess.STDOUT)
        try:
            _attend(server, f"http://127.0.0.1:{free}/health", say, address if browser else "")
        except KeyboardInterrupt:
            return  # Ctrl-C is how it is meant to end
        finally:
            server.terminate()
            server.wait(timeout=60)  # it took 8 on a busy machine
        said.seek(0)
        *_, last = [
            "nothing was said",
            *filter(None, (line.strip() for line in said.read().decode(errors="replace").split("\n"))),
        ]
    raise UserError(f"MLflow's server ended (exit {server.returncode}): {last[:200]}", code=ENVIRONMENT)


def _sends(place: RunFolder, trouble: str | None) -> str:
    """What brings a run into MLflow."""
    if place.is_held:
        return "try again when the search has begun to train"
    return trouble or f"`{sync_command(place.name, place.path.parent)}` sends it"


def _check_experiment(uri: str, place: RunFolder, number: str) -> None:
    """Raises UserError (ENVIRONMENT) if the run's experiment is not in the store, or was deleted there."""
    runs = place.path.parent
    sync = sync_command(place.name, runs)
    file = database(uri, runs)
    if file is not None and not file.exists():  # to look must not make it
        raise UserError(f"MLflow's store {file} is not there", hint=f"`{sync}` makes it again", code=ENVIRONMENT)
    try:
        found = connect(uri, runs).get_experiment(number)
    except Exception as error:  # each store throws what its own client throws
        raise UserError(
            f"MLflow cannot use {config.redacted(uri)}: {error_line(error)}",
            hint=f"`{sync}` sends the run again; move the file away before if it is damaged",
            code=ENVIRONMENT,
        ) from error
    check_there(found, uri, f"`{sync}`")


def _attend(server: "subprocess.Popen[bytes]", health: str, say: Callable[[str], None], opened: str = "") -> None:
    """Says when the server answers, and opens an address; returns when it ends by itself.

    Raises KeyboardInterrupt on a signal to end.
    """
    end_by_signals()
    # A proxy of the environment would look for the server on its own machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while server.poll() is None:
        try:
            direct.open(health, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            say("It is there: open the address above.")
            if opened:
                show(opened)
            server.wait()
