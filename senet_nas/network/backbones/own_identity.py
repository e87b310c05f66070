"""What makes a network of the user's own the same network: its shapes and its behaviour, measured in numbers."""

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from senet_nas.network.backbones import own
from senet_nas.network.backbones.own import seeded
from senet_nas.network.backbones.table import KEY
from senet_nas.network.outputs import tensors_of
from senet_nas.network.squeeze_excitation import Slot
from senet_nas.network.surgery.as_published import published_of
from senet_nas.user_code import evaluating, in_training
from spaces.errors import UserError

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


def check_plain(name: str, *, shape: tuple[int, ...], num_classes: int) -> None:
    """Raises UserError if plain computes something else than the network as the user's function makes it.

    Both run on inputs of a shape (C, ...), in evaluation and in training mode. Attention that was taken out of plain is
    left out of the other, too.
    """
    plain = own.network(name, in_channels=shape[0], num_classes=num_classes)
    removed = [path for path in published_of(plain).paths if path]

    def theirs() -> nn.Module:
        made = own.as_returned(name, in_channels=shape[0], num_classes=num_classes)
        for path in removed:
            made.set_submodule(path, nn.Identity())
        return made

    path = _first_difference(theirs(), plain, shape)
    if path is None or _first_difference(theirs(), theirs(), shape) is not None:
        return  # a network that differs from itself cannot be compared
    raise UserError(
        f"plain computes something else than {name.partition('@')[0]}, from `{path or type(plain).__name__}` on: "
        "torch.fx did not see what a forward does",
        hint="do not ask for types (`isinstance`) in a forward, or name modules in model.sites",
        key=KEY,
    )


def _first_difference(one: nn.Module, other: nn.Module, shape: tuple[int, ...]) -> str | None:
    """The path of the first module whose output differs between networks with modules of the same paths, if one does.

    They run in evaluation and, after it, in training mode.
    """
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    for mode in (evaluating, in_training):
        first, second = (_outputs(mode(network), x) for network in (one, other))
        for path, value in first.items():
            if path in second and not torch.allclose(value, second[path], 1e-3, 1e-5, equal_nan=True):
                return path
    return None


def _outputs(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The tensor that each module returns in its last call, in the order in which they end.

    Of a network that needs targets in training mode, those up to there.
    """
    found: dict[str, Tensor] = {}

    def note(path: str, _module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor):
            found[path] = output.clone()

    modules = [(path, module) for path, module in network.named_modules() if not isinstance(module, Slot)]
    handles = [module.register_forward_hook(functools.partial(note, path)) for path, module in modules]
    # Of what is wrong, own_output says what it is. Here both networks stop at one place.
    with torch.no_grad(), seeded(0), contextlib.suppress(Exception):
        network(x)
    for handle in handles:
        handle.remove()
    return found


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
