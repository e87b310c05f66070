"""What a terminal shows while a search runs, and what a log gets instead."""

import io

import pytest
from rich.console import Console

from search.config import Experiment
from search.report import terminal
from search.report.result_lines import result_table
from search.report.terminal import Terminal
from search.results.compute import compute
from search.results.objectives import DEFAULT, Objective
from search.results.result import Rules
from search.setup.experiment_setup import prepare
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Pause
from search.state.shared_facts import SharedNetworkFact
from search.state.so_far import SoFar
from senet_nas.recipe import Seed
from tests.search import ledgers

EXPERIMENT = {"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "budget": {"trainings": 20}}


@pytest.fixture(scope="module")
def prepared():
    return prepare(Experiment.from_dict(EXPERIMENT))


def shown(prepared, monkeypatch, *, is_terminal):
    """Everything that is written while one training ends, another fails and a third runs."""
    out = io.StringIO()
    made = Console(file=out, force_terminal=is_terminal, width=120, no_color=True)
    monkeypatch.setattr("search.report.terminal.console", lambda **_: made)
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    terminal = Terminal()
    terminal.plan(prepared, SoFar())
    first, second, third = ledger.plan([(entry, Seed(0, r)) for r in range(3)], role="search", origin="sampler")
    terminal.changed(ledger.start(first.uid), entry)
    terminal.changed(ledger.start(second.uid), entry)
    terminal.changed(ledger.finish(first.uid, metrics={"val_accuracy": 97.25}, curve=[], correct=None), entry)
    terminal.changed(ledger.fail(second.uid, reason="diverged", detail=""), entry)
    terminal.changed(ledger.start(third.uid), entry)
    terminal.found(compute("run", ledger, Rules(DEFAULT)))
    terminal.end()
    return out.getvalue()


def test_a_terminal_shows_slots_the_time_left_and_the_front(prepared, monkeypatch):
    text = shown(prepared, monkeypatch, is_terminal=True)
    assert f"1 of {prepared.slots.count} slots" in text
    assert "s left" in text
    assert "last t1 a0, 1 failed" in text
    assert "front: plain; none likely better than plain yet" in text
    assert "FAILED: diverged" in text
    assert "97.25 %  " not in text  # what finishes moves the bar, and takes no line


def test_a_log_gets_a_line_for_each_training_that_ended_and_nothing_that_moves(prepared, monkeypatch):
    text = shown(prepared, monkeypatch, is_terminal=False)
    lines = [line for line in text.splitlines() if "/20  t" in line]
    assert [line.split()[:3] for line in lines] == [["1/20", "t0", "a0"], ["1/20", "t1", "a0"]]
    assert "97.25 %" in lines[0]
    assert lines[0].endswith("s left")
    assert "\x1b" not in text
    assert "hint:" in text


def timed(monkeypatch):
    """What a log will hold, and a list with the time that its clock shows."""
    out, now = io.StringIO(), [100.0]
    monkeypatch.setattr("search.report.terminal.console", lambda **_: Console(file=out, width=140, no_color=True))
    monkeypatch.setattr("search.report.terminal.time.monotonic", lambda: now[0])
    return out, now


def test_a_training_that_paused_says_after_which_epoch_and_counts_for_the_time_left(prepared, monkeypatch):
    out, now = timed(monkeypatch)
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    terminal = Terminal()
    terminal.plan(prepared, SoFar())
    (short,) = ledger.plan([(entry, Seed(0))], role="search", origin="sampler", pause=Pause(2, 0.5))
    now[0] += 60.0  # workers start, which says nothing about trainings
    terminal.changed(ledger.start(short.uid), entry)
    now[0] += 10.0
    curve = [{"epoch": 1, "seconds": 4.5}, {"epoch": 2, "seconds": 5.0}]
    terminal.changed(ledger.pause(short.uid, curve=curve), entry)
    (line,) = lines_of(out)
    assert line == "0.5/20 t0 a0 plain paused after epoch 2, 50 % of a training, 9.5 s, 6m30s left"


def test_in_a_log_a_training_keeps_its_line_however_long(prepared, monkeypatch):
    """A line of a paused training was broken before the unit of its seconds."""
    out = io.StringIO()
    monkeypatch.setattr("search.report.terminal.console", lambda **_: Console(file=out, width=60, no_color=True))
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    terminal = Terminal()
    terminal.plan(prepared, SoFar())
    (short,) = ledger.plan([(entry, Seed(0))], role="search", origin="sampler", pause=Pause(2, 0.5))
    terminal.changed(ledger.start(short.uid), entry)
    terminal.changed(ledger.pause(short.uid, curve=[{"epoch": 2, "seconds": 9.5}]), entry)
    (line,) = lines_of(out)
    assert "paused after epoch 2, 50 % of a training, 9.5 s" in line


def lines_of(out):
    """The lines of a log that count, without the spaces that align them."""
    return [" ".join(line.split()) for line in out.getvalue().splitlines() if "/20  t" in line]


def test_what_earlier_sessions_paid_is_not_still_to_do_and_a_continued_training_is_no_whole_one(prepared, monkeypatch):
    """Eight halves were paid before; the ninth is the second half of one of them."""
    out, now = timed(monkeypatch)
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    halves = ledger.plan([(entry, Seed(0, r)) for r in range(8)], role="search", origin="sampler", pause=Pause(1, 0.5))
    for half in halves:
        ledger.start(half.uid)
        ledger.pause(half.uid, curve=[{"epoch": 1}])
    terminal = Terminal()
    terminal.plan(prepared, SoFar.of(ledger, epochs=2))
    ledger.resume(halves[0].uid)
    terminal.changed(ledger.start(halves[0].uid), entry)
    now[0] += 10.0
    done = ledger.finish(halves[0].uid, metrics={"val_accuracy": 97.0}, curve=[{"epoch": 1}] * 2, correct=None)
    terminal.changed(done, entry)
    (line,) = lines_of(out)
    assert line.startswith("4.5/20 t0 a0")
    assert line.endswith("5m10s left")  # 15.5 trainings of 20 s


def test_what_is_taken_in_when_a_run_goes_on_is_counted_and_not_told_line_by_line(prepared, monkeypatch):
    """Before the plan is known there is no total: a line would say 1/0."""
    out = io.StringIO()
    monkeypatch.setattr("search.report.terminal.console", lambda **_: Console(file=out, width=120, no_color=True))
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    first, second = ledger.plan([(entry, Seed(0, r)) for r in range(2)], role="search", origin="sampler")
    terminal = Terminal()
    terminal.changed(ledger.finish(first.uid, metrics={"val_accuracy": 97.25}, curve=[], correct=None), entry)
    assert out.getvalue() == ""
    terminal.plan(prepared, SoFar.of(ledger))
    terminal.changed(ledger.finish(second.uid, metrics={"val_accuracy": 97.5}, curve=[], correct=None), entry)
    assert [line.split()[:2] for line in out.getvalue().splitlines() if "/20" in line] == [["2/20", "t1"]]


@pytest.mark.parametrize("width", [80, 95, 140])
def test_no_width_loses_a_column_that_decides(width, tmp_path):
    """At 80 columns the placement is wrapped; gain, cost and verdict are whole."""
    ledger = Ledger(":memory:")
    long = "blocks 1.0, 2.1, 3.2: avg r=16 pre_addition; blocks 1.1, 2.0: std r=4 post_addition"
    plain, other = ledgers.enter(ledger, [0.0, 12.34], names=["plain", long])
    ledgers.train(ledger, plain, [90.0, 90.4, 90.2], role="baseline", origin="baseline")
    ledgers.train(ledger, other, [91.0, 91.3])
    front = compute("run", ledger, Rules(DEFAULT))
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True)
    console.print(terminal._table(front, width))
    text = out.getvalue()
    point = front["a1"]
    for shown_whole in (
        "+12.34 %",
        point.verdict,
        f"{point.gain:+.2f} [{point.gain_low:+.2f}, {point.gain_high:+.2f}]",
    ):
        assert shown_whole in text
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_what_does_not_fit_is_named_and_no_figure_is_cut(width):
    """Two latencies with long names took the verdict away, and cut an overhead to "~+40."."""
    ledger = Ledger(":memory:")
    names = ("latency_openvino_int8", "latency_onnxruntime_int8_b4_t1")
    plain, other = ledgers.enter(ledger, [0.0, 12.34], **{f"{name}_overhead": 40.26 for name in names})
    ledgers.train(ledger, plain, [90.0, 90.4, 90.2], role="baseline", origin="baseline")
    ledgers.train(ledger, other, [91.0, 91.3])
    front = compute("run", ledger, Rules((*DEFAULT, *map(Objective, names))))
    table = result_table(front, width)
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(terminal._table(front, width))
    text = out.getvalue()
    heads = [head.replace("\n", " ") for head in table.heads]
    latencies = ("openvino int8", "onnxruntime int8 batch 4 threads 1")
    assert all(words in heads or words in table.title for words in latencies)
    assert text.count("+40.26 %") == 2 * len(set(latencies) & set(heads))  # plain has it, too
    assert front["a1"].verdict in text
    assert max(map(len, text.splitlines())) <= width


