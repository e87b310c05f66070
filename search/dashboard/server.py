"""``senet-search dashboard``: Optuna's own dashboard on the studies of a run, on this machine only."""

import importlib.util
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from search.dashboard.studies import ShownStudy, studies_of
from search.report import loopback
from search.setup.opened_run import open_run
from search.state.run_folder import RunFolder
from spaces import durable
from spaces.errors import UserError
from spaces.text import plural

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

FILE = "optuna.journal"
# The address of the first study, that of the placements.
FIRST = "dashboard/studies/0"


def serve(run: str, runs: Path, port: int, say: Callable[[str], None], *, browser: bool) -> None:
    """Writes the studies of a run, shows them and waits for Ctrl-C. Raises UserError."""
    _check_installed()
    with open_run(run, runs) as opened:
        studies = studies_of(opened)
        place = opened.folder
    with _written(place, studies, say) as file:
        page = _page(file, loopback.free_port(port))
        address = f"http://{loopback.HOST}:{page.server_port}/{FIRST}"
        say(f"Optuna's dashboard, for this computer only: {address}")
        say("Ctrl-C stops it.")
        loopback.end_by_signals()
        try:
            if browser:
                loopback.show(address)
            page.serve_forever()
        except KeyboardInterrupt:
            return  # Ctrl-C is how it is meant to end
        finally:
            page.server_close()


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_installed() -> None:
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise UserError(
            "the dashboard needs optuna-dashboard, which is not installed here",
            hint="pip install 'senet-search[dashboard]'",
        )


@contextmanager
def _written(place: RunFolder, studies: Sequence[ShownStudy], say: Callable[[str], None]) -> Iterator[Path]:
    """The file with the studies: in the folder of the run, or a temporary one if nothing may be written there."""
    from search.dashboard import study_file

    count = " and ".join(plural(len(study.trials), study.name.rpartition(" ")[2][:-1]) for study in studies)
    file = place.path / FILE
    if study_file.is_current(file, studies):
        say(f"{file} is up to date: {count}")
        yield file
        return
    try:
        study_file.write(file, studies)
    except OSError as error:
        if error.errno not in (*durable.NO_ROOM, *durable.ONLY_READ):
            raise
        say(f"caution: cannot write {file}: {error.strerror}. The studies exist only until Ctrl-C.")
        with tempfile.TemporaryDirectory(prefix="senet-dashboard-") as folder:
            study_file.write(Path(folder) / FILE, studies)
            yield Path(folder) / FILE
    else:
        say(f"wrote {file}: {count}")
        yield file


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Binds without asking a name server for the name of this machine, which may take seconds to fail."""
        self.socket.bind(self.server_address)
        host, self.server_port = self.socket.getsockname()
        self.server_name = str(host)
        self.setup_environ()


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:
        """Says nothing of every request."""


def _page(file: Path, port: int) -> _Server:
    from optuna_dashboard import wsgi

    from search.dashboard import study_file

    server = _Server((loopback.HOST, port), _Silent)
    server.set_app(_for_this_machine(wsgi(study_file.opened(file)), port))
    return server


def _for_this_machine(app: "WSGIApplication", port: int) -> "WSGIApplication":
    """The application, for requests to this machine by name alone.

    A page of somebody else's could point its own name at this machine and then read and write through the browser.
    """
    names = {f"{name}:{port}" for name in (loopback.HOST, "localhost")}

    def checked(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("HTTP_HOST") in names:
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"only for this computer"]

    return checked
