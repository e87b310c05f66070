"""What a trained network predicts after static INT8 quantisation, by the quantiser of the runtime that is to run it."""

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from senet_nas.data.batches import normalise
from senet_nas.data.load import Data
from senet_nas.deploy.deployed import Forward, Wanted, calibration_images
from senet_nas.deploy.deploying import deploy
from senet_nas.deploy.paired_images import BATCH
from senet_nas.deploy.precisions import CPU, INT8
from senet_nas.quantised import Refused
from senet_nas.recipe import Task
from senet_nas.training import predictions
from senet_nas.training.predictions import Predictions
from senet_nas.training.quality_metrics import INT8_PREDICTIONS, Metric, metric_of


def metrics_of(task: Task) -> list[Metric]:
    """The metrics of a task that judge the network in INT8."""
    return [metric for metric in map(metric_of, task.metrics) if metric.precision == INT8]


def measured(network: nn.Module, data: Data, task: Task, weights: Path | None) -> Mapping[str, float]:
    """The INT8 metrics of a trained network on the validation images, by their columns; empty if the task has none.

    The predictions are written beside ``weights``, if there are any. Empty also if the runtime refuses the network and
    the task does not need them. Raises Refused if it does; UserError, OSError.
    """
    wanted = metrics_of(task)
    if not wanted or task.int8 is None:
        return {}
    try:
        seen = predicted(network, data, task, data.x_val, data.y_val)
    except Refused:
        if task.int8.is_needed:
            raise
        return {}
    if weights is not None:
        predictions.save(seen, weights.with_name(INT8_PREDICTIONS))
    return predictions.measured(seen, wanted)


def predicted(
    network: nn.Module, data: Data, task: Task, x: Tensor, y_N: Tensor, *, trained_on: Data | None = None
) -> Predictions:
    """The predictions of the INT8 form of ``network`` for images x (N, C, *spatial) as the data hold them.

    Evenly spaced training images calibrate it: those of ``trained_on`` where images are tested at another size than the
    network was trained on. It runs on the CPU with the threads of the task. The network itself does not change. Raises
    Refused, UserError.
    """
    seen = normalise(x[:1].to(CPU), data)
    form = quantised(network, trained_on or data, task, tuple(seen.shape[2:]))
    logits_NK = torch.cat([form(normalise(part, data)) for part in torch.split(x.to(CPU), BATCH)]).double()
    return Predictions(logits_NK.softmax(1).numpy(), y_N.cpu().numpy().astype(np.int64), tuple(data.classes))


def quantised(network: nn.Module, data: Data, task: Task, spatial: tuple[int, ...] = ()) -> Forward:
    """The forward pass of the INT8 form of ``network``, for normalised images. Raises Refused, UserError.

    ``spatial``: their (H, W), to which images of calibration are scaled; default: as the network is trained.
    """
    assert task.int8 is not None
    calibration = normalise(calibration_images(data.x_train).to(CPU), data).contiguous()
    if spatial and tuple(calibration.shape[2:]) != spatial:
        calibration = functional.interpolate(calibration, size=spatial, mode="bilinear")
    wanted = Wanted(tuple(calibration.shape[1:]), INT8, batch=0, threads=task.threads, calibration=calibration)
    return deploy(copy.deepcopy(network).to(CPU), task.int8.runtime, wanted).open(0)
