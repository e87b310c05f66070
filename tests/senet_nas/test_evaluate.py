import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from senet_nas import evaluate as evaluation
from senet_nas.build import build
from senet_nas.evaluate import evaluate
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.train import validate

TASK = Task(DataSpec(dataset="digits", train=300, validation=203), Recipe(epochs=2, batch_size=64))
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"


def test_a_report_after_each_epoch_and_the_last_is_done():
    reports = list(evaluate(SE, Seed(0), TASK))
    assert [(r.epoch, r.done) for r in reports] == [(1, False), (2, True)]
    assert reports[-1].metrics["params"] == sum(
        p.numel() for p in build(SE, in_channels=1, num_classes=10).parameters()
    )


def test_which_images_were_right_is_kept_as_bits():
    *_, last = evaluate(SE, Seed(0), TASK)
    correct = np.unpackbits(np.frombuffer(last.correct, np.uint8))[:203]
    assert len(last.correct) == (203 + 7) // 8
    assert 100 * correct.mean() == pytest.approx(last.metrics["val_accuracy"])


def test_the_same_arguments_give_the_same_numbers():
    def numbers(seed):
        *_, last = evaluate(SE, seed, TASK)
        return {name: value for name, value in last.metrics.items() if name != "seconds"}

    assert numbers(Seed(1, 1)) == numbers(Seed(1, 1))
    assert numbers(Seed(1, 1)) != numbers(Seed(1, 2))


def test_weights_are_those_that_were_validated(tmp_path):
    path = tmp_path / "model.safetensors"
    *_, last = evaluate(SE, Seed(0), TASK, weights=path)
    model = build(SE, in_channels=1, num_classes=10)
    model.load_state_dict(load_file(path))
    data = evaluation.prepare(TASK)
    assert validate(model, data.x_val, data.y_val, data)["accuracy"] == last.metrics["val_accuracy"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_test_set_is_another(tmp_path):
    path = tmp_path / "model.safetensors"
    list(evaluate(SE, Seed(0), TASK, weights=path))
    found = evaluation.test_accuracy(SE, path, TASK)
    assert found["n"] == 359
    assert 0 < found["accuracy"] <= 100


def test_data_are_loaded_once_in_a_process():
    assert evaluation.prepare(TASK) is evaluation.prepare(TASK)


def test_threads_are_what_the_task_says():
    evaluation.prepare(Task(TASK.data, TASK.recipe, threads=2))
    assert torch.get_num_threads() == 2
    evaluation.prepare(TASK)
    assert torch.get_num_threads() == 1
