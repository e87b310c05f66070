"""``plugins.txt``: the ``plugins`` lines that build an exported placement in a ResNet of OpenMMLab.

mmcv builds a plugin behind the first, second or third convolution of every bottleneck of a stage, norm and activation
included (``Bottleneck`` of mmdetection, mmsegmentation and others). Its basic units take none. It has no plugin for SE,
so the file holds classes that are to be registered.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from senet_nas.export.record import Record, shape
from senet_nas.export.source import sources
from senet_nas.network.backbones.table import TIMM
from senet_nas.network.build import units
from senet_nas.network.squeeze_excitation import slot_name
from spaces import SE, Architecture

NAME = "plugins.txt"
# Of ours and of timm, without a tag, the networks that OpenMMLab builds with the same layers and the same names.
BACKBONES = {
    **{f"resnet{depth}": f"type='ResNet', depth={depth}" for depth in (18, 34, 50, 101, 152)},
    **{f"resnet{depth}_v1": f"type='ResNet', depth={depth}, style='caffe'" for depth in (50, 101, 152)},
    **{
        f"resnext{depth}_{groups}x{width}d": f"type='ResNeXt', depth={depth}, groups={groups}, base_width={width}"
        for depth, groups, width in ((50, 32, 4), (101, 32, 4), (101, 32, 8), (101, 64, 4))
    },
}
# Where a plugin is, by our position.
POSITIONS = {"pre_addition": "after_conv3", "mid": "after_conv2"}
_TEXT = """# {title} with this placement, for the detectors and segmenters of OpenMMLab.
#
# Put the classes into a module that `custom_imports` of your config names, and `backbone` into the config.
# With the weights of model.safetensors it computes what the exported network does up to its classifier: all names are
# those of the file, which has `fc` in addition.

import torch
{functional}from mmengine.registry import MODELS
from torch import nn


{classes}


{registered}


backbone = dict(
    {backbone},
    plugins=[
{lines}
    ],
)
"""
_REGISTERED = """@MODELS.register_module()
class {name}({base}):
    _abbr_ = "{position}"  # its name in a unit

    def __init__(self, in_channels):
        super().__init__()"""


def write(network: nn.Module, record: Record, folder: Path) -> str:
    """Writes ``plugins.txt`` for a ResNet that OpenMMLab has. Returns why it cannot express the placement, else "".

    Nothing is written, and nothing said, of other networks and of plain.
    """
    architecture = Architecture.parse(record["architecture"])
    name = re.split(r"[.@]", architecture.backbone.removeprefix(TIMM))[0]
    if name not in BACKBONES or architecture.is_plain:
        return ""
    stages = _stages(network, architecture)
    if problem := _problem(stages, network):
        return problem
    (folder / NAME).write_text(_text(network, record, name, stages), encoding="utf-8")
    return ""


def _stages(network: nn.Module, architecture: Architecture) -> list[list[SE | None]]:
    """The SE of the units of each stage."""
    stages: dict[int, list[SE | None]] = {}
    for (_, stage, _), se in zip(units(network), architecture.blocks, strict=True):
        stages.setdefault(stage, []).append(se)
    return list(stages.values())


def _problem(stages: Sequence[Sequence[SE | None]], network: nn.Module) -> str:
    for number, blocks in enumerate(stages, start=1):
        if len(set(blocks)) > 1:
            return f"plugins of OpenMMLab are the same in all units of a stage, and stage {number} is not"
        se = blocks[0]
        if se is not None and se.position not in POSITIONS:
            return f"plugins of OpenMMLab have no position for {se.position}, only for {' and '.join(POSITIONS)}"
    if not any(hasattr(unit, "conv3") for _, _, unit in units(network)):
        return "OpenMMLab's ResNet takes plugins in bottlenecks only, from 50 layers on"
    return ""


def _text(network: nn.Module, record: Record, name: str, stages: Sequence[Sequence[SE | None]]) -> str:
    blocks: dict[str, nn.Module] = {}
    positions: dict[str, SE] = {}
    lines = []
    for _, stage, unit in units(network):
        se = stages[stage - 1][0]
        kind = f"SEStage{stage}"
        if se is None or kind in positions:
            continue
        blocks[f"Stage{stage}"] = unit.get_submodule(slot_name(unit, se.position))
        positions[kind] = se
        where = tuple(number == stage for number in range(1, len(stages) + 1))
        lines.append(f"        dict(cfg=dict(type='{kind}'), stages={where}, position='{POSITIONS[se.position]}'),")
    classes, names = sources(blocks)
    registered = (
        _REGISTERED.format(name=kind, base=names[kind.removeprefix("SE")], position=se.position)
        for kind, se in positions.items()
    )
    channels = shape(record)[0]
    return _TEXT.format(
        title=record["architecture"].partition("/")[0],
        functional="import torch.nn.functional as F\n" if " F." in classes else "",
        classes=classes,
        registered="\n\n\n".join(registered),
        backbone=BACKBONES[name] + ("" if channels == 3 else f", in_channels={channels}"),
        lines="\n".join(lines),
    )