def test_a_quiet_run_says_cautions_alone_and_on_stderr(capsys):
    """Another comment in the network of a run was not mentioned."""
    quiet = Terminal(quiet=True)
    quiet.say("loading the data")
    quiet.say("caution: net.py is not the file with which this run was begun")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["caution: net.py is not the file with which this run was begun"]


@pytest.mark.parametrize(
    ("state", "total", "says"),
    [
        ("waiting", 14, "one network for 57 placements, 16 epochs, 5.3 trainings of the budget"),
        ("finished", 14, "one network for 57 placements, 16 epochs, 5.3 trainings of the budget, trained already"),
        ("failed", 20, "no network: it failed (diverged) and takes nothing of the budget"),
    ],
)
def test_the_plan_has_the_shared_network_of_the_run_whatever_its_budget_is(prepared, monkeypatch, state, total, says):
    """After an extension it was planned again, larger; one that had failed still took its part."""
    out = io.StringIO()
    monkeypatch.setattr("search.report.terminal.console", lambda **_: Console(file=out, width=140, no_color=True))
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    fact = SharedNetworkFact(16, 57, 5.259, state=state, reason="diverged" if state == "failed" else "")
    ledger.note(Facts(shared_network=fact))
    terminal = Terminal()
    terminal.plan(prepared, SoFar.of(ledger))
    for training in ledgers.train(ledger, entry, [97.0]):
        terminal.changed(training, entry)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert f"shared    {says}" in lines
    assert any(line.startswith(f"1/{total}  t0") for line in lines)
