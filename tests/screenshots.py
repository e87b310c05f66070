"""The pictures of `docs/screenshots`, made again from a run:

    python -m tests.screenshots RUN [--runs DIR] [--to docs/screenshots]

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
from search.results.result import Front
from tests import browser
from tests.search.servers import free_port

CLOSE = '[data-component-id="mlflow.assistant.chat_panel.close"]'
LARGEST = 300_000


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
        found = re.search(r"http://127\S+", "".join(lines))
        assert found, "".join(lines)
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def keep(picture: bytes, path: Path) -> None:
    """As a PNG of 256 colours, which is enough for a page."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    assert size < LARGEST, f"{path} has {size} bytes"
    print(f"{path}  {size // 1000} kB")


def of_mlflow(opened: browser.Browser, front: Front, runs: Path, to: Path) -> None:
    with ui(front.run, runs) as address:
        page = opened.page()
        page.open(address, width=1440, height=860)
        page.point_at(CLOSE, click=True)  # MLflow's assistant opens itself once in every new browser
        page.wait(f"document.querySelectorAll('.scatterlayer .point').length === {len(front.points)}")
        keep(page.picture(), to / "mlflow.png")
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


def of_report(opened: browser.Browser, front: Front, runs: Path, to: Path) -> None:
    page = opened.page()
    page.open((runs / front.run / "report.html").absolute().as_uri(), width=1200, height=1150)
    best = front.likely or front.members[-1].id
    page.point_at(f".point[data-id={best}] .bar")
    page.ask("scrollTo(0, 0)")
    keep(page.picture(), to / "report.png")
    page.ask("[...document.querySelectorAll('h2')].find(head => head.innerText === 'What pays').scrollIntoView()")
    keep(page.picture(), to / "report-effects.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, default=Path("docs/screenshots"))
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    front = session.result(given.run, given.runs)
    with browser.opened() as opened:
        of_report(opened, front, given.runs, given.to)
        of_mlflow(opened, front, given.runs, given.to)


if __name__ == "__main__":
    main()
