"""Which networks of timm can be searched: units, positions, attention of their own, two trainings, an export. A table.

    python -m benchmarks.timm_networks [NAME ...]     # these, or all that the results lack

Each network is built for small grey images. Plain is compared with the network of timm: outputs in evaluation and in
training mode, names and values of its parameters. Plain and SE at one position of every unit that offers it are trained
for an epoch of four steps, exported as ``model.py``, and read back. Writes results/timm_networks.json and the table of
docs/own-network.md.
"""

import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import environment
from senet_nas.export import bundle
from senet_nas.network.build import build, remarks, sites
from senet_nas.network.surgery.attention import attention_of
from senet_nas.network.surgery.find import offer_units
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training.evaluate import evaluate
from spaces import SE, Architecture, Site
from spaces.spec import fill

RESULT = "timm_networks"
PAGE = Path(__file__).parents[1] / "docs" / "own-network.md"
BEGIN, END = "<!-- timm networks: python -m benchmarks.timm_networks -->\n", "<!-- /timm networks -->"
FAMILIES: dict[str, tuple[str, ...]] = {
    "ResNet": ("resnet10t", "resnet18", "resnet50"),
    "ResNet-D": ("resnet26d",),
    "ResNet-v2": ("resnetv2_18",),
    "ResNet with SE, ECA, SK": ("seresnet18", "legacy_seresnet18", "ecaresnet26t", "skresnet18"),
    "ResNeXt": ("resnext26ts", "resnext50_32x4d"),
    "Res2Net": ("res2net50_26w_4s",),
    "NF-Net": ("nf_resnet26",),
    "RegNet": ("regnetx_002", "regnety_002", "regnetz_005"),
    "EfficientNet": ("efficientnet_b0", "efficientnet_lite0", "tf_efficientnet_b0", "efficientnetv2_rw_t"),
    "MnasNet, FBNet, TinyNet": ("mnasnet_050", "fbnetc_100", "tinynet_e"),
    "MobileNet": ("mobilenetv1_100", "mobilenetv2_050", "mobilenetv3_small_050", "mobilenetv4_conv_small"),
    "LCNet, GhostNet, MixNet, ReXNet": ("lcnet_050", "ghostnet_050", "mixnet_s", "rexnet_100"),
    "ConvNeXt": ("convnext_atto", "convnextv2_atto"),
    "DenseNet": ("densenet121",),
    "VGG": ("vgg11_bn",),
    "RepVGG, MobileOne, RepViT": ("repvgg_a0", "mobileone_s0", "repvit_m0_9"),
    "VoVNet": ("ese_vovnet19b_slim", "ese_vovnet39b"),
    "HRNet": ("hrnet_w18_small",),
    "DLA, CSP, Xception": ("dla46_c", "cspresnet50", "xception41"),
    "Inception": ("inception_v3",),
    "StarNet, PoolFormer": ("starnet_s1", "poolformer_s12"),
    "SelecSLS": ("selecsls42",),
    "Transformers": ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"),
}
SIDE = 64
SIDES = {"inception_v3": 96}
CLASSES = tuple("0123456789")
USUAL = {"squeeze": "avg", "excitation": "fc", "gate": "sigmoid", "reduction": "4"}


def main(chosen: list[str]) -> None:
    warnings.simplefilter("ignore")
    rows: dict[str, Any] = environment.read(RESULT).get("rows", {})
    for name in chosen or [name for names in FAMILIES.values() for name in names if name not in rows]:
        rows[name] = tried(name)
        print(name, rows[name], flush=True)
        environment.write(RESULT, {"rows": rows})
    PAGE.write_text(filled(PAGE.read_text(), rows))


