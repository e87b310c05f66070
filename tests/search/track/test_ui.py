"""``senet-search ui`` says when its page is there, whatever the environment says of proxies (fault 19)."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from search.track import ui


class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/health"
        server.shutdown()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_behind_a_proxy_the_page_is_looked_for_on_this_machine(page, monkeypatch, name):
    """b39ef70 asked the proxy, waited for ever and never said that the page was there."""
    for other in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(ui, "end_by_signals", lambda: None)
    said = []
    ended = iter([None, 0])  # the server runs at first, then it has ended
    server = SimpleNamespace(poll=lambda: next(ended), wait=lambda: None)
    ui._attend(server, page, said.append)
    assert said == ["It is there: open the address above."]
