"""Past one machine: a real Ray cluster on this one, whose nodes come and go. The trainings are scripted."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from search.config import ConfigError, Experiment
from search.doctor.diagnosis import examine
from search.execute import environment
from search.execute.ray import checkpoint_sender
from search.execute.ray.cluster import Needs, differences
from search.state import result_files
from search.state.ledger import Ledger
from search.state.records import Assignment, Outcome
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from senet_nas.training import checkpoint

ROOT = Path(__file__).parents[4]
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()", "run", "config.yaml"]
SLOW = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def slow(architecture, seed):
    for name, value in (("where", "NODE"), ("gpus", "CUDA_VISIBLE_DEVICES")):
        with (HERE / f"{name}.txt").open("a") as log:
            print(os.environ.get(value, "-"), file=log)
    for epoch in range(4):
        time.sleep(0.5)
        yield {"val_accuracy": 90 + len(str(architecture)) % 7 / 7 + seed.replicate / 10}

def slower(architecture, seed):
    for metrics in slow(architecture, seed):
        time.sleep(2)  # a new node needs some seconds for its first training
        yield metrics

def held(architecture, seed):
    # A training on the node `first` does not end; those elsewhere wait until there is one.
    begun, give_up = HERE / "begun", time.monotonic() + 120
    for metrics in slow(architecture, seed):
        if os.environ["NODE"] == "first":
            begun.touch()
            time.sleep(600)
        while not begun.exists() and time.monotonic() < give_up:
            time.sleep(0.1)
        yield metrics
"""
STARTED = []
CONFIG = {"data": "digits", "model": {"backbone": "cifar_resnet8"}}


