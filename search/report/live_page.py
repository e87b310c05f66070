"""Serves the page of a run on this computer only; while the run goes on, the page loads itself again."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from search.report.loopback import HOST
from search.report.status import status_here
from search.state.run_folder import RunFolder
from spaces.errors import UserError

# The names under which the page and what it asks for are served; nothing else is.
PAGE = "/"
STATUS = "/status.json"
# Before there is a page, the browser looks again after so many seconds.
SECONDS = 3
_WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{run}: senet-search</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="{seconds}">
<style>:root {{ color-scheme: light dark }} body {{ font: 1.2rem system-ui, sans-serif; margin: 3rem }}</style></head>
<body><main><h1>{run}</h1><p>{words}</p></main></body></html>"""


@contextmanager
def serving(place: RunFolder, port: int) -> Iterator[str]:
    """Serves the page of a run until the block ends, and gives its address."""
    server = ThreadingHTTPServer((HOST, port), _handler(place))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="page", daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}{PAGE}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(place: RunFolder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {PAGE: _page, STATUS: _status}
            answer = answers.get(urlsplit(self.path).path)
            # A page of another origin must not read this one under a name of its own (DNS rebinding).
            host = self.headers.get("Host", "").rsplit(":", 1)[0]
            if answer is None or host not in (HOST, "localhost"):
                self.send_error(404)
                return
            kind, content = answer(place)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Last-Modified", formatdate(_written(place), usegmt=True))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the terminal belongs to the command."""

    return Handler


def _page(place: RunFolder) -> tuple[str, bytes]:
    """The report; before there is one, how far the run is."""
    if place.report.exists():
        return "text/html; charset=utf-8", place.report.read_bytes()
    words = f"{_line(place)}; nothing to compare yet"
    text = _WAITING.format(run=escape(place.name), words=escape(words), seconds=SECONDS)
    return "text/html; charset=utf-8", text.encode()


def _status(place: RunFolder) -> tuple[str, bytes]:
    """How far the run is in a line, and the second in which its page was written."""
    return "application/json", json.dumps({"line": _line(place), "written": _written(place)}).encode()


def _written(place: RunFolder) -> int:
    return int(place.report.stat().st_mtime) if place.report.exists() else 0


def _line(place: RunFolder) -> str:
    try:
        return status_here(place).sentence()
    except UserError as error:  # the ledger is only just being made
        return error.message
