"""The number format in which a training computes, and what goes with it: autocast, a scaler of losses, TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from senet_nas import gpus
from senet_nas.recipe import Recipe

FORMATS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def chosen(recipe: Recipe, device: str) -> torch.dtype | None:
    """The format of forward and backward pass; None is float32. Weights, their updates and validation are in float32.

    ``auto`` on a GPU: bfloat16 where it computes in it itself, else float16 with a scaler.
    """
    if recipe.precision != "auto":
        return FORMATS[recipe.precision]
    if torch.device(device).type != "cuda":
        return None
    return torch.bfloat16 if gpus.has_native_bfloat16() else torch.float16


def scaler(dtype: torch.dtype | None, device: str) -> torch.amp.GradScaler | None:
    """Multiplies losses, so that gradients do not vanish in float16; None for formats that need none.

    Source: Micikevicius et al., arXiv 1710.03740. Everything stays on the device, so no step waits for it.
    """
    if dtype != torch.float16:
        return None
    return torch.amp.GradScaler(torch.device(device).type)


@contextmanager
def exact() -> Iterator[None]:
    """A context in which a GPU computes float32 in float32. By default it rounds factors of convolutions (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
