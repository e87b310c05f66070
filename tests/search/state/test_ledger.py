import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from search.state import ledger, ledger_rows
from search.state.confirmation_facts import ConfirmationFact, Sizes
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Pause
from senet_nas.recipe import Seed
from spaces import UserError, failpoints
from spaces.architecture import Architecture

# Ledgers with the same content, as the first and the second version of the schema hold it.
EARLIER = [Path(__file__).parents[1] / "fixtures" / f"ledger-{version}.sqlite" for version in (1, 2)]
ONE = ConfirmationFact(Sizes(1, 3, 3, 1), (1,), budget=24, of=24)
PRICE = {"params": 10.0, "params_overhead": 0.0}
PLAIN = Architecture.parse("net/-")
OTHER = Architecture.parse("net/avg:fc8:sigmoid@pre_addition")
THIRD = Architecture.parse("net/avg:eca3:sigmoid@pre_addition")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def filled(path):
    ledger = Ledger(path)
    plain, other = ledger.enter(PLAIN, "plain", PRICE), ledger.enter(OTHER, "other", PRICE)
    ledger.plan([(plain, Seed(0)), (other, Seed(0))], role="baseline", origin="baseline", facts=Facts(space_size=12))
    return ledger


def test_what_was_written_is_there_when_it_is_opened_again(path):
    ledger = filled(path)
    first, second = ledger.trainings
    ledger.start(first.uid)
    ledger.finish(first.uid, metrics={"val_accuracy": 97.5}, curve=[{"epoch": 1}], correct=b"\x80")
    ledger.start(second.uid)
    ledger.fail(second.uid, reason="diverged", detail="epoch 2")
    ledger.note(Facts(seconds=3.5))
    again = Ledger(path)
    assert again.trainings == ledger.trainings
    assert again.entries == ledger.entries
    assert (again.facts.seconds, again.facts.space_size, again.facts.uid) == (3.5, 12, None)
    assert again.get(first.uid).correct == b"\x80"


def test_numbers_have_no_gaps_and_an_architecture_is_entered_once(path):
    ledger = filled(path)
    assert ledger.enter(OTHER, "other", PRICE).name == "a1"
    ledger.plan([(ledger.entries[1], Seed(1))], role="search", origin="sampler", proposal=[{"params": {}}])
    assert [t.name for t in ledger.trainings] == ["t0", "t1", "t2"]
    assert [e.name for e in ledger.entries] == ["a0", "a1"]


def test_one_architecture_has_a_seed_once_and_a_refused_plan_leaves_nothing(path):
    ledger = filled(path)
    entry = ledger.entries[0]
    with pytest.raises(sqlite3.IntegrityError):
        ledger.plan([(entry, Seed(5)), (entry, Seed(0))], role="search", origin="sampler", facts=Facts(machine="half"))
    assert len(Ledger(path).trainings) == 2
    assert Ledger(path).facts.machine is None


def test_a_reader_sees_what_a_writer_commits_and_cannot_write(path):
    ledger = filled(path)
    reader = Ledger(path, read_only=True)
    assert len(reader.trainings) == 2
    with pytest.raises(UserError, match="cannot use the ledger"):
        reader.note(Facts(seconds=1))
    ledger.note(Facts(seconds=2))
    assert Ledger(path, read_only=True).facts.seconds == 2


def test_a_damaged_file_is_refused_by_name(path):
    filled(path).close()
    path.write_bytes(b"no database" * 100)
    with pytest.raises(UserError) as caught:
        Ledger(path)
    assert caught.value.code == 4
    assert str(path) in caught.value.message


