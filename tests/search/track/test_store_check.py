"""A store without an answer is not called wrong, and the time that MLflow needs to start is not the store's."""

import threading

import pytest

from search.track import store_check
from search.track.store import BESIDE, Store, beside
from search.track.store_check import check_store
from spaces.errors import ENVIRONMENT, UserError


@pytest.fixture
def made(tmp_path):
    """A store that is there."""
    store = Store(beside(tmp_path / "runs"), BESIDE)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").touch()
    return store


def test_a_store_without_an_answer_is_not_called_wrong(tmp_path, monkeypatch, made):
    """A busy machine was told to choose another folder."""
    asked = threading.Event()
    monkeypatch.setattr(store_check, "PATIENCE", 0.01)
    monkeypatch.setattr(store_check, "connect", lambda uri, runs: asked.wait())
    with pytest.raises(UserError, match="has no answer from sqlite") as caught:
        check_store(made, tmp_path / "runs")
    asked.set()
    assert caught.value.hint.startswith("type this again; a run keeps everything")
    assert "--runs" not in caught.value.hint
    assert caught.value.code == ENVIRONMENT


def test_the_time_to_import_mlflow_is_not_the_stores(tmp_path, monkeypatch, made):
    """MLflow is loaded before the clock of the store starts, in the thread that asks for it."""
    loaded = []
    monkeypatch.setattr(store_check, "load", lambda: loaded.append(threading.current_thread()))
    monkeypatch.setattr(store_check, "connect", lambda uri, runs: None)
    check_store(made, tmp_path / "runs")
    assert loaded == [threading.main_thread()]
