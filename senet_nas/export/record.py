"""``architecture.json``: which network an export holds, and how its inputs are prepared."""

import json
from collections.abc import Mapping, Sequence
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


def properties(record: Record) -> dict[str, str]:
    """How inputs are prepared and what the outputs mean, as texts (lists as JSON): the metadata of ONNX and MLflow."""
    wants = record["preprocessing"]
    dimensions = ", ".join(["N", *map(str, shape(record))])
    return {
        "input": f"float32 ({dimensions}), normalised: {FORMULA}",
        "output": f"logits (N, {len(record['classes'])})",
        "architecture": record["architecture"],
        "classes": json.dumps(record["classes"]),
        **{name: json.dumps(value) for name, value in wants.items() if name != "formula"},
    }


def write(folder: Path, record: Record) -> None:
    (folder / NAME).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read(folder: Path) -> Record:
    record: Record = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return record
