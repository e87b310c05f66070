"""For which class a trained network takes the validation images of each class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from senet_nas.network.build import build
from senet_nas.recipe import Task
from senet_nas.training.evaluate import prepare
from senet_nas.training.validate import validate


def confusion(architecture: str, weights: Path, task: Task) -> NDArray[np.int64]:
    """Numbers of validation images (K, K): a row for each class of the labels, a column for each that was predicted.

    ``weights`` is the safetensors file of the training.
    """
    data = prepare(task)
    model = build(architecture, in_channels=data.channels, num_classes=data.num_classes)
    model.load_state_dict(load_file(weights))
    found = validate(model.to(task.device), data.x_val, data.y_val, data, device=task.device, keeps=True).predictions
    assert found is not None
    counts = np.zeros((data.num_classes, data.num_classes), dtype=np.int64)
    np.add.at(counts, (found.labels, found.probabilities.argmax(axis=1)), 1)
    return counts
