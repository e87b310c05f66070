"""A real MLflow server over a real PostgreSQL: what a team would run."""

import pytest

from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.ledger import Ledger
from search.track.client import read_children
from search.track.tracker import Tracker
from senet_nas.recipe import Seed
from tests.search import ledgers
from tests.search.servers import Postgres, Server, postgres_programs

pytestmark = pytest.mark.skipif(postgres_programs() is None, reason="needs PostgreSQL (apt-get install postgresql)")


@pytest.fixture
def server(tmp_path):
    database, mlflow = Postgres(), Server(tmp_path)
    try:
        mlflow.start(database.uri)
        mlflow.database = database
        yield mlflow
    finally:
        mlflow.stop()
        database.stop()


@pytest.fixture
def ledger():
    """Plain and one other in turns; the last training failed."""
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger)
    outcomes = [*(ledgers.ended(95.0 + i / 10) for i in range(8)), ledgers.failed("error", "on purpose")]
    ledgers.play(ledger, [(entries[i % 2], Seed(0, i // 2)) for i in range(9)], outcomes)
    return ledger


def test_a_run_is_tracked_and_sent_again_without_doubles(tmp_path, server, ledger):
    said = []

    def tracker():
        return Tracker(
            server.uri,
            experiment="run",
            run="run",
            runs=tmp_path,
            describe={"config": "a: 1"},
            uid="u",
            say=said.append,
        )

    (tmp_path / "report.html").write_text("<p>report</p>")
    sending = tracker()
    sending.start()
    for training in ledger.trainings:
        sending.training(training, ledger.entries[training.architecture])
    found = compute("run", ledger, Rules(DEFAULT))
    assert sending.close(found, tmp_path, ledger.trainings, status="FINISHED") == []
    assert said == []
    children = {
        child.uid: child.status for child in read_children(server.uri, tmp_path, experiment="run", run="run", uid="u")
    }
    assert children == {t.uid: "FAILED" if t.state == "failed" else "FINISHED" for t in ledger.trainings}
    rows = server.database.query("SELECT count(*) FROM runs")
    assert rows == [(10,)]  # the parent and nine children
    assert list((tmp_path / "artifacts").rglob("report.html"))
    assert tracker().rebuild(found, tmp_path, ledger.trainings, ledger.entries, status="FINISHED") == 0
    assert server.database.query("SELECT count(*) FROM runs") == rows
