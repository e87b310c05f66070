import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from search import front, report
from search.front import Rules
from search.ledger import Ledger
from search.objectives import DEFAULT
from senet_nas.recipe import Seed

NASTY = '<script>alert("x")</script> & =cmd()'
FACTS = {"config": f"name: {NASTY}", "versions": {"torch": "2"}, "data": {"train": 10}, "seconds": 3.0}


@pytest.fixture(scope="module")
def run():
    """A run of four architectures, one of them with a name that would be dangerous if it were not escaped."""
    ledger = Ledger(":memory:")
    names = ["plain", "stages 2-3: avg r=8 pre_addition", NASTY, "all stages: max r=4 post_addition"]
    for number, words in enumerate(names):
        price = {"params": 100 + number, "params_overhead": float(number), "macs": 1e6, "macs_overhead": 0.1}
        entry = ledger.enter(f"net/{number}", words, price)
        for training in ledger.plan([(entry, Seed(0, r)) for r in range(4)], role="search", origin="sampler"):
            ledger.start(training.uid)
            metrics = {
                "val_accuracy": 95 + number / 2 + training.seed.replicate / 20,
                "grad_norm": 0.3,
                "train_seconds": 2.0,
            }
            ledger.finish(training.uid, metrics=metrics, curve=[], correct=None)
    (failed,) = ledger.plan([(ledger.entries[1], Seed(9))], role="search", origin="sampler")
    ledger.start(failed.uid)
    ledger.fail(failed.uid, reason="diverged", detail="epoch 2")
    found = front.compute("run", ledger, Rules(DEFAULT))
    return found, ledger


class Page(HTMLParser):
    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page(run):
    found, ledger = run
    return report.html(found, ledger.trainings, ledger.entries, FACTS, report.front_png(found))


def test_the_page_is_well_formed_and_needs_no_network(page):
    parsed = Page(page)
    assert parsed.open == []
    assert all(address.startswith("data:") for address in parsed.addresses)
    assert not re.search(r"https?://", page)
    assert len(page) < 300_000


def test_nothing_on_the_page_can_run(page):
    parsed = Page(page)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert "alert" in "".join(parsed.words)
    (policy,) = (attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_the_page_says_everything_a_reader_asks(run, page):
    found, ledger = run
    text = " ".join(Page(page).words)
    for asked in (
        found.verdict,
        found.rule,
        found.power,
        "gradient norm",
        "1 diverged",
        "fingerprint",
        "What this does not say",
    ):
        assert asked in text or asked in page or asked.replace("'", "&#x27;") in page
    for training in ledger.trainings:
        assert f">{training.name}<" in page
    for point in found.points:
        assert point.id in text


def test_tables_have_captions_and_scopes_and_the_picture_has_words(page):
    parsed = Page(page)
    tables = sum(tag == "table" for tag, _ in parsed.tags)
    assert tables == sum(tag == "caption" for tag, _ in parsed.tags) >= 3
    assert all("scope" in attrs for tag, attrs in parsed.tags if tag == "th")
    assert all(attrs.get("alt") for tag, attrs in parsed.tags if tag == "img")


def test_the_table_of_points_is_complete_and_carries_its_units(run, page):
    found, _ = run
    table = page[page.index("Points of the run") :].split("</table>")[0]
    assert table.count("<tr") == 1 + len(found.points)
    assert all(
        unit in table for unit in ("accuracy, %", "points [90 %]", "parameters over plain, %", "MACs over plain, %")
    )
    for point in found.points[1:]:
        assert f"{point.gain:+.2f}\u00a0[{point.gain_low:+.2f},\u00a0{point.gain_high:+.2f}]" in table


def test_the_picture_is_a_png(run):
    assert report.front_png(run[0]).startswith(b"\x89PNG")


def crowded(found, n):
    """A front of n members, so close together that their names must find places."""
    point = replace(found.points[1], on_front=True, gain_low=0.0, gain_high=1.0, fresh_gain=1.0)
    costs = [i / n + 5 * (i == n - 1) for i in range(1, n)]
    points = [replace(point, id=f"a{i}", gain=i / n, params_overhead=cost) for i, cost in enumerate(costs, 1)]
    return replace(found, points=(replace(found.plain, on_front=True), *points), recommended=f"a{n // 2}", likely=None)


@pytest.mark.parametrize("n", [1, 2, 12, 40])
def test_names_in_the_picture_overlap_neither_each_other_nor_its_edge(run, n):
    figure = report.figure(crowded(run[0], n))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert boxes
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)


def test_every_verdict_has_a_look_of_its_own_in_grey():
    looks = {(marker, filling == "white") for marker, _, filling in report._LOOK.values()}
    assert len(looks) == len(report._LOOK)


@pytest.mark.parametrize("verdict", report._LOOK)
def test_every_verdict_is_drawn(run, verdict):
    points = (run[0].plain, *(replace(p, verdict=verdict) for p in run[0].points[1:]))
    _, names = report.figure(replace(run[0], points=points)).axes[0].get_legend_handles_labels()
    assert {verdict, "plain", "recommended"} <= set(names)


def test_files_are_written_whole(run, tmp_path):
    found, ledger = run
    report.write(found, ledger.trainings, ledger.entries, FACTS, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "front.png", "front.csv", "front.json"}
    assert (tmp_path / "front.csv").read_text() == found.to_csv()
    assert not list(tmp_path.glob("*.tmp"))


def test_no_cell_of_the_table_file_is_a_formula(run):
    found = replace(run[0], points=tuple(replace(p, words=f"=cmd({p.id})") for p in run[0].points))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["words"] for row in rows] == [f"'=cmd({p.id})" for p in found.points]


def test_markdown_is_a_table(run):
    text = report.markdown(run[0])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert run[0].verdict in text
