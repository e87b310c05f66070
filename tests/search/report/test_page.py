import base64
import csv
import hashlib
import io
import random
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from search.report import picture
from search.report.chart import MOST_POINTS, front_chart, front_charts
from search.report.class_changes import compared
from search.report.explaining_sections import gradients_section
from search.report.footnotes import with_code
from search.report.heat_map import heat_map
from search.report.markdown import markdown
from search.report.page import html
from search.report.scale import Scale, padded
from search.report.tables import points_table
from search.report.unbroken import NO_BREAK
from search.report.verdict_styles import VERDICT_STYLES
from search.report.write import write_report
from search.results import history
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.running.changed_images import MOST_CLASSES
from search.state.changes_fact import ChangedImage, ChangesFact, Confusions
from search.state.facts import DataFact, Facts
from search.state.labels_fact import LabelsFact
from search.state.ledger import Ledger
from senet_nas.data.thumbnails import thumbnail
from senet_nas.network.build import sites
from senet_nas.recipe import Seed
from spaces import Architecture, Site, Space, SpaceSpec, durable
from spaces.placements import label
from tests.search import ledgers

NASTY = '<script>alert("x")</script> & =cmd()'
FACTS = Facts(config=f"name: {NASTY}", versions={"torch": "2"}, data=DataFact(train=10), seconds=3.0)


@pytest.fixture(scope="module")
def run():
    """A run of four architectures, one of them with a name that would be dangerous if it were not escaped."""
    ledger = Ledger(":memory:")
    names = ["plain", "stages 2-3: avg r=8 pre_addition", NASTY, "all stages: max r=4 post_addition"]
    for entry in ledgers.enter(ledger, range(len(names)), names=names, macs_overhead=0.1):
        accuracies = [95 + entry.number / 2 + replicate / 20 for replicate in range(4)]
        ledgers.train(ledger, entry, accuracies, grad_norm=0.3, train_seconds=2.0)
    ledgers.play(ledger, [(ledger.entries[1], Seed(9))], [ledgers.failed("diverged", "epoch 2")])
    found = compute("run", ledger, Rules(DEFAULT))
    return found, ledger


def entries_of(front, ledger):
    """An entry for each point of a front that has more points than the ledger has entries."""
    return [replace(ledger.entries[min(n, 1)], number=n) for n in range(front.points[-1].number + 1)]


class Page(HTMLParser):
    VOID = frozenset({"meta", "img", "br", "link", "input"})

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
        self.words.append(data.replace(NO_BREAK, " "))


@pytest.fixture(scope="module")
def page(run):
    found, ledger = run
    return html(found, ledger.trainings, ledger.entries, FACTS)


def test_the_page_is_well_formed_and_needs_no_network(page):
    parsed = Page(page)
    assert parsed.open == []
    assert all(address.startswith(("data:", "#")) for address in parsed.addresses)
    assert not re.search(r"https?://", page)
    assert len(page) < 300_000


def test_the_page_of_ten_thousand_trainings_opens_at_once_and_says_what_it_leaves_out(run):
    """Its front, its first and its last trainings are there."""
    found, ledger = run
    words = "all stages: avgmax r=16 post_addition, stage 2: std r=8 pre_addition"
    seeds = {f"0.{r}": 95.0 + r / 10 for r in range(4)}
    many = [replace(found.points[1], number=n, label=words, seeds=seeds, on_front=False) for n in range(4, 5000)]
    trainings = [replace(ledger.trainings[n % 16], number=n) for n in range(10_000)]
    large = replace(found, points=(*found.points, *many))
    page = html(large, trainings, entries_of(large, ledger), FACTS)
    assert len(page.encode()) < 2e6
    parsed = Page(page)
    drawn = {attrs["data-id"] for _, attrs in parsed.tags if "data-id" in attrs}
    assert {p.id for p in found.points if p.on_front or p.is_plain} <= drawn
    assert MOST_POINTS <= len(drawn) <= MOST_POINTS + 50
    assert "600 of 5,000 architectures" in page
    assert "the first and the last 500 of 10,000" in page
    assert {">t0<", ">t499<", ">t9500<", ">t9999<"} <= set(re.findall(r">t\d+<", page))


