"""What makes a network of the user's own the same network: its shapes and its behaviour, measured in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from senet_nas.network.backbones.own import seeded
from senet_nas.network.outputs import tensors_of
from senet_nas.user_code import evaluating, in_training

# Numbers that are kept of each output.
_KEPT = 64


@dataclass(frozen=True)
class Measured:
    """``shapes``: of the state dict by name. ``outputs``: numbers that follow from weights, layers and seed.

    ``trainable``: the names of the parameters that get a gradient.
    """

    shapes: Mapping[str, tuple[int, ...]]
    outputs: tuple[float, ...]
    trainable: tuple[str, ...]


def measure(network: nn.Module, shape: tuple[int, ...]) -> Measured:
    """What a network does with a fixed input (C, ...) under a fixed seed. The network is changed by it.

    In evaluation and, before that, in training mode, where dropout and normalisation show.
    """
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        trained = _trained(network, x)
        with seeded(0):
            evaluated = evaluating(network)(x)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return Measured(shapes, (*_numbers(trained), *_numbers(evaluated)), _trainable(network, x))


def _trained(network: nn.Module, x: Tensor) -> Any:
    """The output in training mode; None of a network that needs targets there, as torchvision's detectors do."""
    try:
        with seeded(0):
            return in_training(network)(x)
    except Exception:  # what we train was run in training mode before, so it is a network that the user's code trains
        return None


def _trainable(network: nn.Module, x: Tensor) -> tuple[str, ...]:
    """The parameters that a training changes: neither frozen nor cut off from the output, as by ``detach``."""
    network.zero_grad(set_to_none=True)
    outputs = [output for output in tensors_of(_trained(network, x)) if output.requires_grad]
    if outputs:
        torch.autograd.backward([output.sum() for output in outputs])
    return tuple(sorted(name for name, value in network.named_parameters() if value.grad is not None))


def _numbers(output: Any) -> list[float]:
    """The first numbers of each tensor of an output."""
    return [float(value) for tensor in tensors_of(output) for value in tensor.flatten()[:_KEPT].double()]