def test_a_file_of_a_newer_version_is_refused(path):
    filled(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer senet-search"):
        Ledger(path)


def test_a_training_that_waits_again_keeps_its_number_and_counts_its_starts(path):
    ledger = filled(path)
    uid = ledger.trainings[0].uid
    ledger.start(uid)
    ledger.wait(uid)
    ledger.start(uid)
    assert (ledger.get(uid).number, ledger.get(uid).attempts, ledger.get(uid).state) == (0, 2, "running")


def test_a_training_pauses_and_continues_and_keeps_its_curve_meanwhile(path):
    ledger = filled(path)
    curve = [{"epoch": 1, "train_loss": 2.0}]
    (training,) = ledger.plan([(ledger.entries[1], Seed(3))], role="search", origin="sampler", pause=Pause(1, 0.25))
    assert (training.until, training.metrics) == (1, {"share": 0.25})
    ledger.start(training.uid)
    paused = ledger.pause(training.uid, curve=curve)
    assert (paused.state, paused.epoch, paused.reason, paused.ended) == ("paused", 1, "after epoch 1", None)
    assert (list(paused.curve), paused.metrics, ledger.counts.is_open) == (curve, {"share": 0.25}, True)
    later = ledger.resume(training.uid, pause=Pause(2, 0.5))
    assert (later.state, later.until, later.metrics, list(later.curve)) == ("waiting", 2, {"share": 0.5}, curve)
    assert (ledger.start(training.uid).epoch, ledger.wait(training.uid).epoch) == (1, 1)
    ledger.start(training.uid)
    ledger.pause(training.uid, curve=[*curve, {"epoch": 2}])
    whole = ledger.resume(training.uid)
    assert (whole.until, whole.metrics, whole.reason) == (None, {}, "")
    assert Ledger(path, read_only=True).get(whole.uid) == ledger.get(whole.uid)


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("earlier", EARLIER, ids=["1", "2"])
def test_a_ledger_of_an_earlier_version_is_read_and_one_who_writes_brings_it_up_to_date(path, earlier, read_only):
    shutil.copy(earlier, path)
    ledger = Ledger(path, read_only=read_only)
    assert [t.state for t in ledger.trainings] == ["finished", "finished", "failed", "running"]
    assert [t.metrics.get("val_accuracy") for t in ledger.trainings] == [90.5, 91.5, None, None]
    assert (ledger.trainings[0].correct, ledger.trainings[0].weights) == (b"\xa0\x01", "")
    assert ledger.trainings[3].proposal == [{"params": {"x": 1}}]
    assert [entry.label for entry in ledger.entries] == ["plain", "stage 3: avg r=8 pre_addition"]
    assert (ledger.facts.seconds, ledger.facts.config) == (12.5, "name: old\n")
    with closing(sqlite3.connect(path)) as db:  # a fact that this version does not know stays
        assert db.execute("SELECT value FROM meta WHERE key = 'frozen'").fetchone() == ("[1, 2]",)
    ledger.close()
    assert (path.read_bytes() == earlier.read_bytes()) == read_only
    again = Ledger(path)
    assert again.trainings == ledger.trainings
    (new,) = again.plan([(again.entries[0], Seed(9))], role="search", origin="sampler", pause=Pause(2, 0.25))
    again.start(new.uid)
    again.pause(new.uid, curve=[{"epoch": 1}, {"epoch": 2}])
    assert Ledger(path, read_only=True).counts.paused[new.number].until == 2
    again.finish(again.trainings[3].uid, metrics={"val_accuracy": 92.0}, curve=[], correct=None, weights="abc")
    assert Ledger(path, read_only=True).trainings[3].weights == "abc"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trainings SET metrics = '{\"val_accuracy\": 99.5}' WHERE number = 1",
        "UPDATE trainings SET sha256 = NULL",
        "CREATE TABLE more (x)",
        "ALTER TABLE trainings ADD COLUMN until INTEGER",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_damage_in_a_ledger_of_the_second_version_is_noticed_before_it_is_brought_up_to_date(path, change, read_only):
    shutil.copy(EARLIER[1], path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(change)
        db.commit()
    with pytest.raises(UserError, match="damaged"):
        Ledger(path, read_only=read_only)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trainings SET metrics = '{\"val_accuracy\": 99.5}' WHERE number = 1",
        "UPDATE trainings SET correct = x'ff' WHERE number = 0",
        "UPDATE trainings SET replicate = 3 WHERE number = 1",
        "UPDATE architectures SET words = 'plainer' WHERE number = 0",
        "UPDATE meta SET value = '9' WHERE key = 'space_size'",
        "UPDATE trainings SET sha256 = NULL",
        "DELETE FROM trainings WHERE number = 0",
        "CREATE TABLE more (x)",
    ],
)
def test_a_changed_row_is_noticed(path, change):
    filled(path).close()
    with sqlite3.connect(path) as db:
        db.execute(change)
    with pytest.raises(UserError, match="damaged") as caught:
        Ledger(path)
    assert (caught.value.code, str(path) in caught.value.message) == (4, True)


