"""``timm.json``: the call of timm that builds an exported placement there, where timm can express it.

Nothing is known here of timm's families. Ways to hand attention to ``timm.create_model`` are tried, and the search for
units reads from what comes out which SE timm has put where. The call is written if this is the placement, and if with
the exported weights it computes what the exported network computes.
"""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from senet_nas.export import proof
from senet_nas.export.record import Record, shape
from senet_nas.export.timm_layers import call_of
from senet_nas.network.backbones import timm_networks
from senet_nas.network.backbones.own import seeded
from senet_nas.network.backbones.table import TIMM
from senet_nas.network.build import sites, units
from senet_nas.network.squeeze_excitation import slot_name
from senet_nas.network.surgery.as_published import Published, published_of
from senet_nas.network.surgery.find import offer_units
from spaces import SE, Architecture, Site

NAME = "timm.json"
# timm's layers round otherwise than ours.
TOLERANCE = 1e-5
# Where timm takes a function that makes the attention of a block.
ARGUMENTS = ("block_args.attn_layer", "attn_layer", "se_layer")
# Where it takes the hidden width as a share of the channels before a unit.
_RATIO = "se_ratio"
# Widths by which blocks are told apart: each call of the function makes a wider one, from here on.
_MARK = 8
_CODE = '''import json

import timm
{imports}from safetensors.torch import load_file

{attention}network = timm.create_model({arguments})


def load(folder):
    """The network in eval mode, with the weights of an export."""
    names = json.load(open(f"{{folder}}/{file}"))["weights"]
    shapes = {{name: value.shape for name, value in network.state_dict().items()}}
    weights = {{names.get(name, name): value for name, value in load_file(f"{{folder}}/model.safetensors").items()}}
    network.load_state_dict({{name: value.reshape(shapes[name]) for name, value in weights.items()}})
    network.eval()
    return network
'''
_ATTENTION = """# The attention of each block that can have some, in the order in which timm builds them.
LAYERS = iter([
{layers}
])


def attention(channels, act_layer=None, device=None, dtype=None):
    return next(LAYERS)(channels)


"""


@dataclass(frozen=True)
class Call:
    """``timm.create_model(model, **arguments)``.

    Where timm takes a function, ``argument`` names the place, and ``layers`` are what the function makes, one after the
    other: texts of calls in which ``channels`` is free.
    """

    model: str
    arguments: Mapping[str, Any]
    argument: str = ""
    layers: tuple[str, ...] = ()

    def code(self) -> str:
        """Python that builds ``network``, and ``load``, which gives it the weights; needs timm and safetensors."""
        written = [repr(self.model), *(f"{name}={value!r}" for name, value in self.arguments.items())]
        if not self.argument:
            return _CODE.format(imports="", attention="", arguments=", ".join(written), file=NAME)
        outer, _, inner = self.argument.partition(".")
        written.append(f"{outer}=dict({inner}=attention)" if inner else f"{outer}=attention")
        lines = "\n".join(f"    lambda channels: {layer}," for layer in self.layers)
        imports = "from timm import layers\nfrom torch import nn\n"
        return _CODE.format(
            imports=imports,
            attention=_ATTENTION.format(layers=lines),
            arguments=", ".join(written),
            file=NAME,
        )


@dataclass(frozen=True)
class _Made:
    """What the code of a call defines, how many of its layers timm asked for, and which SE stands where."""

    names: Mapping[str, Any]
    n_asked: int
    published: Published


def write(network: nn.Module, record: Record, folder: Path) -> str:
    """Writes ``timm.json`` beside the weights in ``folder``. Returns why timm cannot express the placement, else ""."""
    architecture = Architecture.parse(record["architecture"])
    model = architecture.backbone.removeprefix(TIMM).partition("@")[0]
    base = Call(model, {"in_chans": shape(record)[0], "num_classes": len(record["classes"])})
    probes: list[Published] = []
    for call in _calls(base, architecture.blocks, sites(architecture.backbone), probes):
        made = _made(call)
        if made is None or made.published.blocks != architecture.blocks:
            continue
        _write(call, _renamed(network, architecture, made), folder)
        if _computes(network, made, record, folder):
            return ""
        (folder / NAME).unlink()
    return _why_not(model, architecture.blocks, sites(architecture.backbone), probes)


# -- calls that may be the one ----------------------------------------------------------------------------------------


