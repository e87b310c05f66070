"""Fine-tuning from a file: the space fits, what trains is said, and what cannot be meant is named with its line."""

import json
import re
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from search import config
from search.cli.check import Checked
from search.config import ConfigError, Experiment
from search.config.fitting_defaults import FINE_LR
from search.report.plan_lines import plan_lines
from search.setup import fit_positions
from search.setup.code_identity import check_same
from search.setup.experiment_setup import prepare
from senet_nas.export.bundle import export
from senet_nas.network import warm_start
from senet_nas.network.build import build, sites
from senet_nas.recipe import Seed
from senet_nas.training.evaluate import evaluate
from spaces import Architecture, UserError

DATA = "data: {dataset: digits, train: 60, validation: 40}\nbudget: {trainings: 8}\nresources: {device: cpu}\n"
NETS = """
import torch
from torch import nn


class Unit(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.conv, self.last = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)
        self.norm, self.act = norm(16), nn.ReLU()

    def forward(self, x):
        return self.act(x + self.norm(self.last(self.act(self.conv(x)))))


class Net(nn.Module):
    def __init__(self, in_channels, num_classes, norm=nn.BatchNorm2d, frozen_head=False, own_head=False):
        super().__init__()
        self.head = nn.Linear(16, num_classes)
        if own_head:
            self.head = nn.ParameterList([torch.randn(num_classes, 16)])
        self.head.requires_grad_(not frozen_head)
        self.stem = nn.Conv2d(in_channels, 16, 3)
        self.stages = nn.Sequential(Unit(norm), Unit(norm))

    def forward(self, x):
        x = self.stages(self.stem(x)).mean((2, 3))
        return x @ self.head[0].T if isinstance(self.head, nn.ParameterList) else self.head(x)


def scaled(in_channels, num_classes):
    class Scale(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.weight = nn.Parameter(torch.full((c, 1, 1), 0.5))

        def forward(self, x):
            return self.weight * x

    return Net(in_channels, num_classes, Scale)


def unnormed(in_channels, num_classes):
    return Net(in_channels, num_classes, lambda c: nn.GroupNorm(2, c))


def headless(in_channels, num_classes):
    return Net(in_channels, num_classes, own_head=True)


def frozen(in_channels, num_classes):
    return Net(in_channels, num_classes, frozen_head=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "tuned_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    sites.cache_clear()
    yield tmp_path
    sys.modules.pop("tuned_nets", None)
    sites.cache_clear()


def weights_of(backbone, folder, num_classes=10):
    plain = Architecture.plain(backbone, len(sites(backbone)))
    network = build(plain, in_channels=1, num_classes=num_classes, block_seed=7)
    save_file(network.state_dict(), folder / "start.safetensors")
    return network


def prepared(folder, backbone, train="", space="", weights="start.safetensors", **model):
    written = "".join(f", {key}: {value}" for key, value in model.items())
    written_train = ", ".join(text for text in ("batch_size: 16", train) if text)
    sections = f"train: {{{written_train}}}\n" + (f"space: {{{space}}}\n" if space else "")
    text = f"{DATA}model: {{backbone: '{backbone}', weights: {weights}{written}}}\n{sections}"
    (folder / "config.yaml").write_text(text)
    return prepare(config.load(folder / "config.yaml"))


# -- a space and gates that can start as the identity -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "position", "gate"),
    [
        ("cifar_resnet8", "pre_addition", "sigmoid"),
        ("tuned_nets:Net", "pre_addition", "sigmoid"),
        ("tuned_nets:scaled", "pre_addition", "sigmoid2"),
        ("tuned_nets:Net@stages.*.norm", "output", "sigmoid2"),
    ],
)
def test_a_pretrained_network_needs_no_space(folder, backbone, position, gate):
    """Faults 6 and 10: a child called `stages`, and a default space that can start as the identity."""
    target, _, named = backbone.partition("@")
    weights_of(target, folder)
    more = {"sites": f"['{named}']"} if named else {}
    found = prepared(folder, target, **more)
    assert (found.space.spec.position, found.space.spec.gate) == ((position,), (gate,))
    full = next(a for a in found.space if all(a.blocks))
    x = torch.rand(3, 1, 8, 8)
    networks = []
    for architecture in (Architecture.plain(full.backbone, len(full.blocks)), full):
        made = build(architecture, in_channels=1, num_classes=10)
        file = str(folder / "start.safetensors")
        assert warm_start.apply(made, architecture, "pretrained", (1, 8, 8), file).drawn == ()
        networks.append(made)
    assert torch.equal(networks[0](x), networks[1](x))


def test_all_positions_get_a_gate_that_can_start_so(folder):
    weights_of("tuned_nets:Net", folder)
    found = prepared(folder, "tuned_nets:Net", space="position: [pre_addition, post_addition, pre_unit, identity]")
    assert found.space.spec.gate == ("sigmoid2",)


def test_a_gate_that_cannot_start_so_names_the_line_to_change(folder):
    weights_of("tuned_nets:scaled", folder)
    with pytest.raises(UserError, match=r"no BatchNorm or convolution stands directly before") as caught:
        prepared(folder, "tuned_nets:scaled", space="gate: [sigmoid]")
    assert caught.value.problems[0].key == "space.gate"
    assert "use the gate sigmoid2" in caught.value.problems[0].hint


@pytest.mark.parametrize("backbone", ["vgg11_bn", "mobilenet_v2", "densenet121", "convnext_tiny"])
@pytest.mark.parametrize("init", ["scratch", "pretrained"])
def test_every_backbone_has_a_default_space(backbone, init):
    found = fit_positions.fitted(
        Experiment.from_dict({"data": "digits", "model": {"backbone": backbone, "init": init}})
    ).space
    allowed = [site for site in sites(backbone) if found.sites is None or site.name in found.sites]
    assert allowed
    assert all(position in site.channels for site in allowed for position in found.position)
    if init == "pretrained":
        assert found.gate == ("sigmoid2",)


def test_a_table_of_results_is_left_as_it_is():
    tree = {"data": "digits", "model": {"backbone": "vgg11_bn"}, "evaluate": "table:t.csv"}
    asked = Experiment.from_dict(tree)
    assert fit_positions.fitted(asked) is asked


# -- learning rates ---------------------------------------------------------------------------------------------------


def recipe(model, **train):
    return Experiment.from_dict({"data": "digits", "model": model, **({"train": train} if train else {})}).train


WEIGHTS = {"backbone": "cifar_resnet8", "weights": "w.safetensors"}


def test_pretrained_weights_have_lower_learning_rates_unless_one_is_written():
    usual = recipe({"backbone": "cifar_resnet8"})
    assert (usual.lr, usual.backbone_lr, usual.warmup) == (0.1, None, 0.0)
    chosen = recipe(WEIGHTS)
    assert (chosen.lr, chosen.backbone_lr, chosen.warmup) == (FINE_LR, None, 1.0)
    assert recipe(WEIGHTS, epochs=2).warmup == pytest.approx(0.2)
    written = recipe(WEIGHTS, lr=0.2)
    assert (written.lr, written.backbone_lr, written.warmup) == (0.2, None, 0.0)
    assert recipe(WEIGHTS, warmup=0.5, backbone_lr=0.001).backbone_lr == 0.001
    assert recipe({"backbone": "cifar_resnet8", "init": "identity"}).lr == 0.1


def test_a_resolved_config_has_the_same_rates_again():
    chosen = Experiment.from_dict({"data": "digits", "model": WEIGHTS})
    assert Experiment.from_dict(chosen.to_dict()) == chosen


def test_a_run_of_an_earlier_version_goes_on_with_its_rates():
    asked = Experiment.from_dict({"data": "digits", "model": WEIGHTS, "train": {"epochs": 3}})
    resolved = asked.to_dict()
    resolved["train"] |= {"lr": 0.1, "warmup": 0.0}
    del resolved["train"]["backbone_lr"], resolved["train"]["freeze"]
    begun = Experiment.from_dict({**resolved, "space": {**resolved["space"], "gate": ["tanh"]}})
    again = fit_positions.as_begun(asked, begun)
    assert again.train == begun.train
    assert again.space.gate == ("tanh",)
    assert again.train.epochs == 3


@pytest.mark.parametrize(
    ("model", "train", "key", "says"),
    [
        (
            {"backbone": "cifar_resnet8"},
            {"freeze": "backbone"},
            "train.freeze",
            "the backbone would keep random weights",
        ),
        ({"backbone": "timm:resnet18"}, {"freeze": "norm"}, "train.freeze", "the backbone would keep random weights"),
        ({**WEIGHTS}, {"freeze": "backbone", "backbone_lr": 0.1}, "train.backbone_lr", "has no effect"),
        ({**WEIGHTS}, {"freeze": "head"}, "train.freeze", "none"),
    ],
)
def test_what_cannot_be_meant_is_told_at_its_key(model, train, key, says):
    with pytest.raises(ConfigError) as caught:
        recipe(model, **train)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert says in problem.message + problem.hint


def test_a_function_of_the_users_may_load_weights_itself():
    assert recipe({"backbone": "mine:net"}, freeze="backbone").freeze == "backbone"


# -- what is frozen, and what check says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ("lr: 0.2", "training  SE and the classifier fc at a learning rate of 0.2; the backbone at 0.2"),
        (
            "lr: 0.2, backbone_lr: 0.01",
            "training  SE and the classifier fc at a learning rate of 0.2; the backbone at 0.01",
        ),
        (
            "lr: 0.2, freeze: norm",
            "training  SE and the classifier fc at a learning rate of 0.2; the backbone at 0.2, its BatchNorm frozen",
        ),
        (
            "lr: 0.2, freeze: backbone",
            "training  SE and the classifier fc at a learning rate of 0.2; the backbone is frozen, in eval mode",
        ),
    ],
)
def test_check_says_what_trains(folder, train, line):
    weights_of("cifar_resnet8", folder)
    assert line in plan_lines(prepared(folder, "cifar_resnet8", train))


def test_check_says_it_in_json_too(folder):
    weights_of("cifar_resnet8", folder)
    found = Checked(prepared(folder, "cifar_resnet8", "lr: 0.2, freeze: backbone"), None, 0).to_dict()
    assert json.loads(json.dumps(found["training"])) == {
        **{"lr": 0.2, "backbone_lr": 0.0, "freeze": "backbone", "classifier": "fc"},
        **{"drawn": [], "unused": [], "section": ""},
    }
    assert found["positions"]["1.0"]["pre_addition"] == 16
    assert found["cautions"][0].startswith("only 40 validation images")


def test_of_several_sections_of_a_file_the_averaged_weights_are_taken(folder):
    weights = weights_of("cifar_resnet8", folder).state_dict()
    torch.save({"state_dict": weights, "state_dict_ema": weights}, folder / "start.pth")
    lines = plan_lines(prepared(folder, "cifar_resnet8", weights="start.pth"))
    assert "weights   start.pth, of its sections `state_dict_ema`" in lines


def test_weights_that_are_left_out_are_named(folder):
    """Those of a deeper network of the family fit a shallower one, and most of them are not used."""
    deeper = weights_of("cifar_resnet14", folder)
    found = prepared(folder, "cifar_resnet8")
    extra = sorted(n for n in deeper.state_dict() if re.match(r"layer\d\.1\.", n) and "num_batches" not in n)
    (said,) = [line for line in plan_lines(found) if line.startswith("caution") and "weights" in line]
    assert f"{len(extra)} tensors of these weights, such as {extra[0]}, are not in plain and not used" in said


@pytest.mark.parametrize(
    ("backbone", "freeze", "says"),
    [
        ("tuned_nets:unnormed", "norm", "the network has no BatchNorm, so nothing is frozen"),
        ("tuned_nets:headless", "backbone", "the data have 10 classes, and the last layer that has weights, `stages.1"),
        ("tuned_nets:frozen", "backbone", "nothing is left to train in plain: your code freezes the classifier `head`"),
    ],
)
def test_what_cannot_be_frozen_is_told_at_its_key(folder, backbone, freeze, says):
    weights_of(backbone, folder)
    with pytest.raises(UserError) as caught:
        prepared(folder, backbone, f"freeze: {freeze}")
    (problem,) = caught.value.problems
    assert says in problem.message
    assert problem.key == "train.freeze"


def test_weights_that_a_function_draws_are_not_frozen(folder):
    text = f"{DATA}model: {{backbone: 'tuned_nets:Net', init: identity}}\ntrain: {{batch_size: 16, freeze: backbone}}\n"
    (folder / "config.yaml").write_text(text)
    with pytest.raises(UserError, match="would keep random weights: `stem.weight` is drawn by your function"):
        prepare(config.load(folder / "config.yaml"))
    weights_of("tuned_nets:Net", folder)
    loads = """
