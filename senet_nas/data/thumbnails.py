"""Images of a data set as small pictures that a page can hold."""

import base64
import io

import torch
from PIL import Image
from torch import Tensor

# The longest side of a picture in pixels, and up to which side it is stored without loss.
SIDE = 64
LOSSLESS = 32


def thumbnail(x_CHW: Tensor) -> str | None:
    """The ``data:`` address of an image (C, H, W) of type uint8; None for signals, which are no picture.

    Of other than 3 channels it shows the first one in grey.
    """
    if x_CHW.dtype != torch.uint8 or x_CHW.ndim != 3:
        return None
    pixels = x_CHW.permute(1, 2, 0) if len(x_CHW) == 3 else x_CHW[0]
    image = Image.fromarray(pixels.contiguous().numpy())
    image.thumbnail((SIDE, SIDE))
    kind = "PNG" if max(image.size) <= LOSSLESS else "JPEG"
    out = io.BytesIO()
    image.save(out, kind, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"