def _calls(base: Call, blocks: Sequence[SE | None], listed: Sequence[Site], probes: list[Published]) -> Iterator[Call]:
    """The simple ones first. ``probes`` gets what timm makes where it takes a function."""
    yield base
    if blocks[0] is not None and "pre_unit" in listed[0].channels:
        yield replace(base, arguments={**base.arguments, _RATIO: blocks[0].hidden / listed[0].channels["pre_unit"]})
    if not all(call_of(se) for se in blocks):
        return
    for argument in ARGUMENTS:
        marked = [SE("avg", "fc", _MARK + number, "sigmoid", "output") for number in range(4 * len(blocks))]
        made = _made(replace(base, argument=argument, layers=_texts(marked)))
        if made is None:
            continue
        probes.append(made.published)
        if len(made.published.blocks) != len(blocks):
            continue
        places = {se.size - _MARK: unit for unit, se in enumerate(made.published.blocks) if se is not None}
        wanted = [blocks[places[number]] if number in places else None for number in range(made.n_asked)]
        yield replace(base, argument=argument, layers=_texts(wanted))


def _texts(wanted: Sequence[SE | None]) -> tuple[str, ...]:
    return tuple(call_of(se) or "" for se in wanted)


def _made(call: Call) -> _Made | None:
    """What a call makes; None if timm does not take its arguments."""
    names: dict[str, Any] = {}
    try:
        with seeded(0):
            exec(compile(call.code(), f"<{NAME}>", "exec"), names)
    except Exception:  # each family of timm refuses arguments in a way of its own
        return None
    n_left = len(list(names["LAYERS"])) if call.argument else 0
    read = copy.deepcopy(names["network"])
    offer_units(read, call.arguments["in_chans"])
    return _Made(names, len(call.layers) - n_left, published_of(read))


# -- the one that is --------------------------------------------------------------------------------------------------


def _write(call: Call, weights: Mapping[str, str], folder: Path) -> None:
    attention = {"argument": call.argument, "layers": list(call.layers)} if call.argument else None
    content = {
        "schema": 1,
        "timm": timm_networks.version(),
        "model": call.model,
        "arguments": dict(call.arguments),
        "attention": attention,
        "code": call.code(),
        "weights": dict(weights),
    }
    (folder / NAME).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _renamed(network: nn.Module, architecture: Architecture, made: _Made) -> dict[str, str]:
    """The names of SE weights: that in the export, and that in timm. All other weights have the same name in both."""
    paths = {module: path for path, module in network.named_modules()}
    renamed: dict[str, str] = {}
    placed = zip(units(network), architecture.blocks, made.published.paths, strict=True)
    for (_, _, unit), se, theirs in placed:
        if se is not None:
            ours = f"{paths[unit]}.{slot_name(unit, se.position)}".strip(".")
            mine = network.get_submodule(ours).state_dict()
            names = made.names["network"].get_submodule(theirs).state_dict()
            renamed |= {f"{ours}.{old}": f"{theirs}.{new}" for old, new in zip(mine, names, strict=True)}
    return {old: new for old, new in renamed.items() if old != new}


def _computes(network: nn.Module, made: _Made, record: Record, folder: Path) -> bool:
    """Whether the network of a call has the logits of the exported one."""
    try:
        loaded = made.names["load"](folder)
        proof.agree(NAME, network, loaded, list(proof.inputs(record, None)), TOLERANCE)
    except (RuntimeError, ValueError, KeyError):  # other shapes, other names, or other logits: it is another network
        return False
    return True


def _why_not(model: str, blocks: Sequence[SE | None], listed: Sequence[Site], probes: Sequence[Published]) -> str:
    unknown = next((se for se in blocks if call_of(se) is None), None)
    if unknown is not None:
        return f"none of timm's layers that are tried computes `{unknown}`"
    if not probes:
        return f"timm's {model} does not take the attention of its blocks as an argument"
    offered = probes[0].blocks
    if len(offered) != len(blocks):
        return f"timm's {model} has other units if it gets attention"
    for site, se, there in zip(listed, blocks, offered, strict=True):
        if se is not None and (there is None or there.position != se.position):
            place = f"at {there.position}" if there is not None else "nowhere"
            return f"timm's {model} takes attention {place} in unit {site.name}, not at {se.position}"
    return f"timm's {model} computes something else with this attention"