@pytest.mark.parametrize("address", ["local", "auto", "head:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_addresses_that_a_config_may_name(address):
    assert Experiment.from_dict({**CONFIG, "resources": {"ray": address}}).resources.ray == address


@pytest.mark.parametrize(("address", "says"), [("ray://head:10001", "ray job submit"), ("head", "HOST:PORT")])
def test_addresses_that_are_refused_with_what_to_do_instead(address, says):
    with pytest.raises(ConfigError, match=says):
        Experiment.from_dict({**CONFIG, "resources": {"ray": address}})


def test_versions_that_differ_are_named():
    found = {"torch": "2.1", "ray": "2.60"}
    told = differences(found, {"torch": "2.2", "ray": "2.60", "python": "3.12"})
    assert told == ["torch 2.1 (here 2.2)", "python missing (here 3.12)"]
    assert differences(found, found) == []


def test_a_node_says_what_it_lacks_and_whether_it_sees_the_folder_of_the_run(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("pid 1")
    here = environment.versions()
    needs = Needs(here, (tmp_path,), (lock, "pid 1"))
    assert (needs.lacking(), needs.is_shared()) == ("", True)
    lock.write_text("pid 2")  # a folder of the same name, of another driver
    assert not needs.is_shared()
    apart = Needs({**here, "ray": "0"}, (tmp_path / "data",), (tmp_path / "none", ""), "file:///proc/none")
    says = apart.lacking().split(", ")
    assert says[:2] == [f"ray {here['ray']} (here 0)", f"no {tmp_path / 'data'}"]
    assert says[2].startswith("cannot use file:///proc/none")
    assert not apart.is_shared()


def test_what_a_node_with_a_folder_of_its_own_left_reaches_the_driver(tmp_path):
    (tmp_path / "node" / "u1").mkdir(parents=True)
    (tmp_path / "node" / "u1" / result_files.WEIGHTS).write_bytes(b"weights")
    outcome = Outcome({"val_accuracy": 90.0}, [])
    result_files.save(tmp_path / "node" / "u1" / result_files.RESULT, "u1", outcome)
    (tmp_path / "driver").mkdir()
    result_files.receive(tmp_path / "driver", "u1", result_files.carry(tmp_path / "node", "u1"))
    assert result_files.adopt(tmp_path / "driver", "u1") == outcome
    assert (tmp_path / "driver" / "u1" / result_files.WEIGHTS).read_bytes() == b"weights"


def test_the_checkpoint_of_a_pause_goes_to_the_driver_and_from_there_to_another_node(tmp_path):
    """Written whole: tensors before the record that names them. What is no part of a checkpoint stays out."""
    node, driver, other = (tmp_path / name for name in ("node", "driver", "other"))
    left_checkpoint(node / "u1", 2)
    names = checkpoint.names(node / "u1")
    assert names == ("checkpoint-2.safetensors", checkpoint.RECORD)
    files = result_files.carry(node, "u1", [*names, *result_files.KEPT])
    result_files.receive(driver, "u1", {**files, "../evil": b"", "checkpoint-x.safetensors": b"", "evil.json": b""})
    assert sorted(path.name for path in (driver / "u1").iterdir()) == sorted(names)
    assert [path.name for path in driver.iterdir()] == ["u1"]
    result_files.receive(other, "u1", checkpoint_sender.CheckpointSender(driver).read("u1"))
    assert checkpoint.load(other / "u1", owner={}) is not None
    assert checkpoint_sender.CheckpointSender(driver).read("u2") == {}
    assert checkpoint.names(driver / "u2") == ()


def left_checkpoint(folder, epoch):
    folder.mkdir(parents=True)
    state = {"model": {}, "average": {}, "generator": torch.zeros(8, dtype=torch.uint8), "epoch": epoch}
    state["optimizer"] = {"param_groups": [], "state": {}}
    checkpoint.save(folder, state, [{"epoch": epoch}], owner={})


def test_what_a_node_left_reaches_the_run_through_tune_which_takes_mappings_apart(tmp_path):
    from ray.tune.utils import flatten_dict

    from search.execute.ray.tune_searcher import LoopSearcher

    (tmp_path / "node" / "u1").mkdir(parents=True)
    (tmp_path / "node" / "u1" / result_files.WEIGHTS).write_bytes(b"weights")
    outcome, ended = Outcome({"val_accuracy": 90.0}, []), {}
    result_files.save(tmp_path / "node" / "u1" / result_files.RESULT, "u1", outcome)
    left = {
        "outcome": result_files.encode("u1", outcome),
        "files": [*result_files.carry(tmp_path / "node", "u1").items()],
    }
    searcher = LoopSearcher(SimpleNamespace(finish=ended.__setitem__), tmp_path / "run", 1)
    searcher._uid["trial"] = "u1"
    searcher.on_trial_complete("trial", flatten_dict(left))
    assert (searcher.error, ended) == (None, {"u1": outcome})
    assert (tmp_path / "run" / "u1" / result_files.WEIGHTS).read_bytes() == b"weights"
    assert result_files.adopt(tmp_path / "run", "u1") == outcome


def test_weights_that_come_cut_off_from_a_node_make_the_training_a_lost_one(tmp_path):
    from search.execute.ray.tune_searcher import LoopSearcher

    outcome, told = Outcome({"val_accuracy": 90.0}, [], weights=hashlib.sha256(b"weights").hexdigest()), []
    text = result_files.encode("u1", outcome)
    loop = SimpleNamespace(lost=lambda uid, detail, reason: told.append((uid, reason)))
    searcher = LoopSearcher(loop, tmp_path / "run", 1)
    searcher._uid["trial"] = "u1"
    searcher.on_trial_complete(
        "trial", {"outcome": text, "files": [(result_files.WEIGHTS, b"weigh"), (result_files.RESULT, text)]}
    )
    assert (searcher.error, told) == (None, [("u1", "lost")])
    assert not (tmp_path / "run" / "u1" / result_files.RESULT).exists()


def test_what_an_attempt_sent_does_not_pass_for_the_result_of_the_next_whose_node_goes(tmp_path):
    """The node removes what is there, and the folder of the run is elsewhere."""
    from search.execute.ray.tune_searcher import LoopSearcher

    (tmp_path / "u1").mkdir()
    result_files.save(tmp_path / "u1" / result_files.RESULT, "u1", Outcome(failure="out of memory"))
    told = []
    loop = SimpleNamespace(
        next=lambda: Assignment("u1", 0, "net/-", Seed(0), 1.0, keep_weights=False),
        lost=lambda uid, detail, reason: told.append((uid, reason)),
    )
    searcher = LoopSearcher(loop, tmp_path, 1)
    searcher.suggest("trial")
    searcher.ended("trial", "its node has died")
    searcher.on_trial_complete("trial", error=True)
    assert (searcher.error, told) == (None, [("u1", "lost")])


@pytest.fixture(scope="module")
def cluster():
    """A head that trains nothing. Open to all, as this machine's tests are alone on it."""
    utils = pytest.importorskip("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        yield made
        made.shutdown()


def command(
    path, address, *, insecure=True, how="evaluate: python:scripted:slow", trainings=16, resources="", data="digits"
):
    """The command, started."""
    (path / "scripted.py").write_text(SLOW)
    more = "".join(f", {setting}" for setting in (resources,) if setting)
    (path / "config.yaml").write_text(
        f"name: run\ndata: {data}\nmodel: {{backbone: cifar_resnet8}}\nbudget: {{trainings: {trainings}}}\n{how}\n"
        f"resources: {{ray: '{address}', insecure: {str(insecure).lower()}{more}}}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        COMMAND, cwd=path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """A test that fails ends the commands that it started."""
    yield
    while STARTED:
        STARTED.pop().kill()


def ended(process, said):
    said += list(process.stderr)
    return process.wait(timeout=120)


def results(process, said, count):
    """Reads what the command says until so many trainings have ended."""
    while sum("%" in line and "/" in line for line in said) < count:
        line = process.stderr.readline()
        assert line, "".join(said)
        said.append(line)


@pytest.mark.ray
@pytest.mark.slow
def test_a_cluster_that_asks_for_no_token_is_refused(cluster, tmp_path):
    process, said = command(tmp_path, cluster.address, insecure=False), []
    assert ended(process, said) == 4
    assert "resources.insecure: true" in "".join(said)


def finished(place, count):
    """The trainings of a run that has ended well: all of them finished, and the doctor content."""
    trainings = Ledger(place.ledger, read_only=True).trainings
    assert [t.state for t in trainings] == ["finished"] * count
    assert examine(place) == []
    return trainings


def results_of(place):
    return {t.uid: dict(t.metrics) for t in Ledger(place.ledger, read_only=True).trainings if t.state == "finished"}


def nodes_where(path):
    """On which node each training was begun, in order."""
    return (path / "where.txt").read_text().split()


@pytest.mark.ray
def test_of_three_nodes_one_dies_one_joins_and_one_that_does_not_fit_gets_nothing(cluster, tmp_path):
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    other = tmp_path / "other" / "optuna-0.1.dist-info"  # found before the real one where it stands first on the path
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: optuna\nVersion: 0.1\n")
    nodes = {name: cluster.add_node(num_cpus=1, env_vars={"NODE": name}) for name in ("first", "second")}
    process = command(tmp_path, cluster.address, how="evaluate: python:scripted:held", trainings=10)
    results(process, said, 2)  # both of the second node: the first one is in the middle of a training
    cluster.remove_node(nodes.pop("first"), allow_graceful=False)
    nodes["odd"] = cluster.add_node(num_cpus=4, env_vars={"NODE": "odd", "PYTHONPATH": f"{other.parent}:{ROOT}"})
    nodes["third"] = cluster.add_node(num_cpus=1, env_vars={"NODE": "third"})
    assert ended(process, said) == 0, "".join(said)
    for node in nodes.values():
        cluster.remove_node(node)
    trainings = finished(place, 10)
    # Which of the two Ray tells is whether it learns first of the node's end or of its process's.
    assert any("starts again: lost" in line or "starts again: worker died" in line for line in said), "".join(said)
    refused = [line for line in said if "joined and gets no training" in line]
    assert len(refused) == 1
    assert "optuna 0.1 (here" in "".join(said)
    where = nodes_where(tmp_path)
    assert {"first"} < set(where) <= {"first", "second", "third"}
    assert len(where) == 11  # the one that the node took with it was begun again
    assert sum(t.attempts - 1 for t in trainings) <= 1 + 4  # and each of the odd one's cores may have asked once
    assert {t.reason for t in trainings} == {""}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("what", ["only node", "head"])
def test_without_its_nodes_or_its_head_the_command_ends_within_a_minute_and_goes_on(tmp_path, what):
    utils = pytest.importorskip("ray.cluster_utils")
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        node = made.add_node(num_cpus=1)
        try:
            process = command(tmp_path, made.address, trainings=10)
            results(process, said, 3)
            made.remove_node(node if what == "only node" else made.head_node, allow_graceful=False)
            began = time.monotonic()
            assert ended(process, said) == 4, "".join(said)
            assert time.monotonic() - began < 60
        finally:
            made.shutdown()
        assert "type the same command again" in said[-1]
        assert not any("rpc_client" in line for line in said)  # no line of Ray's own
        assert place.report.exists()  # what can be said is written
        kept = results_of(place)
        assert len(kept) >= 3
        made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            process = command(tmp_path, made.address, trainings=10)
            assert ended(process, said) == 0, "".join(said)
        finally:
            made.shutdown()
    assert kept.items() <= {t.uid: dict(t.metrics) for t in finished(place, 10)}.items()


@pytest.mark.ray
@pytest.mark.slow
def test_shares_of_gpus_go_to_nodes_that_have_some_whatever_this_machine_has(cluster, tmp_path):
    """The GPUs are Ray's numbers alone: what is seen is who gets which."""
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    nodes = [
        cluster.add_node(num_cpus=2, env_vars={"NODE": "none"}),
        *(cluster.add_node(num_cpus=2, num_gpus=1, env_vars={"NODE": name}) for name in ("one", "two")),
    ]
    how = "evaluate: python:scripted:slower"
    process = command(tmp_path, cluster.address, how=how, resources="gpus_per_slot: 0.5", trainings=16)
    assert ended(process, said) == 0, "".join(said)
    for node in nodes:
        cluster.remove_node(node)
    finished(place, 16)
    assert set(nodes_where(tmp_path)) == {"one", "two"}
    assert set((tmp_path / "gpus.txt").read_text().split()) == {"0"}
    assert "0.5 GPU of the cluster" in "".join(said)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        assert ledger.facts.slots.gpus == 0.5
        most = max(sum(a.started <= t.started < a.ended for a in ledger.trainings) for t in ledger.trainings)
    assert 2 < most <= 5  # two on each GPU, and one that waits for its place


@pytest.mark.ray
@pytest.mark.slow
def test_a_gpu_that_no_node_has_is_told(cluster, tmp_path):
    said, node = [], cluster.add_node(num_cpus=1)
    process = command(tmp_path, cluster.address, how="train: {epochs: 1}", resources="device: cuda")
    assert ended(process, said) == 4
    cluster.remove_node(node)
    assert "no node of the cluster has a GPU" in "".join(said)


def may_mount():
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def node_apart(folder, address, cpus, scratch):
    """A node of the cluster that sees an empty folder of its own where the others see ``folder``."""
    ray = f"{sys.executable} -m ray.scripts.scripts start --address={address} --num-cpus={cpus} --block"
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return subprocess.Popen(
        [*apart, "bash", "-c", f"mount -t tmpfs none {folder} && exec {ray}"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "disabled",
            "TMPDIR": str(scratch),
            "RAY_TMPDIR": "/tmp",  # Ray's sockets need a short path
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def joined_by(cluster, count):
    """Waits until the cluster has so many nodes, its head among them."""
    deadline = time.monotonic() + 120
    while sum(node["Alive"] for node in cluster.global_state.node_table()) != count:
        assert time.monotonic() < deadline, "the nodes did not come up, or did not go"
        threading.Event().wait(0.5)  # between two looks; nothing else tells that they are there


@pytest.fixture
def apart(cluster, tmp_path, request):
    """Two nodes that do not see the folder of runs and have scratch of their own; both are gone afterwards."""
    for name in ("runs", "a", "b"):
        (tmp_path / name).mkdir()
    cpus, nodes = getattr(request, "param", 1), []
    try:
        # One by one: both have the same process ids, each in a space of its own, and Ray takes names from them.
        for count, name in enumerate("ab", start=2):
            nodes.append(node_apart(tmp_path / "runs", cluster.address, cpus, tmp_path / name))
            joined_by(cluster, count)
        yield nodes
    finally:
        for node in nodes:
            node.kill()
            node.wait()
        joined_by(cluster, 1)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs the privilege to mount")
def test_two_nodes_with_folders_of_their_own_lose_nothing(cluster, apart, tmp_path):
    """Real trainings on nodes that do not see the run's folder; one node is killed in the middle."""
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    process = command(tmp_path, cluster.address, how="train: {epochs: 1}", trainings=28)
    results(process, said, 4)
    apart[0].kill()
    assert ended(process, said) == 0, "".join(said)
    # A search may have no candidate to confirm; plain keeps its weights all the same.
    kept = [t for t in finished(place, 28) if t.role == "confirm" or t.architecture == 0]
    assert kept
    assert all((place.trainings / t.uid / result_files.WEIGHTS).exists() for t in kept)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs the privilege to mount")
def test_with_a_store_a_training_whose_node_goes_goes_on_from_its_last_epoch(cluster, apart, tmp_path):
    place, said, store = RunFolder(tmp_path / "runs" / "run"), [], tmp_path / "store"
    # Some 20 s on one core of a machine like this one, so that there are a checkpoint or two.
    how = "train: {epochs: 90, batch_size: 20}\nspace: {position: [pre_addition]}"
    process = command(tmp_path, cluster.address, how=how, trainings=4, resources=f"storage: 'file://{store}'")
    lines = threading.Thread(target=lambda: said.extend(process.stderr))
    lines.start()
    deadline = time.monotonic() + 180
    while not (kept := list(store.glob(f"run-*/*/{checkpoint.RECORD}"))):
        assert process.poll() is None, "".join(said)
        assert time.monotonic() < deadline, "no checkpoint came"
        threading.Event().wait(0.2)  # between two looks; nothing else tells that it is there
    uid, done = kept[0].parent.name, checkpoint.epochs(kept[0].parent)
    there = f"root{place.trainings / uid}"
    next(node for node in apart if Path(f"/proc/{node.pid}/{there}").exists()).kill()
    assert process.wait(900) == 0, "".join(said)
    lines.join()
    training = next(t for t in finished(place, 4) if t.uid == uid)
    assert (training.attempts, [epoch["epoch"] for epoch in training.curve]) == (2, list(range(1, 91)))
    earlier = sum(epoch["seconds"] for epoch in training.curve[:done])
    assert earlier > 5
    assert training.ended - training.started < sum(epoch["seconds"] for epoch in training.curve) - earlier / 2
    assert list(store.glob(f"run-*/*/{result_files.RESULT}"))
    assert not list(store.glob(f"run-*/*/{checkpoint.RECORD}"))


# The sampler that proposes lengths at random stands beside the kill tests. Seconds tell one training of an epoch from
# another.
PAUSING = """
from search import Experiment, run
from search.planning import training_lengths
from search.planning.samplers import SAMPLERS
from search.running.listeners import Silent
from tests.search.killable import PAUSING

class Told(Silent):
    def changed(self, training, entry):
        if training.state in ("paused", "finished"):
            print(training.state, training.uid, training.attempts, training.curve[0]["seconds"], flush=True)

SAMPLERS["pausing"] = PAUSING
training_lengths.FEWEST_WHOLE = 0  # that sampler asks nobody whether a training may pause
run(Experiment.load("config.yaml"), watcher=Told())
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs the privilege to mount")
def test_without_a_store_a_training_that_paused_continues_on_a_node_with_a_folder_of_its_own(cluster, apart, tmp_path):
    config = {
        **CONFIG,
        "name": "run",
        "data": {"dataset": "digits", "train": 200},
        "train": {"epochs": 4, "batch_size": 50},
        "search": {"sampler": "pausing", "confirm": 0.25, "stop": "budget", "short": "on"},
        "budget": {"trainings": 16},
        "resources": {"ray": cluster.address, "insecure": True},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    told = subprocess.run(
        [sys.executable, "-c", PAUSING], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    rows = [line.split() for line in told.stdout.splitlines() if line.startswith(("paused", "finished"))]
    first = {uid: seconds for state, uid, attempts, seconds in rows if (state, attempts) == ("paused", "1")}
    continued = {uid: seconds for _, uid, attempts, seconds in rows if int(attempts) > 1}
    assert continued
    assert continued == {uid: first[uid] for uid in continued}, "a training began again"
    place = RunFolder(tmp_path / "runs" / "run")
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        paused = {training.uid for training in ledger.counts.paused.values()}
    assert {path.parent.name for path in place.trainings.glob("*/checkpoint.json")} == paused


def images(path):
    """A folder of small images of two classes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("bright", "dark"):
        (path / name).mkdir(parents=True)
        for i in range(80):
            x = rng.integers(0, 128, (16, 16, 3), dtype=np.uint8) + 127 * (name == "bright")
            Image.fromarray(x.astype(np.uint8)).save(path / name / f"{i}.png")


def mapped(folder):
    """Files of the images below a folder, with the processes that map them."""
    found = defaultdict(set)
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text().splitlines()
        except OSError:  # ended, or of another user
            continue
        for line in lines:
            if f"{folder}/senet-images-" in line and "x_train" in line:
                found[line.split()[5]].add(maps.parent.name)  # behind it there may be "(deleted)"
    return found


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs the privilege to mount")
@pytest.mark.parametrize("apart", [2], indirect=True)
def test_images_are_decoded_once_on_a_node_and_mapped_by_all_its_workers(cluster, apart, tmp_path):
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    images(tmp_path / "images")
    data = "{path: images, image_size: 16, streaming: always}"
    how = "train: {epochs: 10, batch_size: 16}"
    process = command(tmp_path, cluster.address, how=how, trainings=24, data=data, resources="slots: 4")
    lines = threading.Thread(target=lambda: said.extend(process.stderr))
    lines.start()
    seen = {name: defaultdict(set) for name in "ab"}
    while process.poll() is None:
        for name in "ab":
            for file, pids in mapped(tmp_path / name).items():
                seen[name][file] |= pids
        threading.Event().wait(0.2)  # between two looks
    lines.join()
    assert process.returncode == 0, "".join(said)
    finished(place, 24)
    for name in "ab":
        (pids,) = seen[name].values()  # one file
        assert len(pids) >= 2
        assert not list((tmp_path / name).glob("senet-images-*"))  # it went with the last of them


@pytest.mark.ray
@pytest.mark.slow
def test_a_full_training_runs_on_two_nodes_and_ends_as_on_two_devices(cluster, tmp_path):
    (tmp_path / "full.yaml").write_text(
        "data: digits\nmodel: {backbone: cifar_resnet8}\nspace: {reduction: [8], position: [pre_addition]}\n"
        "train: {epochs: 2, batch_size: 100}\ntracking: {uri: 'http://127.0.0.1:9'}\n"
    )
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    train = [*COMMAND[:3], "train", "plain", "--config", "full.yaml", "--devices", "2", "--no-onnx"]
    joining = ["--set", f"resources.ray={cluster.address}", "--set", "resources.insecure=true"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    for name, more in (("there", joining), ("here", ["--set", "resources.device=cpu"])):
        command = [*train, "--to", name, *more]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for node in nodes:
        cluster.remove_node(node)
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("there", "here"))
    assert all(torch.allclose(one[name].float(), other[name].float(), atol=1e-5) for name in one)