def loaded(num_classes):
    from safetensors.torch import load_file
    made = Net(1, num_classes)
    kept = {name: value for name, value in load_file("start.safetensors").items() if "head" not in name}
    made.load_state_dict(kept, strict=False)
    return made
"""
    (folder / "tuned_nets.py").write_text(NETS + loads)
    sys.modules.pop("tuned_nets")
    (folder / "config.yaml").write_text(text.replace("tuned_nets:Net", "tuned_nets:loaded"))
    assert prepare(config.load(folder / "config.yaml")).fine_tuning.classifier == "head"


def test_a_classifier_for_other_classes_trains_although_the_rest_is_frozen(folder):
    weights_of("tuned_nets:Net", folder, num_classes=3)
    found = prepared(folder, "tuned_nets:Net", "freeze: backbone, lr: 0.2")
    assert "weights   start.safetensors; random weights, for other classes: head" in plan_lines(found)


# -- faults that users met with networks of their own (docs/reliability.md), for pretrained ones ----------------------


def test_changed_code_is_not_mixed_into_the_front_of_a_pretrained_network(folder):
    """Fault 5."""
    weights_of("tuned_nets:Net", folder)
    before = prepared(folder, "tuned_nets:Net").code
    (folder / "tuned_nets.py").write_text(NETS.replace("nn.ReLU()", "nn.SiLU()"))
    sys.modules.pop("tuned_nets")
    sites.cache_clear()
    after = prepared(folder, "tuned_nets:Net").code
    with pytest.raises(UserError, match="another output"):
        check_same(before, after, has_results=True, say=pytest.fail)


def test_se_behind_a_frozen_norm_trains_and_exports(folder):
    """Fault 7."""
    weights_of("tuned_nets:Net", folder)
    found = prepared(folder, "tuned_nets:Net", "freeze: norm, epochs: 1", sites="['stages.*.norm']")
    full = next(a for a in found.space if all(a.blocks))
    list(evaluate(full.key, Seed(0), found.evaluate.task, weights=folder / "trained.safetensors"))
    network = build(full, in_channels=1, num_classes=10)
    network.load_state_dict(load_file(folder / "trained.safetensors"))
    theirs = load_file(folder / "start.safetensors")
    kept = [name for name in theirs if ".norm." in name]
    own = network.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in kept)
    assert not torch.equal(own["stem.weight"], theirs["stem.weight"])
    taken = {"input_shape": (1, 8, 8), "mean": [0.5], "std": [0.5], "classes": list("0123456789")}
    assert export(network, full, folder / "out", forms=["model.py"], **taken).differences == {"model.py": 0}


def test_the_output_of_a_pretrained_network_is_looked_at(folder):
    """Fault 8."""
    (folder / "tuned_nets.py").write_text(NETS + "\n\ndef five():\n    return Net(1, 5)\n")
    weights_of("tuned_nets:five", folder, num_classes=5)
    with pytest.raises(UserError, match=r"returns \(N, 5\), the data have 10 classes") as caught:
        prepared(folder, "tuned_nets:five")
    assert caught.value.problems[0].key == "model.backbone"