def test_nothing_on_the_page_can_run_but_our_own_script(page):
    parsed = Page(page)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 1
    assert not any(name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    (policy,) = (attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "alert" not in script
    assert "alert" in "".join(parsed.words)


def test_nothing_is_referred_to_where_nothing_is_said_of_what_could_be_proven(run):
    """Beside a proof of less the footnote was empty."""
    found, ledger = run
    proven = replace(found.points[1], verdict="proven", gain=0.5)
    lucky = replace(found, confirmed=True, provable=0.8, points=(found.points[0], proven, *found.points[2:]))
    assert lucky.power == ""
    notes = re.findall(r'<li id="note-\d+">(.*?)</li>', html(lucky, ledger.trainings, ledger.entries, FACTS))
    assert notes
    assert all(notes)


def test_the_page_says_everything_a_reader_asks(run, page):
    found, ledger = run
    text = " ".join(Page(page).words)
    for asked in (
        found.headline,
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
    table = page[page.index("Architectures of the run") :].split("</table>")[0]
    assert table.count("<tr") == 1 + len(found.points)
    units = ("accuracy, %", f"points [90{NO_BREAK}%]", "parameters over plain, %", "MACs over plain, %")
    assert all(unit in table for unit in units)
    for point in found.points[1:]:
        assert f"{point.gain:+.2f}\u00a0[{point.gain_low:+.2f},\u00a0{point.gain_high:+.2f}]" in table


def test_the_drawing_has_every_point_with_its_interval_and_its_seeds(run, page):
    found, _ = run
    drawing = page.split('<div class="on-wide">')[1].split("</svg>")[0]
    groups = re.findall(r'<g class="point.*?</g>', drawing, flags=re.DOTALL)
    assert {re.search(r'data-id="(\w+)"', group)[1] for group in groups} == {p.id for p in found.points}
    for group in groups:
        assert group.count('class="bar"') == 1
        assert group.split('class="seed"')[1].split("/>")[0].count("h0") == 4
        assert 'tabindex="0"' in group
    assert drawing.count('class="ring"') == 1
    assert 'class="band"' in drawing
    assert page.count("The same against") == 1


@pytest.mark.parametrize("span", [(0.0, 0.0), (-1e-6, 2e-6), (-3.0, 40.0), (0.0, 1e7)])
def test_ticks_are_few_and_round_and_inside(span):
    scale = Scale(*padded(span), 0, 100)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    assert all(len(f"{tick:g}") <= 7 for tick in ticks)


def test_the_heat_map_shows_where_the_front_has_se(run):
    found, ledger = run
    architecture = Architecture.parse("net/-/avg:fc4:sigmoid@pre_addition/max:fc2:sigmoid@post_addition")
    entries = [ledger.entries[0], replace(ledger.entries[1], architecture=architecture)]
    member = replace(found.points[1], on_front=True)
    one = replace(found, points=(found.plain, member))
    names = [("1.0", 1), ("2.0", 2), ("3.0", 3)]
    shown = heat_map(one, entries, names)
    ((name, cells),) = shown.rows
    assert name == member.id
    assert [cell.letter for cell in cells] == ["", "A", "P"]
    assert [cell.position for cell in cells] == ["", "pre_addition", "post_addition"]
    assert cells[2].text == "max:fc2:sigmoid@post_addition"
    assert shown.shares == ("0", "100", "100")
    assert heat_map(one, entries, [("1.0", 1)]) is None
    assert heat_map(found, ledger.entries, []) is None
    listed = tuple(Site(name, stage, {}) for name, stage in names)
    text = html(one, [], entries, replace(FACTS, sites=listed))
    assert Page(text).open == []
    assert text.count('<td class="pre_addition"') == text.count('<td class="post_addition"') == 1
    assert text.count(">100</td>") == 2


def test_gradients_are_grouped_by_position(run):
    found, ledger = run
    logged = ((1, "pre_addition", 0.6), (2, "post_addition", 0.1), (3, "pre_addition", 0.4))
    points = [replace(found.points[i], logged={"grad_norm": norm}) for i, _, norm in logged]
    entries = [ledger.entries[0]] + [
        replace(ledger.entries[i], architecture=Architecture.parse(f"net/avg:fc4:sigmoid@{position}"))
        for i, position, _ in logged
    ]
    plain = replace(found.plain, logged={"grad_norm": 0.5})
    section = gradients_section(replace(found, points=(plain, *points)), entries)
    assert [row.cells for row in section.table.rows] == [
        ("post_addition", "1", "0.20", "0.20 to 0.20"),
        ("pre_addition", "2", "1.00", "0.80 to 1.20"),
    ]


EPOCHS, IMAGES, CLASSES = 100, 10_000, 100


def curve(accuracy):
    """A curve as trainings leave it, whose numbers all differ."""
    return [
        {
            "epoch": epoch,
            "lr": 0.1 / epoch + accuracy / 1e6,
            "train_loss": 2 / epoch + accuracy / 1e4,
            "val_accuracy": accuracy - 50 / epoch,
            "grad_norm": 1 / epoch + accuracy / 1e4,
        }
        for epoch in range(1, EPOCHS + 1)
    ]


def changed():
    """24 pictures of noise, which cannot be compressed, and confusions of the most classes that are noted."""
    luck = np.random.default_rng(0)
    noise = torch.from_numpy(luck.integers(0, 256, (24, 3, 224, 224), dtype=np.uint8))
    images = tuple(ChangedImage(i, 0.2, 0.9, thumbnail(x)) for i, x in enumerate(noise))
    before, after = (tuple(map(tuple, luck.random((MOST_CLASSES, MOST_CLASSES)))) for _ in range(2))
    return ChangesFact("a1", 24, 0, images, Confusions(tuple(range(MOST_CLASSES)), before, after, (4, 4)))


def scripted(n):
    """A ledger of n trainings of networks like ResNet-50, as a search leaves it: every fiftieth training failed.

    Each has a curve of EPOCHS epochs, and the run knows the labels of its images, their confusions and 24 of them.
    """
    listed = sites("resnet50")
    space = Space("resnet50", listed, SpaceSpec(granularity="block", reduction=(4, 16), position=("pre_addition",)))
    rng = random.Random(0)
    networks = [Architecture.plain("resnet50", len(listed)), *(space.sample(rng) for _ in range(n // 2))]
    ledger = Ledger(":memory:")
    labels = LabelsFact.of([i % CLASSES for i in range(IMAGES)])
    data = DataFact(train=50_000, validation=IMAGES, classes=tuple(f"species {i}" for i in range(CLASSES)))
    ledger.note(Facts(sites=tuple(listed), labels=labels, data=data, changes=changed()))
    ledgers.enter(
        ledger,
        [sum(se is not None for se in network.blocks) for network in networks],
        keys=[network.key for network in networks],
        names=[label(network, listed) for network in networks],
    )
    rows = [(ledger.entries[0 if i % 8 == 0 else i % len(ledger.entries)], Seed(i % 3, i)) for i in range(n)]
    metrics = dict.fromkeys(("grad_norm", "gate_mean", "gate_saturation", "val_log_loss", "train_loss"), 0.25)
    accuracies = [90 + entry.number % 7 / 10 + rng.gauss(0, 0.3) for entry, _ in rows]
    outcomes = [
        replace(
            ledgers.ended(accuracy, curve(accuracy), **metrics, train_seconds=60.0),
            correct=rng.randbytes(IMAGES // 8),
        )
        for accuracy in accuracies
    ]
    outcomes[49::50] = [ledgers.failed() for _ in outcomes[49::50]]
    ledgers.play(ledger, rows, outcomes)
    return ledger


def test_five_hundred_trainings_make_a_page_of_less_than_two_megabytes():
    ledger = scripted(500)
    found = compute("large", ledger, Rules(DEFAULT))
    steps = tuple(history.steps(ledger, Rules(DEFAULT)))
    facts = ledger.facts.updated(replace(FACTS, history=steps, data=ledger.facts.data))
    page = html(found, ledger.trainings, ledger.entries, facts)
    assert page.count('class="curve-band') > 4
    assert len(page.encode()) < 2_000_000
    text = " ".join(Page(page).words)
    for head in (
        "Where SE sits on the front",
        "Would more trainings help?",
        "What pays",
        "Is the gain real?",
        "10 diverged",
        "gradient norm at the first convolution",
        "Which classes change",
        "What is confused",
        "Images that change",
    ):
        assert head in text
    assert page.count("<tr") > 700  # every architecture and every training has its row


def test_the_picture_is_a_png(run):
    assert picture.front_png(run[0]).startswith(b"\x89PNG")


def crowded(found, n):
    """A front of n members, so close together that their names must find places."""
    point = replace(found.points[1], on_front=True, gain_low=0.0, gain_high=1.0, fresh_gain=1.0)
    costs = [i / n + 5 * (i == n - 1) for i in range(1, n)]
    points = [
        replace(point, number=i, gain=i / n, costs={**point.costs, "params_overhead": cost})
        for i, cost in enumerate(costs, 1)
    ]
    return replace(found, points=(replace(found.plain, on_front=True), *points), recommended=f"a{n // 2}", likely=None)


def test_names_stand_at_the_same_place_in_the_picture_and_on_the_page(run):
    front = crowded(run[0], 12)
    chart = front_charts(front)[0]
    figure = picture.figure(front)
    assert [text.get_text() for text in figure.axes[0].texts] == [name.text for name in chart.names]
    page = html(front, run[1].trainings, entries_of(front, run[1]), FACTS)
    for name in chart.names:
        assert f'x="{round(name.x + name.dx, 1)}" y="{round(name.y + name.dy, 1)}">{name.text}</text>' in page


def test_the_frame_of_the_picture_is_that_of_the_page(run):
    chart = front_charts(run[0])[0]
    figure = picture.figure(run[0])
    for point in chart.points:
        x, y = figure.axes[0].transData.transform((chart.shown_cost(point), point.gain))
        height = figure.bbox.height - picture.TITLE
        assert (x, height - y) == pytest.approx(chart.pixels(point)[:2], abs=0.1)


def test_the_axis_has_room_for_what_is_drawn_and_none_for_intervals_that_are_hidden(run):
    found = run[0]
    hidden = replace(found.points[3], gain=0.2, gain_low=-9.0, gain_high=9.0, on_front=False, role="search")
    shown = [replace(p, on_front=True, gain_low=p.gain - 0.1, gain_high=p.gain + 0.1) for p in found.points[:3]]
    chart = front_chart(replace(found, points=(*shown, hidden), sigma=0.3), "params_overhead")
    ends = [end for p in shown for end in (p.gain_low, p.gain_high)]
    assert chart.y.scale.low == pytest.approx(min(ends), abs=0.1 * (max(ends) - min(ends)))
    assert chart.y.scale.high == pytest.approx(max(ends), abs=0.1 * (max(ends) - min(ends)))
    (pale,) = (point for point in chart.points if point.is_pale)
    _, _, low, high, _ = chart.pixels(pale)
    assert (high, low) == (chart.frame.top, chart.frame.inner_bottom)  # cut at the edges


def test_a_training_far_from_all_others_does_not_stretch_the_axis_and_is_counted(run):
    found = run[0]
    again = replace(found.points[1], role="finalist")
    near, outlying = (
        front_chart(
            replace(found, points=(found.plain, replace(again, seeds=seeds), *found.points[2:])), "params_overhead"
        )
        for seeds in (again.seeds, {**again.seeds, "0.9": again.value - 40.0})
    )
    assert outlying.y.scale == near.y.scale
    ((before,), (after,)) = ([e.text for e in chart.legend if e.kind == "seed"] for chart in (near, outlying))
    assert after == f"{before} (1 beyond the drawing)"


def test_where_nothing_is_on_the_front_but_plain_the_best_placement_has_an_interval(run):
    """So that a picture of a search that found nothing shows how much there may be."""
    found = run[0]
    gains = {1: -0.3, 2: -0.1, 3: -0.2}
    worse = [replace(found.points[i], gain=gain, on_front=False, role="search") for i, gain in gains.items()]
    front = replace(found, points=(replace(found.plain, on_front=True), *worse), recommended="a0", likely=None)
    chart = front_chart(front, "params_overhead")
    (best,) = (p for p in chart.points if p.verdict != "plain" and not p.is_pale)
    assert best.gain == -0.1
    assert not any(entry.kind == "seed" for entry in chart.legend)
    with_member = replace(front, points=(front.points[0], replace(worse[0], on_front=True, gain=0.3), *worse[1:]))
    shown = front_chart(with_member, "params_overhead").points
    assert [p.gain for p in shown if p.verdict != "plain" and not p.is_pale] == [0.3]


def test_plain_is_compared_with_what_was_trained_again_before_what_is_estimated_better(run):
    found = run[0]
    roles = {1: ("finalist", -0.3), 2: ("search", -0.1)}
    points = [replace(found.points[i], role=role, gain=gain) for i, (role, gain) in roles.items()]
    front = replace(found, points=(found.plain, *points), recommended="a0", likely=None)
    assert compared(front) == points[0]


def test_the_staircase_rises_at_the_members_that_gain_more(run):
    found = run[0]
    gains = {1: 0.3, 2: 0.2, 3: 0.5}
    points = tuple(replace(found.points[i], gain=gain, on_front=True) for i, gain in gains.items())
    front = replace(found, points=(replace(found.plain, on_front=True), *points))
    assert front_chart(front, "params_overhead").staircase == ((0.0, 0.0), (1.0, 0.3), (3.0, 0.5))


@pytest.mark.parametrize("n", [1, 2, 12, 40])
def test_names_in_the_picture_overlap_neither_each_other_nor_its_edge(run, n):
    figure = picture.figure(crowded(run[0], n))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert boxes
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)


def test_every_verdict_has_a_look_of_its_own_in_grey():
    looks = {(style.marker, style.filling == "white") for style in VERDICT_STYLES.values()}
    assert len(looks) == len(VERDICT_STYLES)


@pytest.mark.parametrize("verdict", VERDICT_STYLES)
def test_every_verdict_is_drawn(run, verdict):
    points = (run[0].plain, *(replace(p, verdict=verdict) for p in run[0].points[1:]))
    made = picture.figure(replace(run[0], points=points))
    names = [text.get_text() for text in made.legends[0].get_texts()]
    assert {verdict, "plain", "recommended"} <= set(names)
    drawn = {(line.get_marker(), line.get_markerfacecolor()) for line in made.axes[0].lines}
    style = VERDICT_STYLES[verdict]
    assert (style.marker, style.filling) in drawn


def test_files_are_written_whole(run, tmp_path):
    found, ledger = run
    write_report(found, ledger.trainings, ledger.entries, FACTS, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "front.png", "front.csv", "front.json", durable.SUMS}
    assert (tmp_path / "front.csv").read_text() == found.to_csv()
    assert not list(tmp_path.glob("*.tmp"))


def test_no_cell_of_the_table_file_is_a_formula(run):
    found = replace(run[0], points=tuple(replace(p, label=f"=cmd({p.id})") for p in run[0].points))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["words"] for row in rows] == [f"'=cmd({p.id})" for p in found.points]


def test_markdown_is_a_table(run):
    text = markdown(run[0])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert run[0].verdict in text


def test_markdown_and_the_page_have_the_same_rows(run):
    found, _ = run
    lines = markdown(found).splitlines()
    for row in points_table(found).rows:
        (line,) = (line for line in lines if line.startswith(f"| {row.cells[0]} |"))
        assert line == "| " + " | ".join(cell.replace("|", "/") for cell in row.cells[:-1]) + " |"


def test_commands_in_footnotes_are_code_and_everything_else_is_escaped():
    assert with_code("`check --pilot` of <a>") == "<code>check --pilot</code> of &lt;a&gt;"
