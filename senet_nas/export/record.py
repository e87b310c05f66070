"""``architecture.json``: which network an export holds, and how its inputs are prepared."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from senet_nas.network.build import sites
from spaces import Architecture

NAME = "architecture.json"
SCALE = 1 / 255  # from a byte to the unit interval, the scale of mean and std
FORMULA = "(byte * scale - mean) / std"
Record = Mapping[str, Any]


def describe(
    architecture: Architecture,
    *,
    input_shape: tuple[int, ...],
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    extra: Mapping[str, Any],
    resize: int | None,
    white: float,
) -> Record:
    """The record of a network for inputs of ``input_shape``, (C, H, W) or (C, L).

    ``white``: the level of image files with more than one byte per value that becomes the byte 255.
    """
    channels, *size = input_shape
    assert len(mean) == len(std) == channels, f"{channels} channels, {len(mean)} means, {len(std)} deviations"
    placed = zip(sites(architecture.backbone), architecture.blocks, strict=True)
    return {
        "schema": 1,
        "architecture": architecture.key,
        "sites": [{"site": site.name, "stage": site.stage, "se": str(se) if se else None} for site, se in placed],
        "preprocessing": {
            "formula": FORMULA,
            "channels": channels,
            "size": size,
            **({} if resize is None else {"resize": resize}),
            "range": [0.0, float(white)],
            "scale": SCALE,
            "mean": [float(value) for value in mean],
            "std": [float(value) for value in std],
        },
        "classes": [str(name) for name in classes],
        "extra": dict(extra),
    }


def shape(record: Record) -> tuple[int, ...]:
    """(C, H, W) or (C, L) of one input."""
    return (record["preprocessing"]["channels"], *record["preprocessing"]["size"])


def takes_image_files(input_shape: tuple[int, ...]) -> bool:
    """Whether inputs (C, H, W) or (C, L) come from image files: those of 1 or 3 channels. Others come from arrays."""
    return len(input_shape) == 3 and input_shape[0] in (1, 3)


def steps(record: Record) -> str:
    """How a file becomes an input, in formulas with the numbers of this network: all that another program needs."""
    wants = record["preprocessing"]
    axes = ", ".join(["N", *map(str, shape(record))])
    normal = (
        f"per channel x = (byte * {wants['scale']!r} - mean) / std with mean = {json.dumps(wants['mean'])} and "
        f"std = {json.dumps(wants['std'])}",
        f"float32 with axes ({axes})",
    )
    if not takes_image_files(shape(record)):
        return _numbered((normal[0].replace("byte", "value"), normal[1]))
    return _numbered((*_to_bytes(wants), *normal))


def properties(record: Record) -> dict[str, str]:
    """How inputs are prepared and what the outputs mean, as texts (lists as JSON): the metadata of ONNX and MLflow."""
    wants = record["preprocessing"]
    dimensions = ", ".join(["N", *map(str, shape(record))])
    return {
        "input": f"float32 ({dimensions}), normalised: {FORMULA}",
        "output": f"logits (N, {len(record['classes'])})",
        "preprocessing": steps(record),
        "architecture": record["architecture"],
        "classes": json.dumps(record["classes"]),
        **{name: json.dumps(value) for name, value in wants.items() if name != "formula"},
    }


def _to_bytes(wants: Record) -> Iterator[str]:
    """How an image file becomes bytes of the size of an input, as steps in words and formulas."""
    height, width = wants["size"]
    side = wants.get("resize") or max(height, width)
    low, high = (f"{level:.0f}" for level in wants["range"])
    yield "turn the image upright (EXIF orientation)"
    yield (
        f"if the file has more than 8 bits per value: byte = round(255 * (value - {low}) / ({high} - {low})), halves "
        "to even; otherwise byte = value"
    )
    yield "convert to grey (ITU-R 601)" if wants["channels"] == 1 else "convert to RGB"
    yield f"cut out the middle square and resize it to {side} x {side} (Pillow's BILINEAR, which averages to shrink)"
    if (side, side) != (height, width):
        yield f"cut out the middle {height} x {width}"


def _numbered(parts: Sequence[str]) -> str:
    return "; ".join(f"{number}. {part}" for number, part in enumerate(parts, start=1))


def write(folder: Path, record: Record) -> None:
    (folder / NAME).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read(folder: Path) -> Record:
    record: Record = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return record
