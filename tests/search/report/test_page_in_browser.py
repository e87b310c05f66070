"""The page in a real browser: with pointer and keys, in the dark, on a phone, on paper, without colours and offline."""

import json
from itertools import combinations

import pytest

from search.report.answer_card import subject
from search.report.unbroken import NO_BREAK
from tests import browser
from tests.search import stored_runs as stored

pytestmark = pytest.mark.skipif(browser.find() is None, reason="needs Chromium (apt-get install chromium)")


@pytest.fixture(scope="module")
def chromium():
    with browser.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of five stored runs and their fronts, by what was found."""
    runs = tmp_path_factory.mktemp("runs")
    return {kind: stored.page(kind, runs) for kind in stored.KINDS}


@pytest.fixture(scope="module")
def front(pages):
    return pages["proven"][1]


@pytest.fixture(scope="module")
def opened_report(chromium, pages):
    page = chromium.page()
    page.open(pages["proven"][0].as_uri())
    return page


@pytest.fixture
def report(opened_report):
    """The page as it is loaded; it may ask for nothing but itself, and its console stays empty."""
    page = opened_report
    page.seen()
    page.size(1280, 800)
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
    const ground = element => {
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
        text = report.ask("document.body.innerText").replace(NO_BREAK, " ")
        assert text.index(front.headline) < text.index("Take home") < text.index("Accuracy against parameters")
        for head in (
            "What pays",
            "Is the gain real?",
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

    def test_no_mark_lies_on_another_so_the_pointer_finds_each(self, report, front):
        found = report.ask("""[...document.querySelectorAll('.on-wide .point .mark')].map(mark => {
            mark.scrollIntoView({block: 'center'});
            const r = mark.getBoundingClientRect();
            return document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2).closest('.point')?.dataset.id;
        })""")
        assert sorted(found) == sorted(point.id for point in front.points)

    def test_the_pointer_tells_a_placement(self, report, front):
        point = front.points[-1]
        report.point_at(f".point[data-id={point.id}] .mark")
        report.wait(f"document.querySelector('.said').innerText.startsWith({json.dumps(f'{point.id}, {point.label}')})")
        assert f"{point.gain:+.2f}{NO_BREAK}points" in report.ask("document.querySelector('.said').innerText")

    def test_the_keyboard_walks_over_all_points_and_finds_the_row(self, report, front):
        report.ask("document.querySelector('.point[tabindex=\"0\"]').focus()")
        walked = [report.ask("document.activeElement.dataset.id")]
        assert walked == [front.recommended]
        for _ in front.points[1:]:
            report.press("ArrowRight")
            walked.append(report.ask("document.activeElement.dataset.id"))
        assert sorted(walked) == sorted(point.id for point in front.points)
        report.press("ArrowLeft")
        report.press("Enter")
        assert report.ask("document.querySelector('tr.chosen').cells[0].innerText").split()[0] == walked[-2]
        drawings = "[...document.querySelectorAll('svg[role=group]')].filter(one => one.querySelector('.point'))"
        stops = report.ask(f"{drawings}.map(one => one.querySelectorAll('[tabindex=\"0\"]').length)")
        assert set(stops) == {1}  # one stop for Tab in each drawing

    def test_the_table_sorts_by_a_click_and_by_a_key(self, report, front):
        button = ".points th:nth-child(3) [role=button]"
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
        a4 = {"width": 680, "height": 1009, "deviceScaleFactor": 1, "mobile": False}  # between its margins
        report.send("Emulation.setDeviceMetricsOverride", **a4)
        report.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        cut = report.ask("""[...document.querySelectorAll('table, figure, pre, .card')]
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
            .map(one => one.innerText.slice(0, 40))""")
        assert cut == []
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
            "dt",
            ".step code",
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


# The text of everything that lies in the window, as a reader sees it before scrolling.
FIRST_SCREEN = """(() => {
    const words = [], range = document.createRange();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        range.selectNodeContents(walk.currentNode);
        const r = range.getBoundingClientRect();
        if (r.width && r.bottom <= innerHeight) words.push(walk.currentNode.data);
    }
    return words.join(" ").replace(/\\s+/g, " ");
})()"""
NEXT = {
    "proven": "senet-search export proven",
    "likely": "senet-search run",
    "open": "senet-search run",
    "not worth it": "senet-search export not-worth-it",
    "too short": "--set train.epochs=12 --new",
}


class TestFirstScreen:
    @pytest.mark.parametrize("kind", stored.KINDS)
    def test_it_holds_the_answer_the_cost_and_the_next_command(self, chromium, pages, kind):
        path, front = pages[kind]
        page = chromium.page()
        page.open(path.as_uri(), width=1280, height=800)
        text = page.ask(FIRST_SCREEN)
        assert front.headline in text
        assert " ".join(front.outlook) in text
        assert ("too short" in text[: text.index(front.headline)]) == (kind == "too short")  # said first
        point = subject(front)
        assert point.verdict in text
        assert format(point.params, ",.0f") in text
        if not point.is_plain:
            assert f"{point.gain:+.2f} points" in text
            assert f"{point.params_overhead:+.2f} % over plain" in text
        assert NEXT[kind] in text
        svg = "document.querySelector('.on-wide svg').getBoundingClientRect()"
        assert page.ask(f"{svg}.bottom") <= 800
        assert page.ask(f"{svg}.width") > 700

    @pytest.mark.parametrize(("width", "height"), [(1440, 900), (768, 1024), (390, 844)])
    def test_at_other_widths_answer_and_card_come_first_and_the_front_follows(self, chromium, pages, width, height):
        path, front = pages["likely"]
        page = chromium.page()
        page.open(path.as_uri(), width=width, height=height)
        text = page.ask(FIRST_SCREEN)
        assert front.headline in text
        assert f"{front[front.likely].gain:+.2f} points" in text
        svg = "[...document.querySelectorAll('.front > div > svg')].map(svg => svg.getBoundingClientRect())"
        (shown,) = page.ask(f"{svg}.filter(r => r.width).map(r => [r.top, r.right])")
        assert shown[0] < 1.3 * height
        assert shown[1] <= width

    @pytest.mark.parametrize("kind", stored.KINDS)
    def test_on_a_phone_the_answer_is_short_and_no_table_scrolls_sideways(self, chromium, pages, kind):
        path, front = pages[kind]
        page = chromium.page()
        page.open(path.as_uri(), width=390, height=844)
        page.ask("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        lines = page.ask("""(verdict => verdict.getBoundingClientRect().height
            / parseFloat(getComputedStyle(verdict).lineHeight))(document.querySelector('.verdict'))""")
        assert lines < 5.5
        wide = page.ask("""[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth)
            .map(one => one.innerText.slice(0, 40))""")
        assert wide == []
        first = front.members[-1]
        row = page.ask("[...document.querySelectorAll('.points tr.front')].at(-1).innerText")
        assert first.label in row
        assert f"{first.gain:+.2f}" in row or first.is_plain
        assert first.verdict in row

    def test_letters_of_every_drawing_can_be_read_on_a_phone(self, chromium, pages):
        page = chromium.page()
        page.open(pages["proven"][0].as_uri(), width=390, height=844)
        heights = page.ask("""[...document.querySelectorAll('figure svg text')]
            .filter(text => text.getBoundingClientRect().width)
            .map(text => {
                const scale = text.getScreenCTM();
                return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(scale.a, scale.b);
            })""")
        assert len(heights) > 20
        assert min(heights) >= 9
