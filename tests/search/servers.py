"""Real servers for tests: MLflow's, and PostgreSQL beneath it. On loopback, in folders of the test, gone with it."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from search.report import loopback
from search.track.views import QUIET

_NUMBER = itertools.count()


def free_port():
    """A port below those that the system gives to whoever asks for any (from 32768 on).

    A server needs seconds until it takes its port, and Ray, which starts beside it, is given a hundred of the others.
    """
    return loopback.free_port(23_000 + 100 * (os.getpid() % 90) + next(_NUMBER) % 100)


class Server:
    """A real MLflow server on a port; each start may have another store."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self, store):
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
            "--backend-store-uri",
            store,
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]
        quiet = {**os.environ, **QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(
            command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
            except OSError:
                threading.Event().wait(0.2)  # between two looks; nothing else tells that it is up
            else:
                return
        raise AssertionError("the MLflow server did not come up")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def postgres_programs():
    """The folder of PostgreSQL's programs, or None. Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class Postgres:
    """A cluster of its own in a folder of its own. PostgreSQL refuses root, so root runs it as the user postgres."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.user = "postgres" if os.getuid() == 0 else None
        self.port = free_port()
        if self.user:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", self.folder / "data", "-U", "mlflow", "--auth=trust", "--no-sync", "-E", "UTF8")
        settings = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder} -c fsync=off"
        )
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o", settings, "start")
        self.uri = f"postgresql+psycopg2://mlflow@127.0.0.1:{self.port}/postgres"

    def stop(self):
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def query(self, text):
        import psycopg2

        where = {"host": "127.0.0.1", "port": self.port, "user": "mlflow", "dbname": "postgres"}
        with psycopg2.connect(**where) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()

    def _run(self, program, *arguments):
        command = [str(postgres_programs() / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            user=self.user,
            cwd="/tmp",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
