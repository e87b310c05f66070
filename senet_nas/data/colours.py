"""The channels of images that come as arrays: grey or colour, as ``data.color`` asks for them."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from senet_nas.data.raw import Raw
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.data.raw import Labelled

CHANNELS = {"rgb": 3, "grey": 1}
# The weights of red, green and blue in grey, of 65,536 (ITU-R BT.601): those with which image files become grey.
LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)


def coloured(raw: Raw, spec: DataSpec) -> Raw:
    """The images with the channels that the spec asks for: grey ones three times, colour ones as grey.

    ``auto`` leaves them as they are. Raises UserError for signals and for images of other channels.
    """
    if spec.color == "auto":
        return raw
    for name, (x, _) in raw.sets.items():
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] not in CHANNELS.values():
            raise UserError(
                f"{spec.dataset} has no colours: its {name} set is {x.dtype} of shape {x.shape}",
                hint="remove data.color; it applies to images",
                key="data.color",
            )
    sets = {name: _coloured(labelled, CHANNELS[spec.color]) for name, labelled in raw.sets.items()}
    return replace(raw, train=sets["train"], validation=sets.get("validation"), test=sets.get("test"))


# -- inside -----------------------------------------------------------------------------------------------------------


def _coloured(labelled: "Labelled", channels: int) -> "Labelled":
    x_NHWC, y_N = labelled
    if x_NHWC.shape[-1] == channels:
        return labelled
    levels: NDArray[np.uint8]
    if channels == 3:
        levels = np.repeat(x_NHWC, 3, axis=-1).astype(np.uint8)
        return levels, y_N
    levels = ((x_NHWC.astype(np.uint32) @ LUMA + 0x8000) >> 16).astype(np.uint8)
    return levels[..., None], y_N
