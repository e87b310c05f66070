"""The pictures of `docs/screenshots`, made again from a run:

    python -m tests.screenshots RUN [--runs DIR] [--to docs/screenshots] [--name no-gain] [--page]

MLflow's chart and the page of the search at the address that `senet-search ui` prints, and the report. Needs Chromium.
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

from PIL import Image

from search import session
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


@contextmanager
def ui(run: str, runs: Path) -> Iterator[str]:
    """The address that `senet-search ui` prints, once the page is there."""
    command = [
        sys.executable,
        "-u",
        "-c",
        "from search.cli.app import main; main()",
        "ui",
        run,
        "--no-browser",
        "--runs",
        str(runs),
    ]
    server = subprocess.Popen([*command, "--port", str(free_port())], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        lines = []
        for line in server.stdout:
            lines.append(line)
            if "It is there" in line:
                break
        found = re.search(r"http://\S+/#/\S+", "".join(lines))
        assert found, "".join(lines)
        # Chromium knows this name, whether or not this machine does.
        yield found[0].replace(HOST, NAMED)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def keep(picture: bytes, path: Path) -> None:
    """As a PNG in its own colours: with a palette, those of few pixels would take the colour of others."""
    Image.open(io.BytesIO(picture)).convert("RGB").save(path, optimize=True)
    size = path.stat().st_size
    assert size < LARGEST, f"{path} has {size} bytes"
    print(f"{path}  {size // 1000} kB")


def of_mlflow(opened: browser.Browser, front: Front, runs: Path, to: Path) -> None:
    with ui(front.run, runs) as address:
        page = opened.page()
        page.open(address, width=1440, height=860)
        page.wait(f"document.querySelectorAll('.scatterlayer .point').length === {len(front.points)}")
        keep(page.picture(), to / "mlflow.png")
        page.ask(f"[...document.querySelectorAll('*')].find({HEAD_OF_INTERVALS}).scrollIntoView()")
        page.wait("document.querySelectorAll('.barlayer .point').length >= 3")
        keep(page.picture(), to / "mlflow-intervals.png")
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
        keep(page.picture(), to / "mlflow-run.png")


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
    page.ask("[...document.querySelectorAll('h3')].find(head => head.innerText === 'What pays')?.scrollIntoView()")
    keep(page.picture(), to / f"{name}-effects.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--name", default="report", help="how the names of the report's pictures begin")
    parser.add_argument("--page", action="store_true", help="the report alone, without MLflow")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    front = session.result(given.run, given.runs)
    with browser.opened() as opened:
        of_report(opened, front, given.runs, given.to, given.name)
        if not given.page:
            of_mlflow(opened, front, given.runs, given.to)


if __name__ == "__main__":
    main()
