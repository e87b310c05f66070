"""What a network returns, as tensors: one, or those in a mapping or a list, as segmenters and detectors return them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def tensors_of(output: Any) -> list[Tensor]:
    """The tensors of an output, in its order."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, Mapping | list | tuple):
        return []
    return [tensor for part in parts for tensor in tensors_of(part)]


def are_logits(output: Any, samples: int) -> bool:
    """Whether an output is one tensor (N, K): a number for each sample and class."""
    return isinstance(output, Tensor) and output.ndim == 2 and len(output) == samples
