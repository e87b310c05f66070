"""The pictures of `docs/screenshots`, made again from a run:

    python -m tests.screenshots RUN [--runs DIR] [--to docs/screenshots] [--name no-gain] [--page]

The report, with those of its sections that the run has; MLflow's charts and the page of the search at the address that
`senet-search ui` prints; Optuna's dashboard; and the terminal at 80 columns. Needs Chromium.
"""

import argparse
import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from PIL import Image
from rich.console import Console

from search import session
from search.report import terminal
from search.report.loopback import HOST
from search.results.result import Front
from search.track.views import NAMED
from tests import browser
from tests.search.servers import free_port

LARGEST = 300_000
HEAD_OF_INTERVALS = "one => !one.children.length && one.innerText?.includes('with its interval')"
DESK = 1280, 800
PHONE = 390, 1500
# The end of the name of a picture, the colours that a reader prefers, and the size of the window.
SCREENS = (
    ("", "light", DESK),
    ("-dark", "dark", DESK),
    ("-phone", "light", PHONE),
    ("-phone-dark", "dark", PHONE),
)


COMMAND = [sys.executable, "-u", "-c", "from search.cli.app import main; main()"]


@contextmanager
def served(command: str, run: str, runs: Path, until: str, address: str) -> Iterator[str]:
    """The address that a command prints, once it has said ``until``."""
    arguments = [command, run, "--no-browser", "--runs", str(runs), "--port", str(free_port())]
    server = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        lines = []
        for line in server.stdout:
            lines.append(line)
            if until in line:
                break
        found = re.search(address, "".join(lines))
        assert found, "".join(lines)
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def keep(picture: bytes, path: Path) -> None:
    """As a PNG in its own colours: with a palette, those of few pixels would take the colour of others."""
    Image.open(io.BytesIO(picture)).convert("RGB").save(path, optimize=True)
    size = path.stat().st_size
    assert size < LARGEST, f"{path} has {size} bytes"
    print(f"{path}  {size // 1000} kB")


def of_mlflow(opened: browser.Browser, front: Front, runs: Path, to: Path, start: str) -> None:
    with served("ui", front.run, runs, "It is there", r"http://\S+/#/\S+") as printed:
        address = printed.replace(HOST, NAMED)  # Chromium knows this name, whether or not this machine does
        page = opened.page()
        page.open(address, width=1440, height=860)
        page.wait(f"document.querySelectorAll('.scatterlayer .point').length === {len(front.points)}")
        keep(page.picture(), to / f"{start}mlflow.png")
        page.ask(f"[...document.querySelectorAll('*')].find({HEAD_OF_INTERVALS}).scrollIntoView()")
        page.wait("document.querySelectorAll('.barlayer .point').length >= 3")
        keep(page.picture(), to / f"{start}mlflow-intervals.png")
        page.open(re.sub(r"\?.*", "?workflowType=machine_learning", address), width=1440, height=860)
        search = '.ag-row a[href*="/runs/"]'
        page.wait(f"document.querySelector('{search}') !== null")
        page.open(
            page.ask(f"document.querySelector('{search}').href") + "?workflowType=machine_learning",
            width=1440,
            height=860,
        )
        page.wait("[...document.querySelectorAll('th')].some(head => head.innerText === 'SE placement')")
        page.ask("[...document.querySelectorAll('button')].find(one => one.innerText === 'Show more')?.click()")
        keep(page.picture(), to / f"{start}mlflow-run.png")


def of_dashboard(opened: browser.Browser, front: Front, runs: Path, to: Path, start: str) -> None:
    """Optuna's dashboard on the placements of the run."""
    with served("dashboard", front.run, runs, "http://", r"http://\S+") as address:
        page = opened.page()
        page.open(address, width=1440, height=1000)
        page.wait("document.querySelectorAll('.scatterlayer .trace').length > 0")
        keep(page.picture(), to / f"{start}dashboard.png")


def of_terminal(opened: browser.Browser, front: Front, runs: Path, to: Path, start: str) -> None:
    """What `senet-search report` prints on a terminal of 80 columns."""
    with TemporaryDirectory() as folder:
        drawn = Path(folder) / "terminal.svg"
        out = Console(width=80, record=True, force_terminal=True, file=io.StringIO(), highlight=False)
        with patch("search.report.terminal.console", lambda **_: out):
            terminal.show(front, folder=(runs / front.run).resolve())
        out.save_svg(str(drawn), title=f"senet-search report {front.run}")
        page = opened.page()
        page.open(drawn.as_uri(), width=1000, height=900)
        keep(page.picture(), to / f"{start}terminal.png")


def of_report(opened: browser.Browser, front: Front, runs: Path, to: Path, name: str) -> None:
    """The first screen on a desk and on a phone, in light and dark, and how training went."""
    page = opened.page()
    for end, scheme, (width, height) in SCREENS:
        page.open((runs / front.run / "report.html").absolute().as_uri(), width=width, height=height)
        page.seen(scheme=scheme)
        keep(page.picture(), to / f"{name}{end}.png")
    page.open((runs / front.run / "report.html").absolute().as_uri(), width=1280, height=800)
    page.seen()
    page.ask("document.querySelector('#training').scrollIntoView()")
    keep(page.picture(), to / f"{name}-training.png")
    for head, end in (("What pays", "effects"), ("What is confused", "images")):
        found = f"[...document.querySelectorAll('h3')].find(one => one.innerText === '{head}')"
        if page.ask(f"{found} === undefined"):
            print(f"this run has no section {head}")
            continue
        page.ask(f"{found}.scrollIntoView()")
        keep(page.picture(), to / f"{name}-{end}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--name", default="report", help="how the names of the pictures begin")
    parser.add_argument("--page", action="store_true", help="the report alone, without MLflow")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    front = session.result(given.run, given.runs)
    start = "" if given.name == parser.get_default("name") else f"{given.name}-"
    with browser.opened() as opened:
        of_report(opened, front, given.runs, given.to, given.name)
        if not given.page:
            of_mlflow(opened, front, given.runs, given.to, start)
            of_dashboard(opened, front, given.runs, given.to, start)
            of_terminal(opened, front, given.runs, given.to, start)


if __name__ == "__main__":
    main()