def test_a_full_disk_is_told_by_name_and_nothing_is_half_written(path):
    ledger = filled(path)
    ledger._db.execute("PRAGMA max_page_count = 1")  # no page more than there are
    with pytest.raises(UserError, match="full") as caught:
        ledger.note(Facts(machine="x" * 100_000))
    assert (caught.value.code, "make room" in caught.value.hint) == (4, True)
    assert ledger.facts.machine is None
    assert len(Ledger(path, read_only=True).trainings) == 2


def test_a_reader_sees_one_moment_though_somebody_writes_between_two_of_its_lines(path, monkeypatch):
    writer, read = filled(path), ledger_rows.entry

    def write_meanwhile(row):
        if len(writer.entries) == 2:
            writer.plan([(writer.enter(THIRD, "new", PRICE), Seed(0))], role="search", origin="sampler")
        return read(row)

    monkeypatch.setattr(ledger_rows, "entry", write_meanwhile)
    seen = Ledger(path, read_only=True)
    assert len(writer.entries) == 3
    assert all(t.architecture < len(seen.entries) for t in seen.trainings)


def test_a_reader_knows_no_fact_of_later_than_its_rows(path):
    writer = filled(path)
    seen = Ledger(path, read_only=True)
    writer.plan(
        [(writer.entries[0], Seed(7))], role="confirm", origin="confirmation 1", facts=Facts(confirmations=(ONE,))
    )
    assert (len(seen.trainings), seen.facts.confirmations) == (2, None)
    seen.close()
    assert Ledger(path, read_only=True).facts.confirmations == (ONE,)


def test_every_running_training_tells_how_far_it_is(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(ledger.time, "monotonic", lambda: now[0])
    mine = filled(path)
    for epoch in (1, 2, 3):
        for training in mine.trainings:
            mine.progress(training.uid, epoch)
        now[0] += 0.6
    assert [t.epoch for t in mine.trainings] == [3, 3]


@pytest.mark.parametrize(("place", "is_kept"), [("before", False), ("within", False), ("after", True)])
def test_a_write_may_be_stopped_before_within_and_after_its_transaction(path, place, is_kept):
    """The kill tests end the process there."""
    ledger = filled(path)
    failpoints.arm(f"{place}_plan:1:full")
    try:
        with pytest.raises(OSError, match="No space left"):
            ledger.plan([(ledger.entries[0], Seed(7))], role="search", origin="sampler")
    finally:
        failpoints.arm("")
    ledger.close()
    assert len(Ledger(path, read_only=True).trainings) == 2 + is_kept


def test_a_training_of_an_architecture_that_was_never_entered_is_refused(path):
    ledger = filled(path)
    unknown = replace(ledger.entries[0], number=99)
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        ledger.plan([(unknown, Seed(0))], role="search", origin="sampler")
    assert len(ledger.trainings) == 2


def test_threads_of_a_driver_share_the_ledger(path):
    ledger = filled(path)
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(ledger.start, ledger.trainings[0].uid).result()
    assert ledger.trainings[0] == training
    assert training.state == "running"
