"""The text of ``model.py``: the source of a network, ``normalise`` and ``load``, without this project."""

from typing import Any

from torch import nn

from senet_nas.export.record import Record
from senet_nas.export.source import source

_MODULE = '''"""{backbone} with Squeeze-and-Excitation in {used} of its {total} units.

Needs torch and safetensors, nothing else:

    from model import load, normalise

    network = load()                       # with the weights beside this file, in eval mode
    logits = network(normalise(images))    # {samples} (N, {shape}) -> logits (N, {n_classes})

The classes' names, and what stands in which unit, are in architecture.json.
"""

{ordered}from pathlib import Path

import torch
{functional}from safetensors.torch import load_file
from torch import nn

MEAN = {mean}
STD = {std}


{classes}


def normalise(images):
    """{samples} (N, {shape}) on the scale 0..255 -> the network's inputs: less MEAN, divided by STD, both of 0..1."""
    mean, std = (255 * torch.tensor(values, device=images.device).view({ones}) for values in (MEAN, STD))
    return (images.float() - mean) / std


def load(directory=Path(__file__).parent):
    """The trained network, in eval mode, on the CPU."""
    network = Network()
    network.load_state_dict(load_file(Path(directory) / "model.safetensors"))
    network.eval()
    return network
'''


# Of a network whose Python source cannot be written.
_PROGRAM = '''"""{backbone} with Squeeze-and-Excitation in {used} of its {total} units, loaded from model.pt2.

model.pt2 is a torch.export program, because Python source cannot be written ({why}). Needs torch only:

    from model import load, normalise

    network = load()                       # for inference
    logits = network(normalise(images))    # {samples} (N, {shape}) -> logits (N, {n_classes})
"""

from pathlib import Path

import torch

MEAN = {mean}
STD = {std}


{normalise}
def load(directory=Path(__file__).parent):
    """The trained network for inference, on the CPU."""
    return torch.export.load(Path(directory) / "model.pt2").module()
'''
_NORMALISE = _MODULE[_MODULE.index("def normalise(") : _MODULE.index("def load(")]


def code(network: nn.Module, record: Record) -> str:
    """The text of ``model.py`` for a network and its record."""
    classes = source(network)
    return _MODULE.format(
        **_facts(record),
        functional="import torch.nn.functional as F\n" if " F." in classes else "",
        ordered="from collections import OrderedDict\n" if "OrderedDict(" in classes else "",
        classes=classes,
    )


def program_code(record: Record, why: str) -> str:
    """The text of a ``model.py`` that loads ``model.pt2``; ``why`` says why it does not hold the source."""
    facts = _facts(record)
    words = why.replace("\\", "/").replace('"', "'")
    return _PROGRAM.format(**facts, why=words, normalise=_NORMALISE.format(**facts))


def _facts(record: Record) -> dict[str, Any]:
    """What both forms say about the network and its input."""
    preprocessing = record["preprocessing"]
    return {
        "backbone": record["architecture"].partition("/")[0],
        "used": sum(site["se"] is not None for site in record["sites"]),
        "total": len(record["sites"]),
        "samples": "images: uint8" if len(preprocessing["size"]) == 2 else "signals: float32",
        "shape": ", ".join(str(size) for size in (preprocessing["channels"], *preprocessing["size"])),
        "n_classes": len(record["classes"]),
        "ones": ", ".join(["1", "-1", *["1"] * len(preprocessing["size"])]),
        "mean": preprocessing["mean"],
        "std": preprocessing["std"],
    }
