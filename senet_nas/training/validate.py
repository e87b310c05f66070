"""Metrics and losses of a network on labelled images, and how far its SE gates are open."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas.data.batches import normalised_by, scale
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

# Computes the fields of Scores from images x (N, C, *spatial) and labels y (N,).
Score = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


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
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    data: Data,
    *,
    device: str = "cpu",
    keeps: bool = False,
    score: Score | None = None,
) -> Validation:
    """The validation of ``model`` on images x (N, C, *spatial) with labels y (N,), in float32 without TF32.

    The model is in eval mode afterwards. ``keeps``: with the predictions. ``score`` computes the scores of a batch as
    :func:`scorer` does.
    """
    model.eval()
    score = score or scorer(model, data, device)
    hits: list[Tensor] = []
    losses: list[Tensor] = []
    squares: list[Tensor] = []
    gates: list[Tensor] = []
    probabilities: list[Tensor] = []
    n = batch_size(data.shape)
    with torch.inference_mode(), precision.exact():
        for begin in range(0, len(y), n):
            part = slice(begin, begin + n)
            scores = Scores(*score(x[part], y[part]))
            hits.append(scores.hits)
            losses.append(scores.losses)
            squares.append(scores.squares)
            gates.append(scores.gates)
            if keeps:
                probabilities.append(scores.probabilities.cpu())
    correct_N = torch.cat(hits).cpu()
    return Validation(
        accuracy=100 * float(correct_N.double().mean()),
        log_loss=float(sum(losses)) / len(y),
        brier=float(sum(squares)) / len(y),
        correct=correct_N,
        gates=_gate_summary(torch.cat(gates)),
        predictions=_predictions(probabilities, y, data) if keeps else None,
    )


class Scores(NamedTuple):
    """The scores of a batch: which images are classified correctly (N,), probabilities (N, K), the sums of log-losses
    and of squared errors, and of each SE block the mean of its gates and their saturated share (G, 2)."""

    hits: Tensor
    probabilities: Tensor
    losses: Tensor
    squares: Tensor
    gates: Tensor


def scorer(model: nn.Module, data: Data, device: str) -> Score:
    """Computes the scores of batches. What it needs beside a batch lies on the device, so that it can be captured."""
    mean, std = scale(data.mean, data.std, torch.device(device), data.x_val.ndim)

    def score(x: Tensor, y_N: Tensor) -> Scores:
        labels_N = y_N.to(device)
        with _watched_gates(model) as gates:
            logits_NK = model(normalised_by(x.to(device), data, mean, std))
        probabilities_NK = logits_NK.float().softmax(1)
        errors_NK = probabilities_NK - F.one_hot(labels_N, logits_NK.shape[1])
        return Scores(
            logits_NK.argmax(1) == labels_N,
            probabilities_NK,
            F.cross_entropy(logits_NK, labels_N, reduction="sum"),
            errors_NK.square().sum(),
            torch.stack(gates) if gates else torch.empty(0, 2, device=device),
        )

    return score


# -- inside -----------------------------------------------------------------------------------------------------------


def _predictions(probabilities: list[Tensor], y: Tensor, data: Data) -> Predictions:
    labels_N = y.cpu().numpy().astype(np.int64)
    return Predictions(torch.cat(probabilities).numpy(), labels_N, tuple(data.classes))


@contextmanager
def _watched_gates(model: nn.Module) -> Iterator[list[Tensor]]:
    """A list that collects, for every SE block, the mean of the gate's values and their saturated share (2,)."""
    seen: list[Tensor] = []

    def look(_module: nn.Module, _inputs: Any, gate_NC: Tensor) -> None:
        low, high = SATURATED
        seen.append(torch.stack([gate_NC.mean(), ((gate_NC < low) | (gate_NC > high)).float().mean()]))

    se_blocks = [module for module in model.modules() if isinstance(module, SqueezeExcitation)]
    handles = [block.gate.register_forward_hook(look) for block in se_blocks]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _gate_summary(gates: Tensor) -> dict[str, float]:
    """The means over SE blocks and batches of what was collected (G, 2)."""
    if not len(gates):
        return {}
    mean, saturation = gates.T.contiguous().mean(1)
    return {"gate_mean": float(mean), "gate_saturation": float(saturation)}
