"""What a person sees in a browser after a real run: MLflow's pages at the address that `ui` prints."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search import session
from search.report.unbroken import NO_BREAK
from tests import browser
from tests.search.servers import free_port

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(browser.find() is None, reason="needs Chromium (apt-get install chromium)"),
]

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()"]
# A search of 18 trainings tells the effects of the factors apart.
SETTINGS = ("train.epochs=1", "data.train=300", "budget.trainings=24", "search.confirm=0.25", "search.stop=budget")
SHORT = [text for setting in SETTINGS for text in ("--set", setting)]
# MLflow asks its own server for this and shrugs at the answer.
THEIRS = "users/current"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The demo, shortened, run once for this file."""
    where = tmp_path_factory.mktemp("review")
    command = [*COMMAND, "run", str(ROOT / "configs" / "demo.yaml"), *SHORT]
    subprocess.run(command, cwd=where, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    return where


@pytest.fixture(scope="module")
def front(place):
    return session.result("digits", place / "runs")


@pytest.fixture(scope="module")
def address(place):
    """What `ui` prints, once it says that the page is there; Ctrl-C ends it."""
    command = [*COMMAND, "ui", "digits", "--no-browser", "--port", str(free_port())]
    server = subprocess.Popen(
        command,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said = ""
        for line in server.stdout:
            said += line
            if "It is there" in line:
                break
        yield re.search(r"http://[\w.]+:\S+/#/\S+", said)[0]
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(90) == 0


@pytest.fixture(scope="module")
def chromium():
    with browser.opened() as opened:
        yield opened


@pytest.fixture
def mlflow(chromium, address):
    """A page of MLflow's, whose errors must be its own, and which must ask nobody but its server."""
    page = chromium.page()
    yield page
    assert [error for error in page.errors if THEIRS not in error] == []
    server = address.split("/#")[0]
    assert [asked for asked in page.requests if not asked.startswith((server, "data:", "blob:", "about:"))] == []


@pytest.fixture(scope="module")
def parent(address, place):
    """The address of the page of the search itself."""
    (run,) = (place / "runs" / "mlartifacts").glob("*/artifacts/report.html")
    experiment = re.search(r"experiments/(\d+)", address)[1]
    return f"{address.split('/#')[0]}/#/experiments/{experiment}/runs/{run.parent.parent.name}"


class TestMlflow:
    def test_the_printed_address_opens_the_prepared_chart_beside_the_runs(self, mlflow, address, front):
        mlflow.open(address)
        mlflow.wait(f"document.querySelectorAll('.scatterlayer .point').length === {len(front.points)}")
        text = mlflow.ask("document.body.innerText")
        assert "Gain (points) against parameters (%)" in text
        assert "params_overhead" in text
        assert front.verdict in text  # the description of the experiment begins with it
        shown = re.findall(r"^(a\d+) .* \(t\d+\)$", text, flags=re.MULTILINE)
        rows = shown[: len(front.points)]  # the legend of the chart names them again
        # MLflow orders what it was given, which is rounded: two ends that are alike then may stand in either order.
        gains = [round(front[name].gain_low, front.quality.digits) for name in rows]
        assert sorted(rows) == sorted(point.id for point in front.points)
        assert gains == sorted(gains, reverse=True)

    def test_without_the_preset_the_search_is_one_row_that_unfolds(self, mlflow, address, front):
        mlflow.open(re.sub(r"\?.*", "?workflowType=machine_learning", address))
        mlflow.wait("document.body.innerText.includes('matching runs')")
        assert "(t3)" not in mlflow.ask("document.body.innerText")
        mlflow.point_at(".ag-pinned-left-cols-container .ag-row button", click=True)
        mlflow.wait("document.body.innerText.includes('(t3)')")

    def test_the_page_of_the_search_has_its_verdict_its_table_and_its_trainings(self, mlflow, parent, front):
        mlflow.open(f"{parent}?workflowType=machine_learning", height=1400)
        mlflow.wait(f"document.body.innerText.includes({json.dumps(front.verdict)})")
        heads = "[...document.querySelectorAll('th')].map(head => head.innerText)"
        mlflow.wait(f"{heads}.includes('SE placement')")
        mlflow.wait("document.body.innerText.includes('(t15)')")  # the list of its trainings is fetched on its own
        text = mlflow.ask("document.body.innerText")
        assert "senet-search export digits" in text
        for shown in ("hypervolume", "front_size", "data_fingerprint", "cifar_resnet8"):
            assert shown in text

    def test_the_report_opens_among_its_artifacts_and_works_there(self, chromium, mlflow, parent, address, front):
        mlflow.open(f"{parent}/artifacts/report.html?workflowType=machine_learning")
        shown = chromium.frame(f"blob:{address.split('/#')[0]}")
        shown.wait(
            f"document.body.innerText.replaceAll({json.dumps(NO_BREAK)}, ' ').includes({json.dumps(front.headline)})"
        )
        shown.ask("document.querySelector('.points th:nth-child(3) [role=button]').click()")
        assert shown.ask("document.querySelector('.points th:nth-child(3)').ariaSort") == "ascending"
        assert shown.errors == []
        listed = mlflow.ask("document.body.innerText")
        for name in ("config.yaml", "environment.json", "front.csv", "front.png", "front_table.json"):
            assert name in listed
