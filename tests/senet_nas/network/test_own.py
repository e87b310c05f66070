"""Networks of a user's own: found, priced, filled, trained and exported like any other."""

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from senet_nas.costs.overhead import count, price_list
from senet_nas.network.backbones import own
from senet_nas.network.backbones.own_identity import check_plain
from senet_nas.network.build import build, sites
from senet_nas.network.shared_network import build_shared
from senet_nas.network.stages import stages_of
from spaces import Architecture, Space, SpaceSpec, UserError

PAGE = Path(__file__).parents[3] / "docs" / "own-network.md"
MORE = """
import torch
from torch import nn
from senet_nas.network.squeeze_excitation import Slot


class Unit(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.pre_addition = Slot(channels)

    def forward(self, x):
        return x + self.pre_addition(self.conv(x))


class Slotted(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 8, 1)
        self.a, self.b = Unit(8), Unit(8)
        self.wide = nn.Conv2d(8, 16, 1)
        self.c = Unit(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.c(self.wide(self.b(self.a(self.stem(x))))).mean((2, 3)))


def slotted(in_channels):
    return Slotted(in_channels)


def found(in_channels):
    # units without slots: they are found in the forward
    made = Slotted(in_channels)
    for unit in (made.a, made.b, made.c):
        channels = unit.conv.out_channels
        unit.conv = nn.Sequential(unit.conv, nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 1))
        unit.pre_addition = nn.Identity()
    return made


class Typed(nn.Module):
    # torch.fx sees no type, so it does not see the line below either
    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())

    def forward(self, x):
        x = 2 * x if isinstance(x, torch.Tensor) else x
        return x + self.branch(x)


def typed(in_channels, num_classes):
    return nn.Sequential(nn.Conv2d(in_channels, 8, 1), Typed(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


def random_net(in_channels, num_classes):
    made = found(in_channels)
    made.c.register_forward_pre_hook(lambda module, inputs: (inputs[0] * next(NUMBERS),))
    return made


NUMBERS = iter(range(100))


def loaded(in_channels, num_classes):
    from mine import small

    made = small(in_channels, num_classes)
    nn.init.constant_(made.features[0].conv.weight, 0.125)
    return made


def pair(in_channels, num_classes):
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    return nn.Sequential(nn.Conv2d(in_channels, 4, 1), Pair())


def nothing():
    return 3


def flat(in_channels, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, num_classes))


def inner():
    raise ValueError("no luck")


def boom(in_channels, num_classes):
    return inner()


def needs(width, depth=3):
    return nn.Conv2d(width, 4, 1)


number = 3
"""


