"""Past one machine: a real Ray cluster on this one, whose nodes come and go. The trainings are scripted."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from search import worker
from search.config import ConfigError, Experiment
from search.doctor import examine
from search.folder import RunFolder
from search.ledger import Ledger
from search.schedule import cluster as joined

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from search.cli import main; main()", "run", "config.yaml"]
SLOW = """
import time

def slow(architecture, seed):
    for epoch in range(4):
        time.sleep(0.3)
        yield {"val_accuracy": 90 + len(str(architecture)) % 7 / 7 + seed.replicate / 10}
"""
CONFIG = {"data": "digits", "model": {"backbone": "cifar_resnet8"}}


@pytest.mark.parametrize("address", ["local", "auto", "head:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_addresses_that_a_config_may_name(address):
    assert Experiment.from_dict({**CONFIG, "resources": {"ray": address}}).resources.ray == address


@pytest.mark.parametrize(("address", "says"), [("ray://head:10001", "ray job submit"), ("head", "HOST:PORT")])
def test_addresses_that_are_refused_with_what_to_do_instead(address, says):
    with pytest.raises(ConfigError, match=says):
        Experiment.from_dict({**CONFIG, "resources": {"ray": address}})


def test_nodes_that_differ_are_told_in_a_line_each():
    found = {"versions": {"torch": "2.1", "ray": "2.60"}, "seen": ["/data"]}
    told = joined._differences(found, {"torch": "2.2", "ray": "2.60", "python": "3.12"}, [Path("/data"), Path("/more")])
    assert told == "torch 2.1 (here 2.2), python missing (here 3.12), no /more"
    assert joined._differences(found, found["versions"], [Path("/data")]) == ""


def test_what_a_node_with_a_folder_of_its_own_left_reaches_the_driver(tmp_path):
    (tmp_path / "node" / "u1").mkdir(parents=True)
    (tmp_path / "node" / "u1" / worker.WEIGHTS).write_bytes(b"weights")
    outcome = worker.Outcome({"val_accuracy": 90.0}, [])
    worker.save(tmp_path / "node" / "u1" / worker.RESULT, "u1", outcome)
    (tmp_path / "driver").mkdir()
    worker.receive(tmp_path / "driver", "u1", worker.carry(tmp_path / "node", "u1"))
    assert worker.adopt(tmp_path / "driver", "u1") == outcome
    assert (tmp_path / "driver" / "u1" / worker.WEIGHTS).read_bytes() == b"weights"


@pytest.fixture(scope="module")
def cluster():
    """A head that trains nothing. Open to all, as this machine's tests are alone on it."""
    utils = pytest.importorskip("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        yield made
        made.shutdown()


def command(path, address, *, insecure=True, how="evaluate: python:scripted:slow", trainings=16):
    """The command, started."""
    (path / "scripted.py").write_text(SLOW)
    (path / "config.yaml").write_text(
        "name: run\ndata: digits\nmodel: {backbone: cifar_resnet8}\n"
        f"budget: {{trainings: {trainings}}}\n{how}\nresources: {{ray: '{address}', insecure: {str(insecure).lower()}}}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    return subprocess.Popen(
        COMMAND, cwd=path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


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


@pytest.mark.ray
@pytest.mark.slow
def test_nodes_die_and_join_and_without_any_the_run_ends_resumable(cluster, tmp_path):
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    process = command(tmp_path, cluster.address)
    results(process, said, 3)
    cluster.remove_node(first, allow_graceful=False)
    results(process, said, 5)
    for node in [node for node in cluster.list_all_nodes() if node is not cluster.head_node]:
        cluster.remove_node(node, allow_graceful=False)
    began = time.monotonic()
    assert ended(process, said) == 4, "".join(said)
    assert time.monotonic() - began < 60
    assert "type the same command again" in "".join(said)
    kept = {t.uid: dict(t.metrics) for t in Ledger(place.ledger, read_only=True).trainings if t.state == "finished"}
    assert len(kept) >= 5
    node, said = cluster.add_node(num_cpus=1), []
    process = command(tmp_path, cluster.address)
    results(process, said, 1)
    threading.Thread(target=cluster.add_node, kwargs={"num_cpus": 1}).start()
    assert ended(process, said) == 0, "".join(said)
    trainings = Ledger(place.ledger, read_only=True).trainings
    assert [t.state for t in trainings] == ["finished"] * 16
    assert kept.items() <= {t.uid: dict(t.metrics) for t in trainings}.items()
    assert examine(place) == []


def may_mount():
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def node_apart(folder, address):
    """A node of the cluster that sees an empty folder of its own where the others see ``folder``."""
    ray = f"{sys.executable} -m ray.scripts.scripts start --address={address} --num-cpus=1 --block"
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return subprocess.Popen(
        [*apart, "bash", "-c", f"mount -t tmpfs none {folder} && exec {ray}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def joined_by(cluster, count):
    """Waits until the cluster has so many nodes, its head among them."""
    deadline = time.monotonic() + 120
    while sum(node["Alive"] for node in cluster.global_state.node_table()) < count:
        assert time.monotonic() < deadline, "the nodes did not come up"
        threading.Event().wait(0.5)  # between two looks; nothing else tells that they are there


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="needs the privilege to mount")
def test_two_nodes_with_folders_of_their_own_lose_nothing(cluster, tmp_path):
    """Real trainings on nodes that do not see the run's folder; one node is killed in the middle."""
    (tmp_path / "runs").mkdir()
    place, said = RunFolder(tmp_path / "runs" / "run"), []
    nodes = [node_apart(tmp_path / "runs", cluster.address) for _ in range(2)]
    try:
        joined_by(cluster, 3)
        process = command(tmp_path, cluster.address, how="train: {epochs: 1}", trainings=28)
        results(process, said, 4)
        nodes[0].kill()
        assert ended(process, said) == 0, "".join(said)
    finally:
        for node in nodes:
            node.kill()
    trainings = Ledger(place.ledger, read_only=True).trainings
    assert [t.state for t in trainings] == ["finished"] * 28
    fresh = [t for t in trainings if t.role == "confirm"]
    assert fresh
    assert all((place.trainings / t.uid / worker.WEIGHTS).exists() for t in fresh)
    assert examine(place) == []
