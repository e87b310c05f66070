"""Metrics and losses of a network on labelled images, and how far its SE gates are open."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas.data.batches import normalise
from senet_nas.data.load import Data
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.training import precision
from senet_nas.training.predictions import Predictions

# A batch has at most this many images and this many numbers: for 332 images of 224 x 224 pixels, the largest feature
# map of a ResNet-50 takes 1.1 GB.
EVALUATION_BATCH = 1000
EVALUATION_SIZE = 50_000_000
# A gate below the first value blocks its channel almost entirely; one above the second hardly changes it.
SATURATED = (0.05, 0.95)


@dataclass(frozen=True)
class Validation:
    """Accuracy in percent, mean log-loss and Brier score of images, and which of them (N,) are classified correctly.

    The Brier score is the mean over images of sum_k (p_k - [k is the label])^2, from 0 to 2 (Brier 1950). ``gates``
    holds ``gate_mean`` and ``gate_saturation``, the share of saturated gates; it is empty for a network without SE.
    ``predictions`` are there if they were asked for.
    """

    accuracy: float
    log_loss: float
    brier: float
    correct: Tensor
    gates: dict[str, float]
    predictions: Predictions | None = None


def batch_size(shape: tuple[int, ...]) -> int:
    """The number of images of a shape (C, *spatial) that are validated at once."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_SIZE // math.prod(shape)))


def validate(
    model: nn.Module, x: Tensor, y: Tensor, data: Data, *, device: str = "cpu", keeps: bool = False
) -> Validation:
    """The validation of ``model`` on images x (N, C, *spatial) with labels y (N,), in float32 without TF32.

    The model is in eval mode afterwards. ``keeps``: with the predictions.
    """
    model.eval()
    hits: list[Tensor] = []
    losses: list[Tensor] = []
    squares: list[Tensor] = []
    probabilities: list[Tensor] = []
    n = batch_size(data.shape)
    with torch.inference_mode(), precision.exact(), _watched_gates(model) as gates:
        for begin in range(0, len(y), n):
            part = slice(begin, begin + n)
            labels_N = y[part].to(device)
            logits_NK = model(normalise(x[part].to(device), data))
            hits.append(logits_NK.argmax(1) == labels_N)
            losses.append(F.cross_entropy(logits_NK, labels_N, reduction="sum"))
            probabilities_NK = logits_NK.float().softmax(1)
            if keeps:
                probabilities.append(probabilities_NK.cpu())
            errors_NK = probabilities_NK - F.one_hot(labels_N, logits_NK.shape[1])
            squares.append(errors_NK.square().sum())
    correct_N = torch.cat(hits).cpu()
    return Validation(
        accuracy=100 * float(correct_N.double().mean()),
        log_loss=float(sum(losses)) / len(y),
        brier=float(sum(squares)) / len(y),
        correct=correct_N,
        gates=_gate_summary(gates),
        predictions=_predictions(probabilities, y, data) if keeps else None,
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _predictions(probabilities: list[Tensor], y: Tensor, data: Data) -> Predictions:
    labels_N = y.cpu().numpy().astype(np.int64)
    return Predictions(torch.cat(probabilities).numpy(), labels_N, tuple(data.classes))


@contextmanager
def _watched_gates(model: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """A list that collects, for every SE block and batch, the mean of the gate's values and their saturated share."""
    seen: list[tuple[Tensor, Tensor]] = []

    def look(_module: nn.Module, _inputs: Any, gate_NC: Tensor) -> None:
        low, high = SATURATED
        seen.append((gate_NC.mean(), ((gate_NC < low) | (gate_NC > high)).float().mean()))

    se_blocks = [module for module in model.modules() if isinstance(module, SqueezeExcitation)]
    handles = [block.gate.register_forward_hook(look) for block in se_blocks]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _gate_summary(gates: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    if not gates:
        return {}
    means, saturations = zip(*gates, strict=True)
    return {
        "gate_mean": float(torch.stack(means).mean()),
        "gate_saturation": float(torch.stack(saturations).mean()),
    }
