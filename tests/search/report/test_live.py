"""What is seen of a run while it goes on: its report, its status from here and from elsewhere, its front in a line."""

import json
import os
import re
import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing

import pytest

from search import config
from search.config import Experiment
from search.report import live, status
from search.report.live import Live
from search.report.live_page import serving
from search.report.page import html
from search.report.refresh import refresh, refresh_run
from search.report.result_lines import front_line
from search.report.status import read_status
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.completion_fact import Completion
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from spaces import durable, failpoints
from tests import browser
from tests.search import ledgers

EXPERIMENT = Experiment.from_dict({"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}})


@pytest.fixture
def place(tmp_path):
    """A run that has eight trainings of plain and of another one, and holds its lock."""
    place = RunFolder(tmp_path / "run")
    place.create()
    durable.write(place.config, config.to_yaml(EXPERIMENT))
    with closing(Ledger(place.ledger)) as ledger:
        for entry in ledgers.enter(ledger, [0.0, 3.0], names=["plain", "all stages"]):
            ledgers.train(ledger, entry, [90.0 + entry.number + replicate / 50 for replicate in range(8)])
    with place.lock():
        yield place


def trainings(place):
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        return ledger.trainings, ledger.entries


class Heard:
    """What a Live told and said; ``updated`` is set by the events named in ``waits_for``."""

    def __init__(self, *waits_for):
        self.fronts = []
        self.problems = []
        self.updated = threading.Event()
        self._waits_for = waits_for

    def tell(self, front):
        self.fronts.append(front)
        self._set("tell")

    def say(self, text):
        self.problems.append(text)
        self._set("say")

    def _set(self, event):
        if event in self._waits_for:
            self.updated.set()


def watched(place):
    """What a Live told and said in its first update, after a training had ended."""
    heard = Heard("tell", "say")
    watcher = Live(place, tell=heard.tell, say=heard.say, least=0.01)
    ended, entries = trainings(place)
    watcher.start()
    watcher.changed(ended[-1], entries[-1])
    assert heard.updated.wait(60)
    watcher.close()
    return heard.fronts, heard.problems


def test_while_a_run_goes_on_its_report_says_how_far_it_is(place):
    told, said = watched(place)
    assert said == []
    assert [point.id for point in told[0].points] == ["a0", "a1"]
    page = place.report.read_text()
    assert "Not finished" in page
    assert "run: running, 16 of 64 trainings" in page
    assert durable.damaged(place.path) == []


def test_a_disk_that_is_full_is_told_once_and_ends_nothing(place):
    failpoints.arm("before_status.json:1:full")
    try:
        told, said = watched(place)
    finally:
        failpoints.arm("")
    assert told == []
    (only,) = said
    assert "the report is not current" in only
    assert "the search continues" in only


def test_a_problem_is_said_once_and_the_next_update_makes_up_for_it(place, monkeypatch):
    """Also an unexpected problem. A training that had ended by then is not forgotten."""
    heard = Heard("tell")

    def wrong_once(*of):
        monkeypatch.setattr(live, "refresh", refresh)
        raise IndexError("list index out of range")

    monkeypatch.setattr(live, "refresh", wrong_once)
    watcher = Live(place, tell=heard.tell, say=heard.say, least=0.01)
    ended, entries = trainings(place)
    watcher.changed(ended[-1], entries[-1])
    watcher.start()
    assert heard.updated.wait(60)
    watcher.close()
    assert heard.problems == ["the report is not current: IndexError: list index out of range; the search continues"]


def test_whoever_measures_time_waits_for_an_update_to_end(place, monkeypatch):
    follower = Live(place, tell=print, say=print, least=0.0)
    began, may_end, order = threading.Event(), threading.Event(), []

    def update():
        began.set()
        may_end.wait()
        order.append("update")
        follower.close(wait=False)

    def measure():
        with follower.quiet():
            order.append("measurement")

    monkeypatch.setattr(follower, "update", update)
    follower.start()
    began.wait()
    measuring = threading.Thread(target=measure)
    measuring.start()
    may_end.set()
    measuring.join()
    assert order == ["update", "measurement"]
    follower.close()


def test_before_plain_has_finished_there_is_a_status_and_no_report(tmp_path):
    place = RunFolder(tmp_path / "run")
    place.create()
    durable.write(place.config, config.to_yaml(EXPERIMENT))
    with closing(Ledger(place.ledger)) as ledger:
        (entry,) = ledgers.enter(ledger, [0.0])
        ledgers.play(ledger, [(entry, Seed(0))], [ledgers.failed()], role="baseline", origin="baseline")
        watcher = Live(place, tell=pytest.fail, say=pytest.fail)
        watcher.changed(ledger.trainings[0], entry)
    watcher.update()
    assert durable.unseal(place.status.read_text())["trainings"] == {"failed": 1}
    assert not place.report.exists()


def test_a_report_of_a_finished_run_says_nothing_of_going_on(place):
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(complete=Completion(64)))
    refresh_run("run", place.path.parent)
    assert "Not finished" not in place.report.read_text()


def test_another_machine_reads_what_the_driver_wrote(place, monkeypatch):
    watched(place)
    here = read_status("run", place.path.parent)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    monkeypatch.setattr(status, "Ledger", lambda *_, **__: pytest.fail("SQLite's log is not for other machines"))
    there = read_status("run", place.path.parent)
    assert (there.state, there.trainings, there.verdict) == ("running", here.trainings, here.verdict)
    assert there.host == place.host != "another"
    assert re.search(rf"written by {there.host} \d+s ago", there.lines()[0])


def test_where_another_machine_left_nothing_whole_the_ledger_is_read(place, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert read_status("run", place.path.parent).host == ""
    place.status.write_text("{")
    assert read_status("run", place.path.parent).trainings == {"finished": 16}


def test_the_front_stands_in_a_line(place):
    told, _ = watched(place)
    assert front_line(told[0]) == "front: plain, a1; likely: a1 all stages " + "".join(
        f"{told[0]['a1'].gain:+.2f} [{told[0]['a1'].gain_low:+.2f}, {told[0]['a1'].gain_high:+.2f}]"
    )


def test_the_page_is_served_on_loopback_and_says_how_far_the_run_is_before_there_is_one(place):
    with serving(place, 0) as address:
        assert address.startswith("http://127.0.0.1:")
        waiting = asked(address)
        assert "run: running, 16 of 64 trainings" in waiting
        assert "nothing to compare yet" in waiting
        assert json.loads(asked(f"{address}status.json"))["written"] == 0
        watched(place)
        assert "Not finished" in asked(address)
        found = json.loads(asked(f"{address}status.json"))
        assert found["written"] == int(place.report.stat().st_mtime)
        assert found["line"].startswith("run: running, 16 of 64 trainings")


@pytest.mark.parametrize("path", ["config.yaml", "ledger.sqlite", "../run/status.json", "trainings/"])
def test_nothing_else_of_the_folder_is_served(place, path):
    with serving(place, 0) as address, pytest.raises(urllib.error.HTTPError, match="404"):
        asked(address + path)


def test_a_page_of_another_origin_is_not_answered(place):
    with serving(place, 0) as address, pytest.raises(urllib.error.HTTPError, match="404"):
        asked(urllib.request.Request(address, headers={"Host": "evil.example"}))


def asked(address):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(address, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.skipif(browser.find() is None, reason="needs Chromium (apt-get install chromium)")
def test_an_open_page_loads_itself_again_when_a_training_has_ended(place):
    watched(place)
    os.utime(place.report, (1, 1))  # it was written long ago
    with serving(place, 0) as address, browser.opened() as opened:
        page = opened.page()
        page.open(address)
        assert "99.00" not in page.ask("document.body.innerText")
        before = page.loads
        with closing(Ledger(place.ledger)) as ledger:
            ledgers.train(ledger, ledger.entries[1], [99.0])
        watched(place)
        opened.until(lambda: page.loads > before, "the page to load itself again")
        text = page.ask("document.body.innerText")
        assert "99.00" in text
        assert "17 of 64 trainings" in text
        assert page.errors == []


def test_before_anything_with_se_has_finished_there_is_no_answer(tmp_path):
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    ledgers.train(ledger, plain, [90.0, 91.0])
    front = compute("run", ledger, Rules(DEFAULT))
    assert front.verdict == "Nothing to compare yet: plain has finished 2 trainings, and no placement of SE has."
    assert front.verdict in html(front, ledger.trainings, ledger.entries, Facts(), "running")
