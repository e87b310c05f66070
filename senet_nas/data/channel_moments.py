"""Mean and standard deviation of each channel of the training samples, in double precision."""

import torch
from torch import Tensor

# Images whose levels are counted at once: bounds the memory that `moments` needs.
COUNTED_TOGETHER = 4096
# Least deviation of a channel, divided by 255: a constant channel must not divide by zero.
LEAST_DEVIATION_OF_IMAGES = 1e-6
LEAST_DEVIATION_OF_SIGNALS = 1e-30  # signals may be measured in volts or in microvolts


def moments(x: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of x (N, C, *spatial), divided by 255; computed in double."""
    if x.dtype == torch.uint8:
        mean_C, std_C = _moments_of_levels(x)
        least = LEAST_DEVIATION_OF_IMAGES
    else:
        flat = x.transpose(0, 1).flatten(1)
        mean_C = torch.stack([channel.double().mean() for channel in flat])
        std_C = torch.stack([channel.double().std(correction=0) for channel in flat])
        least = LEAST_DEVIATION_OF_SIGNALS
    return tuple((mean_C / 255).tolist()), tuple((std_C / 255).clamp(min=least).tolist())


# -- inside -----------------------------------------------------------------------------------------------------------


def _moments_of_levels(x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (C,) of uint8 images on the scale 0..255, from how often each of the 256 levels occurs."""
    counts_CV = torch.zeros(x_NCHW.shape[1], 256, dtype=torch.int64)
    for begin in range(0, len(x_NCHW), COUNTED_TOGETHER):
        counts_CV += _level_counts(x_NCHW[begin : begin + COUNTED_TOGETHER])
    double_CV = counts_CV.double()
    level_V = torch.arange(256).double()
    n = double_CV[0].sum()
    mean_C = double_CV @ level_V / n
    variance_C = (double_CV * (level_V - mean_C[:, None]).square()).sum(1) / n
    return mean_C, variance_C.sqrt()


def _level_counts(x_NCHW: Tensor) -> Tensor:
    """How often each of the 256 levels occurs in each channel: (C, 256)."""
    return torch.stack([torch.bincount(channel, minlength=256) for channel in x_NCHW.transpose(0, 1).flatten(1)])
