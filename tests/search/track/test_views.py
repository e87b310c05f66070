"""What a person sees after a real run: MLflow's pages at the address that `ui` prints, and the report, in a browser."""

import json
import os
import re
import signal
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from search import session
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
    command = [*COMMAND, "ui", "digits", "--port", str(free_port())]
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
        yield re.search(r"http://127\.0\.0\.1:\S+", said)[0]
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


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
        gains = [front[name].gain_low for name in rows]
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
        shown.wait(f"document.body.innerText.includes({json.dumps(front.verdict)})")
        shown.ask("document.querySelector('.points th:nth-child(3) button').click()")
        assert shown.ask("document.querySelector('.points th:nth-child(3)').ariaSort") == "ascending"
        assert shown.errors == []
        listed = mlflow.ask("document.body.innerText")
        for name in ("config.yaml", "environment.json", "front.csv", "front.png", "front_table.json"):
            assert name in listed


@pytest.fixture(scope="module")
def opened_report(chromium, place):
    page = chromium.page()
    page.open((place / "runs" / "digits" / "report.html").as_uri())
    return page


@pytest.fixture
def report(opened_report):
    """The page as it is loaded; it may ask for nothing but itself, and its console stays empty."""
    page = opened_report
    page.seen()
    page.ask("scrollTo(0, 0)")
    yield page
    assert page.errors == []
    strangers = [
        asked for asked in page.requests if not asked.startswith(("data:", "about:")) and asked != page.address
    ]
    assert strangers == []


CONTRAST = """(selector => {
    const channels = text => text.match(/[\\d.]+/g).map(Number);
    const light = rgb => rgb.slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const ground = element => {
        if (!element) return dark ? [18, 18, 18] : [255, 255, 255];
        const [r, g, b, a = 1] = channels(getComputedStyle(element).backgroundColor);
        return a === 1 ? [r, g, b] : ground(element.parentElement).map((v, i) => a * [r, g, b][i] + (1 - a) * v);
    };
    const element = document.querySelector(selector), style = getComputedStyle(element);
    const below = ground(element), ink = channels(element.closest("svg") ? style.fill : style.color);
    const seen = ink.slice(0, 3).map((v, i) => style.opacity * v + (1 - style.opacity) * below[i]);
    const [high, low] = [light(seen), light(below)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
})"""


class TestReport:
    def test_it_begins_with_the_verdict_and_what_to_take_home(self, report, front):
        text = report.ask("document.body.innerText")
        assert text.index(front.verdict) < text.index("Take home") < text.index("Accuracy against overhead")
        for head in (
            "What pays",
            "Is the gain real?",
            "Would more trainings help?",
            "What it took",
            "How to reproduce",
            "What this does not say",
            "Gradient at the first layer",
        ):
            assert f"{head}\n" in text
        assert "Not finished" not in text

    def test_each_point_has_a_bar_and_the_recommended_one_a_ring(self, report, front):
        bars = report.ask(
            "[...document.querySelector('svg[role=group]').querySelectorAll('.point .bar')]"
            ".map(bar => bar.getBoundingClientRect().height)"
        )
        assert len(bars) == len(front.points)
        assert sum(height > 3 for height in bars) == sum(p.gain_high > p.gain_low for p in front.points)
        assert report.ask("document.querySelector('.point:has(.ring)').dataset.id") == front.recommended

    def test_the_pointer_tells_a_placement(self, report, front):
        mark = "title + .bar ~ :is(circle, polygon):not(.seed)"
        uncovered = report.ask(f"""[...document.querySelectorAll('.point')].filter(point => {{
            const drawn = point.querySelector('{mark}');
            drawn.scrollIntoView({{block: 'center'}});
            const r = drawn.getBoundingClientRect();
            return point.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2));
        }}).map(point => point.dataset.id).filter(id => id !== 'a0')""")
        point = front[uncovered[-1]]  # by the seeds of the run, two marks may lie on each other
        report.point_at(f".point[data-id={point.id}] {mark}")
        report.wait(f"document.querySelector('.said').innerText.startsWith({json.dumps(f'{point.id}, {point.label}')})")
        assert f"{point.gain:+.2f} points" in report.ask("document.querySelector('.said').innerText")

    def test_the_keyboard_walks_over_the_points_and_finds_the_row(self, report, front):
        at = front.costs[0]
        cheapest = sorted(front.points, key=lambda p: getattr(p, at))[1]
        report.ask("document.querySelector('.point[tabindex=\"0\"]').focus()")
        assert report.ask("document.activeElement.dataset.id") == "a0"
        report.press("ArrowRight")
        walked = report.ask("document.activeElement.dataset.id")
        assert getattr(front[walked], at) == getattr(cheapest, at)
        report.press("Enter")
        assert report.ask("document.querySelector('tr.chosen').cells[0].innerText") == walked
        assert report.ask("document.querySelectorAll('svg[role=group] .point[tabindex=\"0\"]').length") == report.ask(
            "[...document.querySelectorAll('svg[role=group]')]"
            ".filter(drawing => drawing.querySelector('.point')).length"
        )

    def test_the_table_sorts_by_a_click_and_by_a_key(self, report, front):
        button = ".points th:nth-child(3) button"
        column = "[...document.querySelectorAll('.points tbody tr')].map(row => parseFloat(row.cells[2].innerText))"
        report.point_at(button, click=True)
        values = report.ask(column)
        assert values == sorted(values) == sorted(round(p.val_accuracy, 2) for p in front.points)
        report.ask(f"document.querySelector('{button}').focus()")
        report.press("Enter")
        assert report.ask(column) == values[::-1]
        assert report.ask("document.querySelector('.points th:nth-child(3)').ariaSort") == "descending"

    def test_on_paper_all_is_there_and_nothing_is_cut(self, report):
        report.seen(media="print", scheme="dark")
        assert report.ask("getComputedStyle(document.querySelector('.said')).display") == "none"
        assert report.ask("getComputedStyle(document.querySelector('pre')).whiteSpace") == "pre-wrap"
        assert report.ask("getComputedStyle(document.documentElement).colorScheme") == "light"
        assert report.printed().startswith(b"%PDF")

    def test_without_colours_every_look_is_another(self, report):
        report.seen(vision="achromatopsia")
        count = report.ask("document.querySelectorAll('.legend span').length")
        looks = [
            report.picture(f".legend span:nth-child({i}) svg")
            for i in range(1, count)
            if report.ask(f"document.querySelector('.legend span:nth-child({i}) svg') !== null")
        ]
        assert len(looks) >= 4
        assert all(one != other for one, other in combinations(looks, 2))

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_words_stand_out_from_their_ground(self, report, scheme):
        report.seen(scheme=scheme)
        for selector in (
            ".verdict",
            "p",
            "td",
            "caption",
            ".tick",
            ".name",
            "svg[role=group] > text",
            "pre",
            "figcaption",
        ):
            assert report.ask(f"{CONTRAST}({json.dumps(selector)})") >= 4.5, selector

    @pytest.mark.parametrize("width", [360, 1280])
    def test_the_page_itself_never_scrolls_sideways(self, report, width):
        report.size(width, 800)
        assert report.ask("document.documentElement.scrollWidth") <= width
