"""A real browser for tests and screenshots: Chromium without a window, over a pipe, with the standard library alone.

Speaks the DevTools protocol (https://chromedevtools.github.io/devtools-protocol) by ``--remote-debugging-pipe``: JSON
messages, each ended by a zero byte; it reads them from descriptor 3 and writes them to descriptor 4.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--lang=en",
)


def find() -> str | None:
    """Where Chromium is on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. Notes every error that its console shows and every address that it asks for."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser, self._session = browser, session
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.address, self._loaded = "about:blank", 0
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    @property
    def loads(self) -> int:
        """How many times it has been loaded."""
        return self._loaded

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.send(method, session=self._session, **params)

    def open(self, address: str, *, width: int = 1280, height: int = 900) -> None:
        """Goes to an address and waits until it is loaded: anew, also where only what stands behind # is another."""
        self.size(width, height)
        self.address = address
        for step in ("about:blank", address):
            before = self._loaded
            self.send("Page.navigate", url=step)
            self._browser.until(lambda: self._loaded > before, f"{step} to load")  # noqa: B023 (called before it moves on)

    def size(self, width: int, height: int, *, scale: float = 1) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for. Raises AssertionError where it throws."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, f"{expression}: {found.get('exceptionDetails')}"
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 30) -> None:
        """Waits in the page until an expression is true; raises AssertionError with what the page says instead."""
        self.ask(f"""new Promise((found, failed) => {{
            const look = () => {{ let is; try {{ is = {expression}; }} catch (error) {{ is = false; }} return is; }};
            const began = performance.now();
            const timer = setInterval(() => {{
                const is = look();
                if (is) {{ clearInterval(timer); found(true); }}
                if (performance.now() - began > {1000 * seconds}) {{
                    clearInterval(timer);
                    failed({json.dumps(f"never: {expression}")} + document.body.innerText.slice(0, 2000));
                }}
            }}, 50);
        }})""")

    def point_at(self, selector: str, *, click: bool = False) -> None:
        """Moves the mouse onto the middle of an element, once it is there, and clicks there."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"{found} !== null")
        self.ask(f"{found}.scrollIntoView({{block: 'center'}})")
        x, y = self.ask(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())")
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Presses and releases a key: Tab, Enter, ArrowRight, ..."""
        code = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}[key]
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, **({"text": "\r"} if key == "Enter" else {})}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, **about)

    def seen(self, *, media: str = "screen", scheme: str = "light", vision: str = "none") -> None:
        """From now on as on paper (``print``), in the dark (``dark``), or without colours (``achromatopsia``)."""
        self.send(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.send("Emulation.setEmulatedVisionDeficiency", type=vision)

    def picture(self, selector: str | None = None) -> bytes:
        """What a person sees, or one element of it, as a PNG."""
        clip: dict[str, Any] = {}
        if selector:
            box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
            x, y, width, height = self.ask(f"(r => [r.x + scrollX, r.y + scrollY, r.width, r.height])({box})")
            clip = {"clip": {"x": x, "y": y, "width": width, "height": height, "scale": 1}}
        return base64.b64decode(
            self.send("Page.captureScreenshot", format="png", captureBeyondViewport=bool(selector), **clip)["data"]
        )

    def printed(self) -> bytes:
        """The page on paper, as a PDF."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])

    def heard(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))


class Browser:
    """A Chromium of its own, with an empty profile."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, come: int) -> None:
        self._process, self._to, self._come = process, to, come
        self._rest, self._number = b"", 0
        self._pages: dict[str, Page] = {}
        self._answers: dict[int, dict[str, Any]] = {}

    def page(self) -> Page:
        return self._attached(self.send("Target.createTarget", url="about:blank")["targetId"])

    def frame(self, begin: str) -> Page:
        """What a page shows within itself under an address that begins so, where it keeps that in a sandbox."""
        found: list[str] = []

        def look() -> bool:
            infos = self.send("Target.getTargets")["targetInfos"]
            found[:] = [t["targetId"] for t in infos if t["type"] == "iframe" and t["url"].startswith(begin)]
            return bool(found)

        self.send("Target.setDiscoverTargets", discover=True)  # then it tells when there is another one to look at
        self.until(look, f"a frame with {begin}")
        return self._attached(found[0])

    def _attached(self, target: str) -> Page:
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._pages[session] = page = Page(self, session)
        return page

    def send(self, method: str, *, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Sends a command and returns its answer."""
        self._number += 1
        number, message = self._number, {"id": self._number, "method": method, "params": params}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        self.until(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        result: dict[str, Any] = answer["result"]
        return result

    def until(self, is_there: Any, what: str, seconds: float = 60) -> None:
        """Reads what the browser says until something is there."""
        end = time.monotonic() + seconds
        while not is_there():
            ready, _, _ = select.select([self._come], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the browser did not answer within {seconds:.0f} s: {what}"
            read = os.read(self._come, 1 << 20)
            assert read, f"the browser ended: {what}"
            *messages, self._rest = (self._rest + read).split(b"\0")
            for message in messages:
                self._hear(json.loads(message))

    def _hear(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif message.get("sessionId") in self._pages:
            self._pages[message["sessionId"]].heard(message["method"], message["params"])


@contextmanager
def opened() -> Iterator[Browser]:
    """Starts a browser, and ends it. Raises AssertionError where there is none."""
    program = find()
    assert program, f"none of {', '.join(NAMES)} is installed"
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        # Descriptors 3 and 4 in the browser, whatever they are here.
        script = f'exec 3<&{theirs_in} 4>&{theirs_out} && exec "$0" "$@"'
        command = [
            program,
            *FLAGS,
            "--remote-debugging-pipe",
            f"--user-data-dir={Path(profile) / 'empty'}",
            "about:blank",
        ]
        process = subprocess.Popen(
            ["bash", "-c", script, *command],
            pass_fds=(theirs_in, theirs_out),
            env={**os.environ, "HOME": profile},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        browser = Browser(process, ours_out, ours_in)
        try:
            yield browser
        finally:
            try:
                browser.send("Browser.close")
                process.wait(10)
            except (AssertionError, OSError, subprocess.TimeoutExpired):
                process.kill()
            os.close(ours_out)
            os.close(ours_in)
