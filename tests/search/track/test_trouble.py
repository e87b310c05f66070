"""What MLflow lacks of a run is said at the end of the session too, and its page is not suggested then."""

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.report.result_lines import next_lines
from search.running.conclusion import Conclusion
from search.session import result
from search.setup.opened_run import open_folder
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from search.track import ui
from search.track.client import connect
from search.track.store import beside
from search.track.sync import sync
from search.track.tracker import Tracker
from spaces.errors import ENVIRONMENT, UserError
from tests.search.track.test_store import run_in

RUN = "stopped"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return run_in(tmp_path / "runs")


def note(runs, **facts):
    with closing(Ledger(runs / RUN / "ledger.sqlite")) as ledger:
        ledger.note(Facts(**facts))


def deleted(runs):
    """The store after the run was sent and its experiment deleted; its number."""
    sync(RUN, runs)
    client = connect(beside(runs), runs)
    number = client.get_experiment_by_name(RUN).experiment_id
    client.delete_experiment(number)
    return number


def session(runs, uri=None):
    """What a session's tracker says, and what it leaves as trouble."""
    said = []
    tracker = Tracker(
        uri or beside(runs), experiment=RUN, run=RUN, runs=runs, describe={"config": "name: x\n"}, say=said.append
    )
    tracker.start()
    tracker.close(None, runs / RUN, [], status="FINISHED")
    return said, tracker.trouble


def test_the_trouble_of_a_session_comes_with_what_helps(runs):
    number = deleted(runs)
    (said,), trouble = session(runs)
    assert said == f"MLflow: {trouble}; the search goes on"
    assert "the MLflow experiment `stopped` was deleted; restore it with" in trouble
    assert f"experiments restore -x {number}" in trouble
    assert f"then `senet-search sync stopped --runs {runs}`" in trouble


def test_a_dead_server_is_trouble_and_a_good_store_is_none(runs):
    _, trouble = session(runs, "http://127.0.0.1:9")
    assert trouble.endswith(f"`senet-search sync stopped --runs {runs}` sends what is missing")
    assert session(runs) == ([], "")


def test_the_end_says_it_and_suggests_no_page_that_cannot_be_opened(runs):
    front = result(RUN, runs)
    place = RunFolder(runs / RUN)
    sync(RUN, runs)
    assert next_lines(front, place.path)[1].startswith("MLflow: senet-search ui stopped")
    note(runs, tracking_trouble="no answer; do this")
    _, trouble, first, *_ = next_lines(front, place.path)
    assert trouble == "MLflow lacks something of this run: no answer; do this"
    assert first.startswith("Next:   senet-search run ")
    assert "senet-search ui" not in first
    sync(RUN, runs)
    assert next_lines(front, place.path)[1].startswith("MLflow: senet-search ui stopped")


@pytest.mark.parametrize(("number", "noted"), [("", "5"), ("6", "6")])
def test_a_session_notes_its_trouble_and_keeps_the_experiment_that_it_had(runs, number, noted):
    """The number was forgotten, so `ui` sent one to wait for the end of a search that had ended."""
    place = RunFolder(runs / RUN)
    note(runs, mlflow_experiment="5")
    with open_folder(place) as opened:
        experiment = opened.experiment
    tracker = SimpleNamespace(close=lambda *_, **__: [], experiment_id=number, trouble="no answer")
    with closing(Ledger(place.ledger)) as ledger:
        parts = SimpleNamespace(
            place=place,
            ledger=ledger,
            tracker=tracker,
            loop=SimpleNamespace(is_complete=False),
            prepared=SimpleNamespace(experiment=experiment),
        )
        Conclusion(parts, print).write("KILLED")
        assert (ledger.facts.tracking_trouble, ledger.facts.mlflow_experiment) == ("no answer", noted)


def no_page(runs):
    with pytest.raises(UserError) as caught:
        ui.serve(RUN, runs, 5000, pytest.fail)
    assert caught.value.code == ENVIRONMENT
    return caught.value


def test_ui_opens_no_page_on_a_deleted_experiment(runs):
    deleted(runs)
    error = no_page(runs)
    assert "`stopped` was deleted" in error.message
    assert "experiments restore" in error.hint


def test_ui_says_how_a_run_comes_into_a_store_that_lacks_it(runs):
    note(runs, mlflow_experiment="")
    assert no_page(runs).hint == f"`senet-search sync stopped --runs {runs}` sends it"
    note(runs, tracking_trouble="no answer; do this")
    assert no_page(runs).hint == "no answer; do this"


def test_ui_makes_no_store(runs):
    sync(RUN, runs)
    (runs / "mlflow.db").unlink()
    assert "is not there" in no_page(runs).message
    assert not Path(runs / "mlflow.db").exists()


def test_ui_names_a_store_that_lacks_the_experiment(runs):
    sync(RUN, runs)
    note(runs, mlflow_experiment="77")
    error = no_page(runs)
    assert "77" in error.message
    assert "senet-search sync stopped" in error.hint
    with open_folder(RunFolder(runs / RUN)) as opened:
        assert opened.facts.mlflow_experiment == "77"
