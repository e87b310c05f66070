"""Where the training images lie while a network trains: on the GPU if they fit, else in the memory of the host."""

from dataclasses import dataclass

import torch
from torch import Tensor

from senet_nas import gpus
from senet_nas.data.load import Data


@dataclass(frozen=True)
class Resident:
    """The training images and labels of ``source`` on a device."""

    source: Tensor
    device: str
    x: Tensor
    y: Tensor


def size(data: Data) -> int:
    """Bytes of the training images."""
    return data.x_train.numel() * data.x_train.element_size()


def is_resident(data: Data, device: str, share: float = 1.0) -> bool:
    """Whether the training images lie on the device that trains: in its memory, or for a CPU also in a mapped file."""
    if torch.device(device).type == "cpu":
        return True
    return gpus.holds_images(size(data), gpus.total_memory(device), share)


def training_images(data: Data, device: str, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """Training images and labels where they lie. On a GPU they are copied once for all trainings of this process."""
    if torch.device(device).type != "cuda" or not is_resident(data, device, share):
        return data.x_train, data.y_train
    kept = _KEPT.get("last")
    if kept is None or kept.source is not data.x_train or kept.device != device:
        _KEPT.clear()  # before the next ones are copied: both may not fit
        kept = _KEPT["last"] = Resident(data.x_train, device, data.x_train.to(device), data.y_train.to(device))
    return kept.x, kept.y


_KEPT: dict[str, Resident] = {}
