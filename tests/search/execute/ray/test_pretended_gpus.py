"""Real Ray with GPUs that are numbers alone: what a slot does when its GPU fails, or has too little memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.state.ledger import Ledger
from search.state.run_folder import RunFolder

ROOT = Path(__file__).parents[4]
# A machine with so many GPUs, as far as our code and Ray know. Nothing in a worker touches one.
PROGRAM = "from senet_nas import gpus; gpus.count = lambda: {gpus}; from search.cli.app import main; main()"
SCRIPTED = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent
GPU = os.environ.get("CUDA_VISIBLE_DEVICES", "")

def noted(name, text):
    with (HERE / name).open("a") as log:
        log.write(f"{text}\\n")

def on_a_broken_gpu(architecture, seed):
    noted("seen.txt", f"{GPU} {os.getpid()}")
    if GPU == "0":
        raise RuntimeError("CUDA error: an illegal memory access was encountered\\nmore")
    while HERE.joinpath("seen.txt").read_text().split()[::2].count("0") < 2:
        time.sleep(0.05)
    return 90 + seed.replicate / 10

def on_a_small_gpu(architecture, seed):
    mine = HERE / f"busy-{os.getpid()}"
    mine.touch()
    try:
        time.sleep(0.3)
        if not architecture.is_plain and not (HERE / "large").exists():
            (HERE / "large").write_text(str(architecture))
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        if (HERE / "large").exists() and (HERE / "large").read_text() == str(architecture):
            noted("alone.txt", " ".join(path.name for path in HERE.glob("busy-*")))
        return 90 + seed.replicate / 10
    finally:
        mine.unlink()
"""
pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two slots need two cores"),
]


def run(folder, function, here, resources, trainings=8):
    """The ledger of a run on so many pretended GPUs, and what it said."""
    (folder / "scripted.py").write_text(SCRIPTED)
    (folder / "config.yaml").write_text(
        f"name: run\ndata: digits\nmodel: {{backbone: cifar_resnet8}}\nbudget: {{trainings: {trainings}}}\n"
        f"evaluate: python:scripted:{function}\nresources: {{device: cuda, {resources}}}\n"
    )
    command = [sys.executable, "-P", "-c", PROGRAM.format(gpus=here), "run", "config.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Ledger(RunFolder(folder / "runs" / "run").ledger, read_only=True), done


def test_a_gpu_that_fails_is_barred_and_the_others_go_on(tmp_path):
    ledger, done = run(tmp_path, "on_a_broken_gpu", 2, "slots: 2, cpus_per_slot: 1, gpus_per_slot: 0.5")
    assert done.returncode == 0, done.stderr
    assert all(training.state == "finished" for training in ledger.trainings)
    seen = [line.split() for line in (tmp_path / "seen.txt").read_text().splitlines()]
    processes = [process for gpu, process in seen if gpu == "0"]
    assert len(set(processes)) == len(processes) >= 2  # each of its failures ended a process
    assert {gpu for gpu, _ in seen} == {"0", "1"}  # half of a GPU for each of two slots: they are spread
    assert "failed 2 times in a row and gets no other training" in done.stderr


@pytest.mark.slow
def test_without_a_gpu_that_works_the_search_ends_and_says_why(tmp_path):
    ledger, done = run(tmp_path, "on_a_broken_gpu", 1, "slots: 1")
    assert done.returncode == 4, done.stderr
    assert "no GPU is left that works" in done.stderr
    assert "Xid" in done.stderr
    assert not any(training.state == "finished" for training in ledger.trainings)


def test_what_needs_more_memory_waits_on_its_gpu_until_it_is_alone(tmp_path):
    ledger, done = run(tmp_path, "on_a_small_gpu", 1, "slots: 2, cpus_per_slot: 1, gpus_per_slot: 0.5")
    assert done.returncode == 0, done.stderr
    assert all(training.state == "finished" for training in ledger.trainings)
    first, *_ = (tmp_path / "alone.txt").read_text().splitlines()
    assert len(first.split()) == 1


# The same, but what trains on a "GPU" trains on the CPU: our own training touches the device that it is given.
ON_CPU = """
from search.setup import experiment_setup
real = experiment_setup.machine
experiment_setup.machine = lambda experiment: ("cpu", real(experiment)[1])
"""
GROUPS = """
name: run
data: digits
model: {backbone: cifar_resnet8}
space: {reduction: [4], position: [pre_addition], squeeze: [avg]}
search: {halving: 2}
budget: {trainings: 4}
train: {epochs: 2, batch_size: 100}
resources: {gpus_per_slot: 2}
tracking: {uri: "http://127.0.0.1:9"}
"""


@pytest.mark.slow
def test_a_training_of_a_search_takes_two_gpus(tmp_path):
    (tmp_path / "config.yaml").write_text(GROUPS)
    program = ON_CPU + PROGRAM.format(gpus=2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", program, "run", "config.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ledger = Ledger(RunFolder(tmp_path / "runs" / "run").ledger, read_only=True)
    assert {training.state for training in ledger.trainings} <= {"finished", "stopped"}
    assert sum(training.state == "finished" for training in ledger.trainings) >= 2
    assert ledger.facts.slots.gpus == 2.0