def shown(file):
    """A file as the page shows it: its first line is a comment with its name."""
    (text,) = re.findall(rf"```\w+\n(# {re.escape(file)}\n.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return text


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    """The example of docs/own-network.md as a module beside the config, and some more."""
    (tmp_path / "mine.py").write_text(shown("mine.py"))
    (tmp_path / "more.py").write_text(MORE)
    (tmp_path / "broken.py").write_text("def small(:\n")
    (tmp_path / "burnt.py").write_text("import math\nx = 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    sites.cache_clear()
    yield tmp_path
    for name in ("mine", "more"):
        sys.modules.pop(name, None)
    sites.cache_clear()


NAME = "mine:small@features.*"


def test_units_are_found_with_their_widths_and_grouped_into_stages():
    found = sites(NAME)
    assert [(site.name, site.stage, site.channels) for site in found] == [
        ("1.0", 1, {"output": 16}),
        ("1.1", 1, {"output": 16}),
        ("2.0", 2, {"output": 32}),
        ("2.1", 2, {"output": 32}),
    ]


def test_units_that_own_slots_need_no_names():
    assert [(site.stage, site.channels) for site in sites("more:slotted")] == [
        (1, {"pre_addition": 8}),
        (1, {"pre_addition": 8}),
        (2, {"pre_addition": 16}),
    ]


@pytest.mark.parametrize("name", [NAME, "more:slotted"])
def test_what_is_priced_is_what_is_built(name):
    space = Space(name, sites(name), SpaceSpec(reduction=(4,), position=(next(iter(sites(name)[0].channels)),)))
    prices = price_list(name, in_channels=1, num_classes=10, image_size=8)
    for architecture in space:
        built = build(architecture, in_channels=1, num_classes=10)
        counted, price = count(built, (1, 8, 8)), prices.of(architecture)
        assert (counted["params"], counted["macs"]) == (price["params"], price["macs"])


@pytest.mark.parametrize("name", [NAME, "more:slotted", "more:found"])
def test_all_placements_share_a_network_of_the_users_own(name):
    """Whether its slots are its own, at modules that patterns name, or found in its forward."""
    space = Space(name, sites(name), SpaceSpec(reduction=(4,), position=tuple(sites(name)[0].channels)))
    architectures = [space[i] for i in range(0, space.size, max(1, space.size // 5))]
    shared = build_shared(architectures, in_channels=1, num_classes=10, block_seed=3).eval()
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for architecture in architectures:
        shared.path = architecture
        with torch.no_grad():
            own_logits = build(architecture, in_channels=1, num_classes=10, block_seed=3).eval()(x)
            assert torch.equal(shared(x), own_logits)


def test_weights_are_the_functions_and_the_same_for_a_block():
    plain, full = f"{NAME}/-/-/-/-", f"{NAME}/" + "/".join(["avg:fc4:sigmoid@output"] * 4)
    one, other = (build(key, in_channels=1, num_classes=10, block_seed=3).state_dict() for key in (plain, full))
    assert all(torch.equal(one[name], other[name]) for name in one)
    next_block = build(plain, in_channels=1, num_classes=10, block_seed=4).state_dict()
    assert not torch.equal(one["head.weight"], next_block["head.weight"])
    loaded = build("more:loaded@features.*/-/-/-/-", in_channels=1, num_classes=10)
    assert torch.equal(loaded.features[0].conv.weight, torch.full((16, 1, 3, 3), 0.125))
    assert torch.initial_seed() is not None


def test_se_is_drawn_by_block_and_not_by_what_the_function_left():
    full = f"{NAME}/" + "/".join(["avg:fc4:sigmoid@output"] * 4)
    first, second = (build(full, in_channels=1, num_classes=10, block_seed=3) for _ in range(2))
    assert torch.equal(first.features[2].output.fc1.weight, second.features[2].output.fc1.weight)
    assert not torch.equal(first.features[2].output.fc1.weight, first.features[3].output.fc1.weight)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    build(f"{NAME}/-/-/-/-", in_channels=1, num_classes=10)
    assert torch.equal(before, torch.random.get_rng_state())


WRONG = {
    "no_such_module:small": ("cannot import no_such_module:small", "model.backbone"),
    "mine:smal": ("cannot import mine:smal", "model.backbone"),
    "more:number": ("is not a function", "model.backbone"),
    "more:nothing": ("returned int, not a torch.nn.Module", "model.backbone"),
    "more:flat": ("no unit for SE was found in Sequential", "model.sites"),
    "mine:small@feature.*": ("no module matches `feature.*`", "model.sites"),
    "broken:small": ("cannot import broken:small: SyntaxError", "model.backbone"),
    "burnt:small": ("burnt.py, line 2)", "model.backbone"),
    "more:boom": ("more:boom failed with ValueError: no luck", "model.backbone"),
    "more:needs": ("more:needs needs `width`", "model.backbone"),
    "more:pair@1": ("does not return one tensor", "model.sites"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_at_its_key(name):
    part, key = WRONG[name]
    with pytest.raises(UserError, match=re.escape(part)) as caught:
        sites(name)
    assert caught.value.key == key
    assert caught.value.hint or key == "model.backbone"


def test_what_a_function_throws_is_told_with_its_innermost_line():
    line = 1 + MORE.split("\n").index('    raise ValueError("no luck")')
    with pytest.raises(UserError, match=rf"more\.py, line {line}\)$") as caught:
        sites("more:boom")
    assert "in_channels=3, num_classes=1000" in caught.value.hint


def test_patterns_name_whole_parts_of_a_path():
    network = own.network("mine:small@**.conv", in_channels=1, num_classes=10)
    assert stages_of(network) == (("features.0.conv", "features.1.conv"), ("features.2.conv", "features.3.conv"))
    assert isinstance(network.features[0].conv.output, nn.Module)


def test_the_recipe_for_timm_puts_se_before_the_addition_and_needs_nothing_else(mine):
    """Fault 9: SE behind addition and ReLU, and a default position that the units do not offer."""
    pytest.importorskip("timm")
    from search import config
    from search.setup.experiment_setup import prepare

    (mine / "timm.yaml").write_text(shown("timm.yaml"))
    prepared = prepare(config.load(mine / "timm.yaml", ["data.train=200", "budget.trainings=6"]))
    assert [site.stage for site in prepared.space.sites] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert prepared.experiment.space.position == ("pre_addition", "post_addition")
    full = next(a for a in prepared.space if all(a.blocks))
    network = build(full, in_channels=1, num_classes=10)
    assert network.layer1[0].pre_addition.se.size == 64 // prepared.experiment.space.reduction[0]


TIMM_NET = """
import timm


def net(in_channels, num_classes):
    return timm.create_model("resnet18", in_chans=in_channels, num_classes=num_classes)
"""


@pytest.mark.parametrize(
    ("backbone", "position"), [("timm_net:net@layer*.*.bn2", "output"), ("timm:resnet18", "pre_addition")]
)
def test_se_in_timms_units_learns_and_exports(mine, backbone, position):
    """Faults 7 and 9: SE at bn2 trained and could not be exported; SE of the page's recipe stayed at chance level."""
    pytest.importorskip("timm")
    from senet_nas.export.bundle import export
    from senet_nas.export.forms import PROGRAM
    from senet_nas.recipe import DataSpec, Recipe, Seed, Task
    from senet_nas.training.evaluate import evaluate

    (mine / "timm_net.py").write_text(TIMM_NET)
    se = f"avg:fc8:sigmoid@{position}"
    member = Architecture.parse("/".join([backbone, *[se] * 8]))
    data = DataSpec(dataset="digits", train=300, validation=200)
    task = Task(data, Recipe(epochs=3, batch_size=50, lr=0.05), source={"base": str(mine)})
    *_, last = evaluate(member.key, Seed(0), task, weights=mine / "w.safetensors")
    assert last.metrics["val_accuracy"] > 40  # one of ten classes is 10 %
    network = build(member, in_channels=1, num_classes=10)
    network.load_state_dict(load_file(mine / "w.safetensors"))
    taken = {"input_shape": (1, 8, 8), "mean": [0.5], "std": [0.5], "classes": list("0123456789")}
    assert export(network, member, mine / "out", forms=["model.py"], **taken).differences == {"model.py": 0}
    assert not (mine / "out" / PROGRAM).exists()  # the source is written, which a program would stand in for


def test_the_page_holds_a_config_that_trains_and_exports(mine):
    from search import config
    from search.setup.experiment_setup import prepare
    from senet_nas.export.bundle import export
    from senet_nas.recipe import Recipe, Seed, Task
    from senet_nas.training.evaluate import evaluate

    (mine / "config.yaml").write_text(shown("config.yaml"))
    prepared = prepare(config.load(mine / "config.yaml", ["data.train=200", "train.epochs=1"]))
    assert prepared.space.backbone == NAME
    assert prepared.space.size > 3
    member = next(a for a in prepared.space if not a.is_plain)
    recipe = Recipe(epochs=1, batch_size=64)
    task = Task(prepared.experiment.data, recipe, source={"base": str(mine)})
    *_, last = evaluate(member.key, Seed(0), task, weights=mine / "w.safetensors")
    assert last.metrics["params"] == prepared.price(member)["params"]
    network = build(Architecture.parse(member.key), in_channels=1, num_classes=10)
    done = export(
        network,
        member,
        mine / "out",
        input_shape=(1, 8, 8),
        mean=[0.5],
        std=[0.5],
        classes=list("0123456789"),
        forms=["model.py"],
    )
    assert done.differences == {"model.py": 0}


def test_plain_that_torch_fx_misread_is_refused_with_the_first_part_that_differs():
    with pytest.raises(UserError, match=r"plain computes something else than more:typed, from `1.branch.0` on"):
        check_plain("more:typed", shape=(1, 8, 8), num_classes=10)


@pytest.mark.parametrize("name", ["found", "slotted", "random_net"])
def test_plain_that_computes_the_same_or_is_random_is_accepted(name):
    check_plain(f"more:{name}", shape=(1, 8, 8), num_classes=10)


@pytest.mark.parametrize(("last", "code"), [("_exit(7)", 7), ("def net(): _exit(6)", 6)])
def test_code_that_ends_the_process_does_not_end_a_command(mine, last, code):
    """`profile` and `show` ended without a word."""
    (mine / f"ends{code}.py").write_text(f"from os import _exit\n{last}\n")
    with pytest.raises(UserError, match=rf"os\._exit\({code}\) was called \(.*ends{code}\.py, line "):
        sites(f"ends{code}:net")
