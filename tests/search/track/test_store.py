"""The store of a run is remembered, follows a moved folder, and lies in its folder whatever that is called."""

import socket
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from search.doctor.diagnosis import diagnose
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.track.client import connect
from search.track.store import BESIDE, CONFIG, NAMED, VARIABLE, Store, beside, store_to_read, store_to_write
from search.track.store_check import check_store
from search.track.sync import sync
from spaces.errors import BAD_INPUT, ENVIRONMENT, UserError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "old_runs"
# Names of folders whose characters mean something in an address.
ODD_NAMES = ("a?b%20c#d", "100% ü中", "a'b\"c:d@e{f}")


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def run_in(folder):
    """A run folder of the fixture's in a new runs folder."""
    with tarfile.open(FIXTURES / "stopped.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def artifacts(runs):
    return sorted(path.name for path in (runs / "mlartifacts").rglob("*") if path.is_file())


def parent_of(runs):
    client = connect(beside(runs), runs)
    number = client.get_experiment_by_name("stopped").experiment_id
    return client, client.search_runs([number], "tags.`senet.kind` = 'search'")[0]


# -- which store ------------------------------------------------------------------------------------------------------


def test_the_config_comes_before_the_variable_and_that_before_what_the_run_remembers(tmp_path, monkeypatch):
    noted = Facts(tracking="http://noted", tracking_origin=NAMED)
    assert store_to_write(None, tmp_path) == Store(f"sqlite:///{tmp_path}/mlflow.db", BESIDE)
    assert store_to_write(None, tmp_path, noted) == Store("http://noted", NAMED)
    monkeypatch.setenv(VARIABLE, "http://now")
    assert store_to_write(None, tmp_path, noted) == Store("http://now", NAMED)
    assert store_to_write("http://mine", tmp_path, noted) == Store("http://mine", CONFIG)


def test_a_run_is_looked_for_where_it_was_sent(tmp_path, monkeypatch):
    """b39ef70 opened an empty store in a shell without the variable, and in one with another."""
    noted = Facts(tracking="http://noted", tracking_origin=NAMED)
    ours = Facts(tracking="sqlite:////old/runs/mlflow.db", tracking_origin=BESIDE)
    for named in (None, "http://other"):
        if named:
            monkeypatch.setenv(VARIABLE, named)
        assert store_to_read(None, tmp_path, noted).uri == "http://noted"
        assert store_to_read(None, tmp_path, ours).uri == beside(tmp_path)
        assert store_to_read("http://mine", tmp_path, noted).uri == "http://mine"


@pytest.mark.parametrize(("address", "origin"), [("sqlite:////x/runs/mlflow.db", BESIDE), ("http://x", NAMED)])
def test_what_an_older_version_noted_is_understood(tmp_path, address, origin):
    assert store_to_read(None, tmp_path, Facts(tracking=address)).origin == origin


def test_a_password_is_asked_for_and_never_kept(tmp_path, monkeypatch):
    noted = Facts(tracking="postgresql://me:***@host/db", tracking_origin=NAMED)
    for find in (store_to_read, store_to_write):
        with pytest.raises(UserError, match=r"tracked at postgresql://me:\*\*\*@host/db") as caught:
            find(None, tmp_path, noted)
        assert VARIABLE in caught.value.hint
        assert caught.value.code == ENVIRONMENT
    monkeypatch.setenv(VARIABLE, "postgresql://me:secret@host/db")
    assert store_to_read(None, tmp_path, noted).uri == "postgresql://me:secret@host/db"


def test_the_variable_means_the_same_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "sqlite:///mine.db")
    monkeypatch.chdir(tmp_path)
    assert store_to_write(None, tmp_path).uri == f"sqlite:///{tmp_path}/mine.db"


def test_a_run_that_a_variable_sent_elsewhere_is_found_without_it(tmp_path, monkeypatch):
    runs = run_in(tmp_path / "runs")
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/shared.db")
    assert sync("stopped", runs).sent == 12
    monkeypatch.delenv(VARIABLE)
    assert sync("stopped", runs).sent == 0
    assert not (runs / "mlflow.db").exists()
    with closing(Ledger(runs / "stopped" / "ledger.sqlite", read_only=True)) as ledger:
        assert ledger.facts.tracking == f"sqlite:///{tmp_path}/shared.db"


