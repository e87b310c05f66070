import re
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


def test_the_picture_is_a_png(run):
    assert report.front_png(run[0]).startswith(b"\x89PNG")


def test_files_are_written_whole(run, tmp_path):
    found, ledger = run
    report.write(found, ledger.trainings, ledger.entries, FACTS, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "front.png", "front.csv", "front.json"}
    assert (tmp_path / "front.csv").read_text() == found.to_csv()


def test_markdown_is_a_table(run):
    text = report.markdown(run[0])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert run[0].verdict in text
