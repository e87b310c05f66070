"""How a network starts: from scratch, with SE that is the identity, or with that on pretrained weights.

An SE block is the identity if its last layer is zero and its gate is then exactly 1: outputs are bit-identical to those
without it, in training and in evaluation. The plain sigmoid is 1/2 at zero, so at ``pre_addition`` the layer before, a
BatchNorm or a convolution, is doubled, which is exact in floating point. Other positions have no linear layer directly
before them and are refused. The block seed draws everything else: the backbone (unless pretrained), the first layer of
each excitation and a classifier of another size.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from senet_nas.network import weight_file
from senet_nas.network.backbones import timm_networks
from senet_nas.network.backbones.table import is_timm, pretrained
from senet_nas.network.build import build, sites, skeleton
from senet_nas.network.build import fill as fill_slots
from senet_nas.network.excitations import EXCITATIONS
from senet_nas.network.operators import GATES
from senet_nas.network.parts import Image, classifier
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.network.surgery import meta_run
from senet_nas.network.weight_file import Stored
from senet_nas.user_code import evaluating
from spaces import SE, Architecture, Site, Space, UserError
from spaces.placements import PAPER, baselines
from spaces.spec import fill

DOUBLED = "pre_addition"
# A counter of BatchNorm that nothing reads unless its momentum is None; files of torch before 0.4.1 lack it.
UNUSED = "num_batches_tracked"


@dataclass(frozen=True)
class Loaded:
    """What pretrained weights left open.

    ``drawn``: layers of the network that they do not fit; these get random weights. ``unused``: names in the weights
    that the plain network does not have. ``section`` is the one that was taken of a file with several.
    """

    drawn: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    section: str = ""


def apply(
    network: nn.Module, architecture: Architecture, init: str, image: Image, weights: str | None = None
) -> Loaded:
    """Start a built network as ``model.init`` says, in place.

    ``weights`` is a file, by default torchvision's or timm's weights are taken. Raises UserError.
    """
    loaded = Loaded()
    if init == "pretrained":
        loaded = load(network, pretrained_weights(architecture.backbone, weights), image, is_file=weights is not None)
    if init != "scratch":
        identity(network, image)
    return loaded


def check(space: Space, init: str, image: Image, num_classes: int, weights: str | None = None) -> Loaded:
    """Whether every network of a space can start so, tried on plain and SE everywhere. Raises UserError."""
    if init == "scratch":
        return Loaded()
    spec = space.spec
    choices = itertools.product(spec.operators, spec.excitation, spec.gate, spec.position)
    for operator, excitation, gate, position in choices:
        chosen = {"operators": operator, "excitation": excitation, "gate": gate, "position": position}
        values = {**PAPER, "reduction": "1", **chosen}
        check_block(fill(Site("any", 1, {position: 1}), values))
    found = []
    for architecture in baselines(space)[:2]:
        network = build(architecture, in_channels=image[0], num_classes=num_classes)
        found.append(apply(network, architecture, init, image, weights))
    return found[0]


def startable(sites: Sequence[Site], init: str) -> tuple[Site, ...]:
    """The sites; without their published SE if that cannot start so."""
    if init == "scratch":
        return tuple(sites)
    try:
        for site in sites:
            if site.published is not None:
                check_block(site.published)
    except UserError:
        return tuple(replace(site, published=None) for site in sites)
    return tuple(sites)


def can_double(backbone: str) -> bool:
    """Whether a layer that can be doubled stands directly before SE at ``pre_addition`` in every unit that offers it.

    If it does, the gate sigmoid starts as the identity there. Tried without memory. Raises UserError.
    """
    found = sites(backbone)
    network = evaluating(skeleton(backbone, in_channels=3, num_classes=1000))
    block = SE.parse(f"avg:fc1:sigmoid@{DOUBLED}")
    fill_slots(network, Architecture(backbone, tuple(block if DOUBLED in s.channels else None for s in found)))
    blocks = [path for path, module in network.named_modules() if isinstance(module, SqueezeExcitation)]
    runs = (shape for shape in meta_run.shapes(network, 3) if meta_run.error(network, shape) is None)
    shape = next(runs, None)
    if shape is None:
        return True
    try:
        _before(network, blocks, shape[1:])
    except UserError:
        return False
    return True


def check_block(se: SE) -> None:
    """Whether the block can start as the identity. Raises UserError with what to write instead."""
    free = [name for name, row in GATES.items() if row.one == 0]
    if not EXCITATIONS[se.form].last:
        raise UserError(
            f"{se.squeeze}:{se.form} cannot start as the identity: it has no layer that could be zero",
            hint="leave out what learns nothing (`none`, `simam`), or use model.init: scratch",
            key="space.operators",
        )
    if GATES[se.gate].one is None and se.position != DOUBLED:
        raise UserError(
            f"gate {se.gate} at {se.position} cannot start as the identity: no factor of it is exactly 1",
            hint=f"use position {DOUBLED}, a gate of {', '.join(free)}, or model.init: scratch",
            key="space.gate",
        )
    if GATES[se.gate].one and not EXCITATIONS[se.form].bias:
        raise UserError(
            f"gate {se.gate} after {se.form} cannot start as the identity: it needs a bias to be exactly 1",
            hint=f"use excitation fc, a gate of {', '.join(free)}, or model.init: scratch",
            key="space.gate",
        )


def identity(network: nn.Module, image: Image) -> None:
    """Make every SE block return what it is given, in place; ``image`` is the shape of one image. Raises UserError."""
    blocks = {path: module for path, module in network.named_modules() if isinstance(module, SqueezeExcitation)}
    halving = [path for path, block in blocks.items() if GATES[block.se.gate].one is None]
    before = _before(network, halving, image) if halving else {}
    for path, block in blocks.items():
        silence(block)
        if path in before:
            with torch.no_grad():
                for parameter in network.get_submodule(before[path]).parameters():
                    parameter.div_(at_rest(block))


def silence(block: SqueezeExcitation) -> None:
    """Makes every factor of a block the same, in place: 1, or what its gate gives at zero. Raises UserError."""
    check_block(block.se)
    gate = GATES[block.se.gate]
    with torch.no_grad():
        for layer in _last_layers(block):
            for name, parameter in layer.named_parameters():
                parameter.fill_(gate.one if name == "bias" and gate.one else 0.0)


def at_rest(block: SqueezeExcitation) -> float:
    """The factor of every element in a block that was silenced: a gate at zero for each of its last layers."""
    return GATES[block.se.gate].at_zero ** len(_last_layers(block))


def load(network: nn.Module, stored: Stored, image: Image, *, is_file: bool = False) -> Loaded:
    """Load pretrained weights into a network with SE; a classifier for other classes stays as drawn.

    ``is_file``: the config names their file. Raises UserError if the weights do not fit, or hold values that are not
    finite.
    """
    key = weight_file.KEY if is_file else "model.init"
    own = network.state_dict()
    weights = stored.named_as(own)
    blocks = tuple(f"{path}." for path, module in network.named_modules() if isinstance(module, SqueezeExcitation))
    head = classifier(network, image)
    fresh = {name for name in own if name.startswith((*blocks, f"{head}."))}
    for name in (name for name in own if name not in fresh):
        if name.endswith(UNUSED) and name not in weights:
            continue
        if name not in weights or weights[name].shape != own[name].shape:
            theirs = tuple(weights[name].shape) if name in weights else "missing"
            raise UserError(
                f"the pretrained weights do not fit: {name} is {theirs} there and {tuple(own[name].shape)} here",
                hint="take weights of this network, or none with model.init: identity; those for colour need "
                "data.color: rgb",
                key=key,
            )
        if not weights[name].isfinite().all():
            hint = "take the weights of an earlier epoch"
            raise UserError(f"the pretrained weights hold values that are not finite: {name}", hint=hint, key=key)
    fits = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    network.load_state_dict(fits, strict=False)
    fits_head = {name for name in own if name.startswith(f"{head}.")} <= fits.keys()
    return Loaded(
        () if fits_head else (head,),
        tuple(sorted(name for name in weights if name not in own and not name.endswith(UNUSED))),
        stored.section,
    )


def _last_layers(block: SqueezeExcitation) -> list[nn.Module]:
    """The layers that s comes out of."""
    last = EXCITATIONS[block.se.form].last
    return [layer for name, layer in block.named_children() if name.startswith(last)]


def pretrained_weights(backbone: str, file: str | None = None) -> Stored:
    """The weights of a file, by default timm's or torchvision's of a backbone. Raises UserError."""
    if file is not None:
        return _from_file(file)
    return Stored(timm_networks.pretrained(backbone) if is_timm(backbone) else pretrained(backbone))


def _from_file(path: str) -> Stored:
    """The weights of a file; read once for the trainings of a process, unless it changes. Raises UserError."""
    changed = Path(path).stat().st_mtime_ns if Path(path).exists() else 0
    return _read(path, changed)


@functools.lru_cache(maxsize=1)
def _read(path: str, _changed: int) -> Stored:
    return weight_file.read(Path(path))


def _before(network: nn.Module, blocks: list[str], image: Image) -> dict[str, str]:
    """Path of the layer whose output each block gates, found by running a copy without memory. Raises UserError."""
    shadow = meta_run.shadow_of(network)
    makers: dict[int, str] = {}
    kept: list[Tensor] = []  # a tensor that lives keeps its id
    found: dict[str, str] = {}

    def made(path: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        makers[id(output)] = path
        kept.append(output)

    def gated(path: str, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in makers:
            found[path] = makers[id(inputs[0])]

    for path, module in shadow.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.conv._ConvNd) and path not in blocks:
            module.register_forward_hook(functools.partial(made, path))
        if path in blocks:
            module.register_forward_pre_hook(functools.partial(gated, path))
    with torch.no_grad():
        shadow(torch.empty(1, *image, device="meta"))
    for path in blocks:
        if path not in found:
            raise UserError(
                f"{path}: no BatchNorm or convolution stands directly before this SE block, so none can be doubled",
                hint="use the gate sigmoid2 or hard_sigmoid2",
                key="space.gate",
            )
    return found
