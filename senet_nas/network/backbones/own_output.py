"""Whether a network of the user's own can be trained on the data: tried on a few inputs before the first training."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from senet_nas import user_code
from senet_nas.network.backbones.table import KEY
from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation
from senet_nas.network.surgery.meta_run import META_HINT
from senet_nas.user_code import evaluating, in_training
from spaces.errors import UserError
from spaces.text import plural


def check(network: nn.Module, target: str, shape: tuple[int, ...], num_classes: int) -> None:
    """Raises UserError if a network, plain or with SE, cannot be trained on inputs of this shape (C, ...).

    It must return a finite tensor (N, num_classes) that follows from the input and from parameters that can be trained.
    The network is not changed.
    """
    tried = copy.deepcopy(network)
    if not any(parameter.requires_grad for parameter in tried.parameters()):
        what = "are all frozen (requires_grad is False)" if list(tried.parameters()) else "do not exist"
        raise UserError(f"the parameters of {target} {what}, so nothing can be trained", key=KEY)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _check_evaluation(evaluating(tried), target, x, num_classes)
        _check_training(in_training(tried), target, x[:2], num_classes)
    _check_counting(evaluating(tried.to("meta")), target, shape)


def check_run(network: nn.Module, target: str, shape: tuple[int, ...]) -> None:
    """Raises UserError if a network that the user's code trains does not run on inputs of this shape (C, ...).

    It may return anything, but uses each place for SE once. The network is not changed.
    """
    tried = copy.deepcopy(network)
    reached = _note_slots(tried)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        _called(evaluating(tried), target, torch.randn(2, *shape))
    _check_reached(reached, target, 1)


def _check_evaluation(network: nn.Module, target: str, x: Tensor, num_classes: int) -> None:
    reached = _note_slots(network)
    with torch.no_grad():
        found = [_called(network, target, x) for _ in range(2)]
        _check_logits(found[0], target, len(x), num_classes, "")
    if not torch.equal(found[0], found[1]):
        raise UserError(
            f"{target} gives two outputs for the same input in evaluation mode",
            hint="use self.training, or torch.nn.Dropout, for what is random",
            key=KEY,
        )
    _check_reached(reached, target, len(found))


def _check_reached(reached: Mapping[str, int], target: str, passes: int) -> None:
    """Raises UserError if a place for SE was not used once in each pass."""
    for path, calls in reached.items():
        if calls != passes:
            used = f"used {plural(calls // passes, 'time')}" if calls else "not used"
            hint = "give each use a place of its own" if calls else ""
            raise UserError(f"{target}: the place for SE at `{path}` is {used} in a forward pass", hint=hint, key=KEY)


def _check_training(network: nn.Module, target: str, x: Tensor, num_classes: int) -> None:
    logits_NK = _called(network, target, x)
    _check_logits(logits_NK, target, len(x), num_classes, " in training mode")
    if not logits_NK.requires_grad:
        raise UserError(f"the output of {target} does not depend on a parameter that can be trained", key=KEY)
    try:
        loss = nn.functional.cross_entropy(logits_NK, torch.zeros(len(x), dtype=torch.long))
        torch.autograd.backward(loss)
    except Exception as error:  # the user's layers may throw anything
        raise UserError(f"{target} cannot be trained: {user_code.placed(error)}", key=KEY) from error


def _check_counting(network: nn.Module, target: str, shape: tuple[int, ...]) -> None:
    """Raises UserError if a network on the meta device does not run there, where costs and memory are counted."""
    try:
        torch.autograd.backward(network(torch.zeros(2, *shape, device="meta")).sum())
    except Exception as error:  # the user's code may throw anything
        told = user_code.thrown(target, type(network).forward, error)
        raise UserError(f"the costs cannot be counted: {told}", hint=META_HINT, key=KEY) from error


def _note_slots(network: nn.Module) -> Mapping[str, int]:
    """How often each slot and SE block is called from now on, by its path."""
    calls: dict[str, int] = {}
    for path, module in network.named_modules():
        if isinstance(module, Slot | SqueezeExcitation):
            calls[path] = 0

            def count(_module: nn.Module, _inputs: tuple[Tensor, ...], path: str = path) -> None:
                calls[path] += 1

            module.register_forward_pre_hook(count)
    return calls


def _called(network: nn.Module, target: str, x: Tensor) -> Any:
    try:
        return network(x)
    except Exception as error:  # the user's code may throw anything
        told = user_code.thrown(target, type(network).forward, error)
        raise UserError(told, hint=f"it was called with a tensor {tuple(x.shape)}", key=KEY) from error


def _check_logits(found: Any, target: str, n: int, num_classes: int, when: str) -> None:
    """Raises UserError if this is not a finite tensor (n, num_classes)."""
    fault = _kind(found, n)
    if not fault and tuple(found.shape) != (n, num_classes):
        fault = f"({', '.join(['N', *map(str, found.shape[1:])])})"
    if not fault and not found.isfinite().all():
        fault = "NaN or infinity for finite inputs"
    if fault:
        raise UserError(
            f"{target} returns {fault}{when}, the data have {num_classes} classes",
            hint=f"return one finite tensor (N, {num_classes}); a function that takes `num_classes` is called with it",
            key=KEY,
        )


def _kind(found: Any, n: int) -> str:
    """What was returned if it is no tensor of real numbers with n rows; empty if it is one."""
    if isinstance(found, tuple | list):
        return f"a {type(found).__name__} of {len(found)}"
    if not isinstance(found, Tensor):
        return f"{type(found).__name__}"
    if not found.is_floating_point():
        return f"numbers of type {str(found.dtype).removeprefix('torch.')}"
    if found.ndim == 0 or len(found) != n:
        return f"a tensor {tuple(found.shape)} for {n} inputs"
    return ""
