import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from senet_nas.data import shared
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import evaluate

TASK = Task(DataSpec(dataset="digits", train=200, validation=100), Recipe(epochs=1, batch_size=64))
KEY = "cifar_resnet8/-/-/-"


@pytest.mark.parametrize("resize", [None, 12])
def test_what_is_read_is_what_was_written(tmp_path, resize):
    data = load(replace(TASK.data, image_size=10, resize=resize))
    assert data.shape == (1, 10, 10)
    shared.write(data, tmp_path / "images")
    found = shared.read(tmp_path / "images")
    for field in fields(data):
        ours, theirs = getattr(found, field.name), getattr(data, field.name)
        assert torch.equal(ours, theirs) if isinstance(theirs, torch.Tensor) else ours == theirs


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what a process maps")
def test_the_images_are_mapped_not_copied(tmp_path):
    path = tmp_path / "images"
    shared.write(load(TASK.data), path)
    found = shared.read(path)
    maps = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in maps if line.endswith(str(path))]
    address = found.x_train.data_ptr()
    assert any(int(begin, 16) <= address < int(end, 16) for begin, end in spans)


def test_a_training_on_shared_images_is_the_same(tmp_path, monkeypatch):
    (alone,) = evaluate.evaluate(KEY, Seed(0), TASK)
    shared = evaluate.share(TASK, tmp_path)
    monkeypatch.setattr(evaluate, "load", None)  # nothing but the file is read
    (together,) = evaluate.evaluate(KEY, Seed(0), shared)
    assert together.correct == alone.correct
    assert together.metrics["train_loss"] == alone.metrics["train_loss"]


def test_without_room_every_worker_reads_the_images_itself(tmp_path, caplog):
    assert evaluate.share(TASK, tmp_path / "missing") == TASK
    assert "reads the images itself" in caplog.text
    assert not list(tmp_path.iterdir())


WORKER = """
import sys
from pathlib import Path
from senet_nas.data import shared
from senet_nas.recipe import DataSpec

real = shared.load
def counted(*arguments, **more):
    with open(sys.argv[1], "a") as log:
        log.write("read\\n")
    return real(*arguments, **more)
shared.load = counted
folder, streaming = sys.argv[2:4]
spec = DataSpec("image_folder", folder, image_size=16, streaming=streaming) if folder else DataSpec("digits")
data = shared.of_node(spec, ".", "name")
print(data.fingerprint, float(data.x_train.double().sum()), flush=True)
sys.stdin.readline()
"""


def image_folder(path):
    rng = np.random.default_rng(0)
    for name in ("bright", "dark"):
        (path / name).mkdir(parents=True)
        for i in range(10):
            x = rng.integers(0, 128, (16, 16, 3)) + 127 * (name == "bright")
            Image.fromarray(x.astype(np.uint8)).save(path / name / f"{i}.png")


@pytest.mark.parametrize("kind", ["digits", "in memory", "streamed"])
def test_of_the_workers_of_a_machine_one_reads_the_images_and_all_map_them(tmp_path, kind):
    if kind != "digits":
        image_folder(tmp_path / "images")
    path, how = (str(tmp_path / "images") if kind != "digits" else ""), "always" if kind == "streamed" else "never"
    scratch, log = tmp_path / "scratch", tmp_path / "log"
    left = scratch / "senet-images-of-another-search"  # of one that was killed: nobody holds its lock
    left.mkdir(parents=True)
    (left / "lock").touch()

    def started():
        command = [sys.executable, "-c", WORKER, str(log), path, how]
        there = {**os.environ, "TMPDIR": str(scratch)}
        return subprocess.Popen(command, env=there, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    workers = [started() for _ in range(3)]
    said = {worker.stdout.readline() for worker in workers}
    data = load(DataSpec("image_folder", path, image_size=16, streaming=how) if path else DataSpec("digits"))
    assert said == {f"{data.fingerprint} {float(data.x_train.double().sum())}\n"}
    assert log.read_text() == "read\n"
    assert [folder.name for folder in scratch.iterdir()] == ["senet-images-name"]
    workers[0].kill()  # as a lost worker goes: the others keep what they have, and one that comes later finds it
    workers[0].wait()
    workers.append(started())
    assert workers[-1].stdout.readline() in said
    assert log.read_text() == "read\n"
    for worker in workers[1:]:
        worker.communicate("\n")
        assert worker.returncode == 0
    assert list(scratch.iterdir()) == []
