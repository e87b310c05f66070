"""A tracking server in trouble: the search never waits for it, hears of it once and soon, and `sync` makes it whole."""

import http.server
import threading
import time

import pytest

from search.report.loopback import free_port
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.ledger import Ledger
from search.track.client import read_children
from search.track.projection import is_told
from search.track.tracker import Tracker
from senet_nas.recipe import Seed
from tests.search import ledgers
from tests.search.servers import Server

N = 12
# No call of the tracker may keep the search waiting longer than this.
PATIENCE = 1.0


@pytest.fixture
def ledger():
    """Plain and one other, six trainings each, all finished."""
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger)
    rows = [(entries[i % 2], Seed(0, i // 2)) for i in range(N)]
    ledgers.play(ledger, rows, [ledgers.ended(95.0 + i / 10) for i in range(N)])
    return ledger


def tracker(runs, uri, said):
    return Tracker(uri, experiment="run", run="run", runs=runs, describe={"config": ""}, uid="u", say=said.append)


def track(runs, uri, ledger):
    """Sends everything as a driver does; what was said, and the longest wait for any call."""
    said, waits = [], []
    sending = tracker(runs, uri, said)
    began = time.monotonic()
    sending.start()
    for training in ledger.trainings:
        sending.training(training, ledger.entries[training.architecture])
        waits.append(time.monotonic() - began)
        began = time.monotonic()
    found = compute("run", ledger, Rules(DEFAULT))
    left = sending.close(found, runs, ledger.trainings, status="FINISHED", timeout=3.0)
    return said, left, max(waits)


class Trouble(http.server.BaseHTTPRequestHandler):
    """Answers every request as the server's ``mode`` says."""

    def answer(self):
        if self.server.mode == "slow":
            self.server.leave.wait(5)
        elif self.server.mode == "resets":
            self.connection.close()
            return
        self.send_response(503 if self.server.mode == "busy" else 500)
        if self.server.mode == "busy":
            self.send_header("Retry-After", "30")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815 (the names of http.server)

    def log_message(self, *_):
        pass


@pytest.fixture
def trouble():
    """A server that is in trouble of the mode that is set."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trouble)
    server.mode, server.leave, server.daemon_threads = "", threading.Event(), True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.leave.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("mode", ["fails", "busy", "resets", "slow"])
def test_a_server_in_trouble_is_never_waited_for_and_told_of_once(tmp_path, ledger, trouble, mode):
    trouble.mode = mode
    uri = f"http://127.0.0.1:{trouble.server_address[1]}"
    said, left, wait = track(tmp_path, uri, ledger)
    assert wait < PATIENCE
    assert len(said) + len(left) == 1
    assert "MLflow: " in " ".join(said) or "not sent within" in " ".join(left)
    assert all("senet-search sync run" in text for text in said)


def test_a_closed_port_is_told_of_while_the_search_goes_on(tmp_path, ledger):
    said = []
    sending = tracker(tmp_path, f"http://127.0.0.1:{free_port(21_000)}", said)
    sending.start()
    sending._thread.join(30)
    assert len(said) == 1
    assert said[0].startswith("MLflow: ")
    assert sending.close(None, tmp_path, ledger.trainings, status="FINISHED") == []


def test_a_server_that_dies_and_comes_back_empty_gets_everything(tmp_path, ledger):
    """A real server: stopped in the middle, later there again with an empty store."""
    server = Server(tmp_path)
    server.start(f"sqlite:///{tmp_path}/first.db")
    try:
        said = []
        sending = tracker(tmp_path, server.uri, said)
        sending.start()
        for training in ledger.trainings[: N // 2]:
            sending.training(training, ledger.entries[training.architecture])
        deadline = time.monotonic() + 60
        while len(sending._sender._ended) < N // 2 and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        assert len(sending._sender._ended) == N // 2
        server.stop()
        began = time.monotonic()
        for training in ledger.trainings[N // 2 :]:
            sending.training(training, ledger.entries[training.architecture])
        assert time.monotonic() - began < PATIENCE
        sending.close(None, tmp_path, ledger.trainings, status="FINISHED", timeout=40)
        assert len(said) == 1
        server.start(f"sqlite:///{tmp_path}/second.db")
        found = compute("run", ledger, Rules(DEFAULT))
        again = tracker(tmp_path, server.uri, [])
        assert again.rebuild(found, tmp_path, ledger.trainings, ledger.entries, status="FINISHED") == N
        children = read_children(server.uri, tmp_path, experiment="run", run="run", uid="u")
        assert {child.uid for child in children} == {t.uid for t in ledger.trainings if is_told(t)}
        assert {child.status for child in children} == {"FINISHED"}
    finally:
        server.stop()