# -- where it lies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
def test_everything_lands_in_the_folder_and_is_found_again(tmp_path, monkeypatch, name):
    """b39ef70 put the database of `a?b` beside it, and sent nothing for others."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    runs = run_in(tmp_path / name / "runs")
    assert sync("stopped", runs).sent == 12
    assert sync("stopped", runs).sent == 0
    assert (runs / "mlflow.db").stat().st_size > 0
    assert "config.yaml" in artifacts(runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "here"])
    assert not list((tmp_path / "here").iterdir())
    states = {result.name: result.state for result in diagnose("stopped", runs).results}
    assert states["I8"] == "ok"


def sent(runs):
    """Sends the run from a process of its own: MLflow's client remembers the places of artifacts."""
    program = (
        "import sys; from pathlib import Path; from search.track.sync import sync; sync('stopped', Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(runs)], check=True)


def test_a_moved_store_is_at_home_where_it_lies(tmp_path):
    """b39ef70 wrote into the old place, and the report in MLflow was a 404."""
    sent(run_in(tmp_path / "old" / "runs"))
    (tmp_path / "old").rename(tmp_path / "new place")
    moved = tmp_path / "new place" / "runs"
    (moved / "mlartifacts").rename(tmp_path / "aside")
    sent(moved)
    assert "front.json" in artifacts(moved)  # written again, at the new place
    client, parent = parent_of(moved)
    assert parent.info.artifact_uri.startswith((moved / "mlartifacts").as_uri())
    assert Path(client.download_artifacts(parent.info.run_id, "front.json")).read_text()
    assert not (tmp_path / "old").exists()


def default_of(runs):
    """Where MLflow's experiment "Default" keeps artifacts, as the database says."""
    with closing(sqlite3.connect(runs / "mlflow.db")) as db:
        (found,) = db.execute("SELECT artifact_location FROM experiments WHERE name = 'Default'").fetchone()
    return found


def relocated(runs, location):
    with closing(sqlite3.connect(runs / "mlflow.db")) as db, db:
        db.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'Default'", (location,))


def test_mlflows_default_experiment_lies_beside_the_others_and_moves_with_them(tmp_path):
    """MLflow puts it below the working directory in which the store was made."""
    runs = run_in(tmp_path / "old" / "runs")
    connect(beside(runs), runs)
    assert default_of(runs) == f"{(runs / 'mlartifacts').as_uri()}/0"
    (tmp_path / "old").rename(tmp_path / "new")
    moved = tmp_path / "new" / "runs"
    for older in (default_of(moved), f"{tmp_path}/old/mlruns/0", f"file://{tmp_path}/old/mlruns/0", "./mlruns/0"):
        relocated(moved, older)
        connect(beside(moved), moved)
        assert default_of(moved) == f"{(moved / 'mlartifacts').as_uri()}/0"


def test_the_default_experiment_of_somebody_who_uses_it_stays(tmp_path):
    runs = run_in(tmp_path / "runs")
    client = connect(beside(runs), runs)
    for theirs in ("s3://bucket/mlruns/0", f"{tmp_path}/mine"):
        relocated(runs, theirs)
        connect(beside(runs), runs)
        assert default_of(runs) == theirs
    relocated(runs, f"{tmp_path}/mlruns/0")
    client.create_run("0")
    connect(beside(runs), runs)
    assert default_of(runs) == f"{tmp_path}/mlruns/0"


def test_artifacts_that_somebody_keeps_elsewhere_stay_there(tmp_path):
    runs = run_in(tmp_path / "old" / "runs")
    sync("stopped", runs)
    client, _ = parent_of(runs)
    client.create_experiment("theirs", "s3://bucket/mlartifacts")
    (tmp_path / "old").rename(tmp_path / "new")
    client, _ = parent_of(tmp_path / "new" / "runs")
    assert client.get_experiment_by_name("theirs").artifact_location == "s3://bucket/mlartifacts"


# -- an experiment that was deleted -----------------------------------------------------------------------------------


def test_a_deleted_experiment_is_named_with_what_works(tmp_path):
    """b39ef70 sent one from doctor to sync and back."""
    runs = run_in(tmp_path / "runs")
    sync("stopped", runs)
    client, parent = parent_of(runs)
    number = parent.info.experiment_id
    client.delete_experiment(number)
    with pytest.raises(UserError, match="`stopped` was deleted") as caught:
        sync("stopped", runs)
    assert caught.value.code == ENVIRONMENT
    (finding,) = [f for f in diagnose("stopped", runs).findings if f.invariant == "I8"]
    for said in (caught.value.hint, finding.remedy):
        assert f"mlflow experiments restore -x {number}" in said
        assert "--set tracking.experiment=" in said
    client.restore_experiment(number)
    assert sync("stopped", runs).sent == 0


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_command_is_named_that_would_open_another_database(tmp_path, name):
    """MLflow's own command takes `?` and `%` in a path for parts of the address."""
    runs = run_in(tmp_path / name / "runs")
    sync("stopped", runs)
    client, parent = parent_of(runs)
    client.delete_experiment(parent.info.experiment_id)
    with pytest.raises(UserError, match="was deleted") as caught:
        sync("stopped", runs)
    assert "restore" not in caught.value.hint
    assert "--set tracking.experiment=" in caught.value.hint


# -- asked before a run -----------------------------------------------------------------------------------------------


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


UNUSABLE = {
    "a folder of files": ("file:///tmp/nothing-here", "maintenance mode"),
    "a database whose folder is missing": ("sqlite:////no/such/folder/x.db", "no folder /no/such/folder"),
    "a server that is off": ("http://u:secret@127.0.0.1:{port}", "cannot use http://u:***@127.0.0.1"),
    "PostgreSQL that is off": ("postgresql://u:secret@127.0.0.1:{port}/db", "does not answer"),
    "MySQL that is off": ("mysql+pymysql://u:secret@127.0.0.1:{port}/db", "does not answer"),
    "a host that is none": ("postgresql://u:secret@no.such.host.invalid/db", "does not answer"),
    "Databricks without access": ("databricks", "Databricks"),
    "Databricks with a profile": ("databricks://nobody", "Databricks"),
    "an unknown kind": ("htp://foo", "not an address that MLflow knows"),
    "a database in memory": ("sqlite:///", "a database in memory"),
    "a database in memory by name": ("sqlite:///:memory:", "a database in memory"),
    "a word": ("nonsense", "not an address that MLflow knows"),
}


@pytest.mark.parametrize("origin", [CONFIG, NAMED])
@pytest.mark.parametrize("what", UNUSABLE)
def test_every_kind_of_store_is_asked(tmp_path, monkeypatch, what, origin):
    """b39ef70 asked http alone."""
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    address, said = UNUSABLE[what]
    with pytest.raises(UserError) as caught:
        check_store(Store(address.format(port=closed_port()), origin), tmp_path / "runs")
    error = caught.value
    assert said in error.message
    assert "\n" not in error.message
    assert "secret" not in f"{error.message} {error.hint}"
    is_address = any(words in error.message for words in ("not an address", "in memory"))
    assert error.code == (BAD_INPUT if is_address and origin == CONFIG else ENVIRONMENT)
    assert origin == CONFIG or VARIABLE in error.hint
    assert not (tmp_path / "runs").exists()


HINTS = {
    "http://127.0.0.1:{port}": "start the server",
    "postgresql://127.0.0.1:{port}/db": "start the server",
    "https://no.such.host.invalid": "the name of the host",
    "postgresql://no.such.host.invalid/db": "the name of the host",
}


@pytest.mark.parametrize("address", HINTS)
def test_a_server_is_only_to_be_started_where_nothing_listens(tmp_path, address):
    with pytest.raises(UserError) as caught:
        check_store(Store(address.format(port=closed_port()), CONFIG), tmp_path / "runs")
    assert HINTS[address] in caught.value.hint


def test_what_is_no_mlflow_server_is_not_to_be_started(tmp_path):
    """It listens, but answers 501: "start the server" would be wrong."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match="error code 501") as caught:
            check_store(Store(f"http://127.0.0.1:{server.server_port}", CONFIG), tmp_path / "runs")
        server.shutdown()
    assert caught.value.hint.startswith("mend tracking.uri;")


def test_a_store_that_is_made_later_is_not_made_by_asking(tmp_path):
    check_store(Store(beside(tmp_path / "runs"), BESIDE), tmp_path / "runs")
    check_store(Store(f"sqlite:///{tmp_path}/x.db", CONFIG), tmp_path / "runs")
    assert not list(tmp_path.iterdir())
