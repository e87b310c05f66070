"""Recipes for tests of batches, files, resumption and devices: each option that draws at random, and all at once."""

from dataclasses import fields

from senet_nas.recipe import Recipe

# What stays the same from epoch to epoch: tested where it is used.
STEADY = {
    "epochs",
    "batch_size",
    "lr",
    "backbone_lr",
    "freeze",
    "momentum",
    "nesterov",
    "weight_decay",
    "schedule",
    "milestones",
    "warmup",
    "label_smoothing",
    "precision",
    "ema",
    "cudagraph",
}
OPTIONS = {
    "none": {"flip": False, "crop": 0},
    "flip": {"flip": True},
    "crop": {"crop": 2},
    "random size": {"crop_area": 0.3, "crop_ratio": 1.5},
    "rotation": {"rotation": 15.0},
    "jitter": {"jitter": 0.3},
    "shift": {"shift": 20},
    "cutout": {"cutout": 3},
    "balanced": {"sampling": "balanced"},
    "balance": {"balance": "sampling"},
    "random size, turned": {"crop_area": 0.3, "rotation": 15.0},
    "all": {
        "flip": True,
        "crop_area": 0.08,
        "rotation": 10.0,
        "jitter": 0.2,
        "shift": 20,
        "cutout": 2,
        "sampling": "balanced",
    },
}


def chance() -> set[str]:
    """The settings of a recipe that draw by chance."""
    return {field.name for field in fields(Recipe)} - STEADY


def covered() -> set[str]:
    return {name for options in OPTIONS.values() for name in options}
