"""``architecture.json``: which network an export holds, and how its inputs are prepared."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from senet_nas.network.build import sites
from spaces import Architecture

NAME = "architecture.json"
SCALE = 1 / 255  # from a byte to the unit interval, the scale of mean and std
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
) -> Record:
    """The record of a network for inputs of ``input_shape``, (C, H, W) or (C, L)."""
    channels, *size = input_shape
    assert len(mean) == len(std) == channels, f"{channels} channels, {len(mean)} means, {len(std)} deviations"
    placed = zip(sites(architecture.backbone), architecture.blocks, strict=True)
    return {
        "schema": 1,
        "architecture": architecture.key,
        "sites": [{"site": site.name, "stage": site.stage, "se": str(se) if se else None} for site, se in placed],
        "preprocessing": {
            "formula": "(byte * scale - mean) / std",
            "channels": channels,
            "size": size,
            **({} if resize is None else {"resize": resize}),
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


def write(folder: Path, record: Record) -> None:
    (folder / NAME).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read(folder: Path) -> Record:
    record: Record = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return record
