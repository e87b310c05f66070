"""A network run without values, on torch's meta device, to see the shapes that pass through it."""

import copy
import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from senet_nas import user_code
from senet_nas.network.backbones.table import KEY
from senet_nas.user_code import evaluating
from spaces.errors import UserError

META_HINT = (
    "this run has no values (torch's meta device): make tensors on the input's device, and do not decide by values, "
    "because such a network has no fixed costs and cannot be exported"
)
# Usual sides of inputs, tried in order. A network may be made for one side, or for a large one.
_SIDES = (224, 64, 299, 32, 28, 96, 128, 256, 384, 240, 160, 288)


def shadow_of(made: nn.Module) -> nn.Module:
    """A copy without values, in evaluation mode; the values are not copied for it."""
    known: dict[int, object] = {}
    for tensor in itertools.chain(made.parameters(), made.buffers()):
        empty = torch.empty_like(tensor, device="meta")
        is_parameter = isinstance(tensor, nn.Parameter)
        known[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return evaluating(copy.deepcopy(made, known).to("meta"))


def dimensions(network: nn.Module) -> int:
    """The number of spatial dimensions of the inputs: those of the first convolution, else 2."""
    first = next((layer for layer in network.modules() if isinstance(layer, _ConvNd)), None)
    return len(first.kernel_size) if first is not None else 2


def shapes(network: nn.Module, in_channels: int) -> Iterator[tuple[int, ...]]:
    """Shapes of inputs to try, the likely ones first."""
    first = next((layer for layer in network.modules() if isinstance(layer, _ConvNd)), None)
    channels = first.in_channels if first is not None else in_channels
    yield from ((1, channels, *[side] * dimensions(network)) for side in _SIDES)


def error(network: nn.Module, shape: tuple[int, ...], device: str = "meta") -> BaseException | None:
    """What a forward pass on zeros raises; None if it passes."""
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), user_code.staying():
            network(torch.zeros(shape, device=device))
    except (Exception, SystemExit) as problem:  # the user's code may throw anything
        return problem
    return None


def explained(made: nn.Module, shadow: nn.Module, tried: Sequence[tuple[int, ...]]) -> UserError:
    """Why a network does not run on the meta device: the error of a run with zeros, or that it runs with values only.

    A message of the meta device may speak of it instead of the mistake, so the network runs once more on the CPU.
    """
    real = evaluating(copy.deepcopy(made))
    problems: list[BaseException] = []
    for shape in tried:
        problem = error(real, shape, "cpu")
        if problem is None:
            values_wanted = error(shadow, shape)
            assert values_wanted is not None, "this shape failed before"
            return _not_run(made, values_wanted, META_HINT)
        if problems and user_code.named(problem) == user_code.named(problems[0]):
            break  # the mistake does not depend on the size
        problems.append(problem)
    return _not_run(made, problems[0], f"it was called with a tensor {tried[0]}")


def _not_run(made: nn.Module, problem: BaseException, hint: str) -> UserError:
    why = user_code.placed(problem, [user_code.file_of(type(made).forward)])
    return UserError(f"the network cannot be run to find its channels: {why}", hint=hint, key=KEY)