def filled(page: str, rows: Mapping[str, Any]) -> str:
    """The page with the table of these rows."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}{table(rows)}{END}", page, flags=re.DOTALL)


def table(rows: Mapping[str, Any]) -> str:
    """The rows as markdown."""
    lines = [
        "| family | network | units | positions (units that offer them) | SE as published | `model.py` |",
        "|" + "---|" * 6,
    ]
    for family, names in FAMILIES.items():
        lines += [f"| {family} | `timm:{name}` | {_cells(rows[name])} |" for name in names if name in rows]
    return "\n".join(lines) + "\n"


def _cells(row: Mapping[str, Any]) -> str:
    if row["failed"]:
        return f"{row['units'] or '-'} | - | - | failed: {row['failed']}"
    positions = ", ".join(f"{name} {count}" for name, count in row["positions"].items())
    se = f"{row['published']}" + (f" of {row['attention']}" if row["attention"] != row["published"] else "")
    return f"{row['units']} | {positions} | {se if row['attention'] else '-'} | {row['export']}"


def tried(name: str) -> dict[str, Any]:
    """What one network offers, and whether it trains and exports; ``failed`` says where it does not."""
    row: dict[str, Any] = {"units": 0, "positions": {}, "attention": 0, "published": 0, "export": "", "failed": ""}
    try:
        row |= found(name)
        row["export"] = " and ".join(dict.fromkeys(_trained(architecture) for architecture in _members(name)))
    except Exception as error:  # the reason is a cell of the table
        row["failed"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"[:160].replace("|", "/")
    return row


def found(name: str) -> dict[str, Any]:
    """The units, their positions and the attention of a network; raises AssertionError if plain differs from it."""
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model(name, in_chans=1, num_classes=len(CLASSES))
    attention = attention_of(theirs, 2)
    listed = sites(f"timm:{name}")
    _compare(name, theirs)
    counts = Counter(position for site in listed for position in site.channels)
    return {
        "units": len(listed),
        "positions": dict(counts),
        "attention": len(attention),
        "published": sum(site.published is not None for site in listed),
        "remarks": [re.sub(r"[^\s(]*site-packages/", "", text) for text in remarks(f"timm:{name}")],
    }


def _compare(name: str, theirs: nn.Module) -> None:
    """Raises AssertionError unless plain equals the network, without the attention that was taken out of it."""
    import copy

    ours = copy.deepcopy(theirs)
    offer_units(ours, 1)
    for path, module in list(ours.named_modules()):
        if type(module) is nn.Identity and type(theirs.get_submodule(path)) is not nn.Identity:
            theirs.set_submodule(path, nn.Identity())
    assert list(ours.state_dict()) == list(theirs.state_dict()), "plain has other parameters"
    x = torch.randn(2, 1, SIDES.get(name, SIDE), SIDES.get(name, SIDE))
    for is_training in (False, True):
        one, other = (_output(network.train(is_training), x) for network in (ours, theirs))
        assert torch.equal(one, other), "plain computes something else"


def _output(network: nn.Module, x: Tensor) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        y: Tensor = network(x)
    return y


def _members(name: str) -> tuple[Architecture, Architecture]:
    """Plain, and SE at the position that most units offer, in all of these."""
    listed = sites(f"timm:{name}")
    counts = Counter(position for site in listed for position in site.channels)
    position = max(counts, key=lambda position: (counts[position], position == "pre_addition"))
    blocks = tuple(_block(site, position) for site in listed)
    return Architecture.plain(f"timm:{name}", len(listed)), Architecture(f"timm:{name}", blocks)


def _block(site: Site, position: str) -> SE | None:
    return fill(site, {**USUAL, "position": position}, min_hidden=1) if position in site.channels else None


def _trained(architecture: Architecture) -> str:
    """Trains a network, exports it and reads it back; what its ``model.py`` is: source, or a program beside it."""
    side = SIDES.get(architecture.backbone.removeprefix("timm:"), SIDE)
    data = DataSpec(dataset="digits", train=64, validation=16, image_size=side)
    task = Task(data, Recipe(epochs=1, batch_size=16, lr=0.01))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "w.safetensors"
        *_, last = evaluate(architecture.key, Seed(0), task, weights=weights)
        assert last.done
        from safetensors.torch import load_file

        network = build(architecture, in_channels=1, num_classes=len(CLASSES))
        network.load_state_dict(load_file(weights))
        place = Path(folder) / "out"
        bundle.export(
            network,
            architecture,
            place,
            input_shape=(1, side, side),
            mean=[0.5],
            std=[0.5],
            classes=CLASSES,
            forms=["model.py"],
        )
        x = torch.randn(2, 1, side, side)
        with torch.no_grad():
            assert torch.equal(bundle.load(place)(x), network.eval()(x)), "what is read back computes something else"
        return "program" if (place / "model.pt2").exists() else "source"


if __name__ == "__main__":
    main(sys.argv[1:])
