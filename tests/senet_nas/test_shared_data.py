from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from senet_nas import evaluate as evaluation
from senet_nas import shared_data
from senet_nas.data import load
from senet_nas.recipe import DataSpec, Recipe, Seed, Task

TASK = Task(DataSpec(dataset="digits", train=200, validation=100), Recipe(epochs=1, batch_size=64))
KEY = "cifar_resnet8/-/-/-"


@pytest.mark.parametrize("resize", [None, 12])
def test_what_is_read_is_what_was_written(tmp_path, resize):
    data = load(replace(TASK.data, image_size=10, resize=resize))
    assert data.shape == (1, 10, 10)
    shared_data.write(data, tmp_path / "images")
    found = shared_data.read(tmp_path / "images")
    for field in fields(data):
        ours, theirs = getattr(found, field.name), getattr(data, field.name)
        assert torch.equal(ours, theirs) if isinstance(theirs, torch.Tensor) else ours == theirs


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what a process maps")
def test_the_images_are_mapped_not_copied(tmp_path):
    path = tmp_path / "images"
    shared_data.write(load(TASK.data), path)
    found = shared_data.read(path)
    maps = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in maps if line.endswith(str(path))]
    address = found.x_train.data_ptr()
    assert any(int(begin, 16) <= address < int(end, 16) for begin, end in spans)


def test_a_training_on_shared_images_is_the_same(tmp_path, monkeypatch):
    (alone,) = evaluation.evaluate(KEY, Seed(0), TASK)
    shared = evaluation.share(TASK, tmp_path)
    monkeypatch.setattr(evaluation, "load", None)  # nothing but the file is read
    (together,) = evaluation.evaluate(KEY, Seed(0), shared)
    assert together.correct == alone.correct
    assert together.metrics["train_loss"] == alone.metrics["train_loss"]


def test_without_room_every_worker_reads_the_images_itself(tmp_path, caplog):
    assert evaluation.share(TASK, tmp_path / "missing") == TASK
    assert "reads the images itself" in caplog.text
    assert not list(tmp_path.iterdir())
