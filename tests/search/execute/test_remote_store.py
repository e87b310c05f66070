"""Checkpoints, weights and results of trainings in a remote store, and a training that continues elsewhere."""

import hashlib
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.config import ConfigError, Experiment
from search.execute import remote_store, worker
from search.execute.remote_store import RemoteCopy, RemoteStore
from search.setup.experiment_setup import prepare
from search.state import result_files
from search.state.records import Assignment, Outcome
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import checkpoint, evaluate
from senet_nas.training.evaluate import Report
from spaces import UserError
from tests.search.servers import free_port

CONFIG = {"data": "digits", "model": {"backbone": "cifar_resnet8"}}
PLAIN = "cifar_resnet8/-/-/-"
TASK = Task(DataSpec("digits", train=200), Recipe(epochs=4, batch_size=50))


def moto():
    """The program of moto's server, an S3 of its own; nothing of ours needs it."""
    program = Path(sys.executable).with_name("moto_server")
    return program if program.exists() else None


@pytest.fixture
def s3():
    """An S3 API on loopback with a bucket, as a URI."""
    if moto() is None:
        pytest.skip("needs moto (pip install 'moto[s3]')")
    port = free_port()
    server = subprocess.Popen(
        [moto(), "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "moto did not come up"
                threading.Event().wait(0.1)  # between two looks; nothing else tells that it is up
        made = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        urllib.request.urlopen(made, timeout=5).close()
        yield f"s3://bucket/some/where?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
        server.kill()
        server.wait()


@pytest.fixture(params=["file", "s3"])
def uri(request, tmp_path):
    return f"file://{tmp_path}/store" if request.param == "file" else request.getfixturevalue("s3")


def assignment(**more):
    given = {"uid": "u1", "number": 0, "architecture": PLAIN, "seed": Seed(0), "params": 0.0, "keep_weights": True}
    return Assignment(**{**given, **more})


def params_of_plain():
    *_, last = evaluate.evaluate(PLAIN, Seed(0), TASK)
    return last.metrics["params"]


@pytest.fixture
def every_epoch(monkeypatch):
    """Each epoch leaves a checkpoint, and each is copied."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(remote_store, "SHARE", 1.0)


def test_a_training_whose_node_goes_goes_on_elsewhere_and_ends_with_the_same_weights(tmp_path, uri, every_epoch):
    given, store, seen = assignment(params=params_of_plain()), RemoteStore(uri, "run"), []

    def on(node, stop=99):
        def measured(architecture, seed, **where):
            for report in evaluate.evaluate(architecture, seed, TASK, **where):
                seen.append((node, report.epoch))
                yield report

        remote = RemoteCopy(store, "u1", tmp_path / node / "u1")
        (tmp_path / node).mkdir(exist_ok=True)
        for item in worker.work(given, measured, tmp_path / node, remote=remote):
            if isinstance(item, Outcome):
                assert remote.end(*result_files.KEPT)
                return item
            if item.epoch == stop:
                return None
        raise AssertionError

    whole = on("alone")
    store.drop("u1")
    seen.clear()
    assert on("first", stop=3) is None  # the third epoch's checkpoint was never reported as copied, but it is
    outcome = on("second")
    assert seen == [("first", 1), ("first", 2), ("first", 3), ("second", 4)]
    assert [epoch["epoch"] for epoch in outcome.curve] == [1, 2, 3, 4]
    assert outcome.weights == whole.weights
    (tmp_path / "driver").mkdir()
    store.fetch("u1", result_files.KEPT, tmp_path / "driver" / "u1")
    assert result_files.adopt(tmp_path / "driver", "u1") == outcome
    assert (tmp_path / "driver" / "u1" / result_files.WEIGHTS).exists()
    assert store.read(f"u1/{checkpoint.RECORD}") is None  # it is over, so nothing goes on from there
    store.drop("u1")
    assert store.read(f"u1/{result_files.RESULT}") is None


def test_a_training_that_pauses_continues_on_another_node(tmp_path, uri):
    """Nothing but the pause is copied: no checkpoint is due, and the last copy was a moment ago."""
    store, seen = RemoteStore(uri, "run"), []

    def measured(architecture, seed, **where):
        for report in evaluate.evaluate(architecture, seed, TASK, **where):
            seen.append(report.epoch)
            yield report

    def on(node, **more):
        given = assignment(params=params_of_plain(), **more)
        (tmp_path / node).mkdir(exist_ok=True)
        remote = RemoteCopy(store, "u1", tmp_path / node / "u1")
        remote._not_before = remote._clock() + 3600
        *_, outcome = worker.work(given, measured, tmp_path / node, remote=remote)
        assert remote.end(*result_files.KEPT, keeps_checkpoint=bool(outcome.paused))
        return outcome

    whole = on("alone")
    store.drop("u1")
    seen.clear()
    paused = on("first", until=1, keep_weights=False)
    assert result_files.decode("u1", store.read(f"u1/{result_files.RESULT}")) == paused
    outcome = on("second")
    assert seen == [1, 2, 3, 4]
    assert outcome.weights == whole.weights
    assert store.read(f"u1/{checkpoint.RECORD}") is None
    assert [epoch["epoch"] for epoch in outcome.curve] == [1, 2, 3, 4]


def left(folder, epoch, store, *, remote=None):
    """A checkpoint after so many epochs in a folder, copied to the store."""
    run = evaluate.Training(
        evaluate._network(PLAIN, evaluate.prepare(TASK), 0), evaluate.prepare(TASK), TASK.recipe, seed=Seed(0)
    )
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.save(folder, {**run.state(), "epoch": epoch}, [{"epoch": epoch}], owner={})
    (remote or RemoteCopy(store, "u1", folder)).keep()


def test_the_checkpoint_that_is_further_counts(tmp_path, every_epoch):
    store = RemoteStore(f"file://{tmp_path}/store", "run")
    left(tmp_path / "a", 3, store)
    left(tmp_path / "b", 2, RemoteStore(f"file://{tmp_path}/other", "run"))
    RemoteCopy(store, "u1", tmp_path / "b").bring()
    assert checkpoint.epochs(tmp_path / "b") == 3
    assert checkpoint.load(tmp_path / "b", owner={}) is not None
    left(tmp_path / "c", 4, RemoteStore(f"file://{tmp_path}/other", "run"))
    RemoteCopy(store, "u1", tmp_path / "c").bring()
    assert checkpoint.epochs(tmp_path / "c") == 4


def test_the_store_holds_one_checkpoint_of_a_training_and_none_that_is_torn(tmp_path, every_epoch):
    store, place = RemoteStore(f"file://{tmp_path}/store", "run"), tmp_path / "store" / "run" / "u1"
    remote = RemoteCopy(store, "u1", tmp_path / "a")
    for epoch in (1, 2, 3):
        left(tmp_path / "a", epoch, store, remote=remote)
    assert sorted(path.name for path in place.iterdir()) == ["checkpoint-3.safetensors", checkpoint.RECORD]
    (place / checkpoint.RECORD).write_bytes(b"{" + (place / checkpoint.RECORD).read_bytes()[1:-9])
    RemoteCopy(store, "u1", tmp_path / "b").bring()
    assert not (tmp_path / "b").exists()


def test_a_checkpoint_that_a_thread_replaces_meanwhile_is_no_trouble_and_is_copied_next_time(tmp_path, caplog):
    """Its record was read, and its tensors have made room for the next ones."""
    store = RemoteStore(f"file://{tmp_path}/store", "run")
    remote = RemoteCopy(store, "u1", tmp_path / "a")
    left(tmp_path / "a", 1, store, remote=remote)
    left(tmp_path / "a", 2, RemoteStore(f"file://{tmp_path}/other", "run"))
    tensors = (tmp_path / "a" / "checkpoint-2.safetensors").rename(tmp_path / "away")
    remote.keep(at_once=True)
    assert remote._kept == "checkpoint-1.safetensors"
    assert not caplog.records
    tensors.rename(tmp_path / "a" / "checkpoint-2.safetensors")
    remote.keep(at_once=True)
    assert remote._kept == "checkpoint-2.safetensors"


def test_copies_take_a_tenth_of_the_time_at_most(tmp_path, monkeypatch):
    now = [0.0]
    store = RemoteStore(f"file://{tmp_path}/store", "run")
    monkeypatch.setattr(RemoteStore, "write", lambda *_: now.__setitem__(0, now[0] + 5.0))
    remote, copied = RemoteCopy(store, "u1", tmp_path / "a", lambda: now[0]), []
    for epoch in range(1, 40):
        left(tmp_path / "a", epoch, store, remote=remote)
        if remote._kept == f"checkpoint-{epoch}.safetensors":
            copied.append(now[0])
        monkeypatch.setattr(RemoteStore, "remove", lambda *_: None)
        now[0] += 10.0
    assert len(copied) > 2
    assert 10.0 * len(copied) <= 0.1 * now[0] + 10.0  # two files of 5 s each


def test_a_place_that_fails_costs_no_training(tmp_path, caplog):
    (tmp_path / "store").write_text("no folder")
    remote = RemoteCopy(RemoteStore(f"file://{tmp_path}/store", "run"), "u1", tmp_path / "u1")

    def measured(architecture, seed, **where):
        yield Report(1, {"val_accuracy": 90.0})
        yield Report(2, {"val_accuracy": 91.0}, done=True)

    *_, outcome = worker.work(assignment(), measured, tmp_path, remote=remote)
    assert outcome.metrics["val_accuracy"] == 91.0
    assert not remote.end(*result_files.KEPT)  # so that the result travels with the report instead
    assert "training u1" in caplog.text


@pytest.mark.parametrize(
    "uri", ["bucket/folder", "/folder", "s4://bucket/x", "s3://", "http://host/x", "s3://bucket/a b", ""]
)
def test_what_is_no_place_is_told_with_its_line(uri):
    with pytest.raises(ConfigError, match=r"resources\.storage.*\n?.*s3://") as told:
        Experiment.from_dict({**CONFIG, "resources": {"storage": uri}})
    assert told.value.code == 2


def test_a_place_that_cannot_be_used_is_told_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("no folder")
    port = free_port()
    places = {
        f"file://{tmp_path}/file/below": "Not a directory",
        f"s3://user:s3cr3t@bucket/x?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1": "CONNECTION",
        "s3://bucket/x?no_such_setting=1": "no_such_setting",
    }
    for uri, says in places.items():
        experiment = Experiment.from_dict({**CONFIG, "resources": {"ray": "auto", "storage": uri}})
        with pytest.raises(UserError, match=says) as told:
            prepare(experiment)
        assert told.value.code == 4
        assert "s3cr3t" not in str(told.value)


def test_a_place_that_works_is_left_as_it_was(tmp_path, uri):
    remote_store.check(uri)
    if uri.startswith("file"):
        assert list((tmp_path / "store").iterdir()) == []


def test_nothing_of_a_store_is_loaded_without_one():
    program = "import sys, search.session, search.execute.worker\nprint('pyarrow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_weights_that_did_not_come_whole_make_the_training_a_lost_one(tmp_path):
    """The store says that it has them, and gives others."""
    from search.execute.ray.tune_searcher import LoopSearcher

    store, told = RemoteStore(str(tmp_path / "store"), "run"), []
    loop = SimpleNamespace(lost=lambda uid, detail, reason: told.append((uid, reason)), stop=lambda: None)
    searcher = LoopSearcher(loop, tmp_path / "driver", 1, store=store)
    searcher._uid["trial"] = "u1"
    outcome = Outcome({"val_accuracy": 90.0}, weights="0" * 64)
    text = result_files.encode("u1", outcome)
    result = {"outcome": text, "files": [(result_files.RESULT, text.encode())], "stored": True}
    searcher.on_trial_complete("trial", result)
    assert searcher.error is None
    assert told == [("u1", "lost")]
    assert result_files.adopt(tmp_path / "driver", "u1") is None


def test_a_store_that_does_not_answer_leaves_no_result_without_its_weights(tmp_path):
    """It would be taken for a finished training when all goes on."""
    from search.execute.ray.tune_searcher import LoopSearcher

    (tmp_path / "store").write_text("no folder")
    loop = SimpleNamespace(stop=lambda: None)
    searcher = LoopSearcher(loop, tmp_path / "driver", 1, store=RemoteStore(f"file://{tmp_path}/store", "run"))
    searcher._uid["trial"] = "u1"
    text = result_files.encode("u1", Outcome({"val_accuracy": 90.0}, weights="0" * 64))
    searcher.on_trial_complete(
        "trial", {"outcome": text, "files": [(result_files.RESULT, text.encode())], "stored": True}
    )
    assert isinstance(searcher.error, UserError)
    assert not (tmp_path / "driver" / "u1" / result_files.RESULT).exists()


def test_a_result_without_its_weights_is_looked_for_in_the_store_when_all_goes_on(tmp_path):
    from search.running.left_results import LeftResults

    folder = tmp_path / "run" / "u1"
    store = RemoteStore(f"file://{tmp_path}/store", "run")
    left = LeftResults(tmp_path / "run", store)
    outcome = Outcome({"val_accuracy": 90.0}, [], weights=hashlib.sha256(b"weights").hexdigest())
    folder.mkdir(parents=True)
    result_files.save(folder / result_files.RESULT, "u1", outcome)
    assert left.adopt("u1") is None
    store.write(f"u1/{result_files.WEIGHTS}", b"weights")
    assert left.adopt("u1") == outcome
    assert (folder / result_files.WEIGHTS).read_bytes() == b"weights"
