"""What is frozen stays as it is to the last bit, and each part trains at its learning rate."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from senet_nas.data.load import load
from senet_nas.network import parts, warm_start
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Recipe, Seed
from senet_nas.training.fine_tuning import moving_norms, set_to_train
from senet_nas.training.train import Training

PLAIN = "cifar_resnet8/-/-/-"
SE = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/max:fc4:sigmoid2@mid"
RECIPE = Recipe(epochs=2, batch_size=64, lr=0.1, weight_decay=0.01)
IMAGE = (1, 8, 8)


@pytest.fixture(scope="module")
def data():
    torch.set_num_threads(1)
    return load(DataSpec(dataset="digits", train=200, validation=100))


def network(key=PLAIN):
    """Weights and running statistics as after a training, and SE that is the identity."""
    made = build(key, in_channels=1, num_classes=10)
    generator = torch.Generator().manual_seed(3)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.rand(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
    warm_start.identity(made, IMAGE)
    return made


def trained(key, data, **settings):
    """The state of a network before and after a training."""
    made = network(key)
    before = copy.deepcopy(made.state_dict())
    training = Training(made, data, replace(RECIPE, **settings), seed=Seed(0))
    for _ in range(RECIPE.epochs):
        training.epoch()
    return before, training.result.state_dict()


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def is_norm(name):
    return ".bn" in name or name.startswith("bn1")


@pytest.mark.parametrize("ema", [0.0, 0.4, 0.7])
@pytest.mark.parametrize("key", [PLAIN, SE])
def test_a_frozen_backbone_trains_se_and_the_classifier_alone(data, key, ema):
    before, after = trained(key, data, freeze="backbone", ema=ema)
    new = {name for name in before if name.startswith("fc.") or ".pre_addition." in name or ".mid." in name}
    assert changed(before, after) == new


@pytest.mark.parametrize("ema", [0.0, 0.4])
@pytest.mark.parametrize("key", [PLAIN, SE])
def test_frozen_norms_keep_weights_and_statistics(data, key, ema):
    before, after = trained(key, data, freeze="norm", ema=ema)
    norms = {name for name in before if is_norm(name)}
    assert changed(before, after) == before.keys() - norms
    assert len(norms) == 7 * 5


def test_nothing_is_frozen_unless_it_is_asked_for(data):
    before, after = trained(SE, data)
    assert changed(before, after) == before.keys()


@pytest.mark.parametrize(("freeze", "counts"), [("none", (0, 0)), ("norm", (7, 0)), ("backbone", (7, 1))])
def test_what_is_frozen_is_in_eval_mode_and_se_is_not(freeze, counts):
    made = network(SE)
    made.drop = nn.Dropout()
    set_to_train(made.eval(), freeze)
    still = [module for module in made.modules() if not module.training]
    assert (sum(isinstance(m, nn.BatchNorm2d) for m in still), sum(isinstance(m, nn.Dropout) for m in still)) == counts
    assert all(module.training for block in parts.se_blocks(made) for module in block.modules())
    assert len(moving_norms(made, freeze)) == 7 - counts[0]


def test_a_norm_inside_of_se_goes_on():
    made = network(SE)
    block = next(parts.se_blocks(made))
    block.add_module("norm", nn.BatchNorm2d(4))
    for freeze in ("norm", "backbone"):
        set_to_train(made, freeze)
        assert block.norm.training
        assert moving_norms(made, freeze) == [block.norm]


def test_the_backbone_has_its_own_learning_rate(data):
    made = network(SE)
    before = copy.deepcopy(made.state_dict())
    recipe = replace(RECIPE, epochs=1, batch_size=200, momentum=0.0, weight_decay=0.0, backbone_lr=0.001)
    training = Training(made, data, recipe, seed=Seed(0))
    metrics = training.epoch()  # one step
    assert metrics["lr"] == pytest.approx(0.1)
    for name, parameter in made.named_parameters():
        new = name.startswith("fc.") or ".pre_addition." in name or ".mid." in name
        step = before[name] - (0.1 if new else 0.001) * parameter.grad
        assert torch.allclose(parameter, step, atol=1e-7), name


def test_the_schedule_applies_to_both_learning_rates(data):
    recipe = replace(RECIPE, epochs=4, warmup=1.0, backbone_lr=0.01)
    training = Training(network(), data, recipe, seed=Seed(0))
    for _ in range(4):
        training.epoch()
        rates = {group["lr"] for group in training._optimizer.param_groups}
        assert max(rates) == pytest.approx(10 * min(rates))


def test_the_same_learning_rate_for_both_is_one_learning_rate(data):
    _, one = trained(SE, data)
    _, both = trained(SE, data, backbone_lr=RECIPE.lr)
    assert not changed(one, both)


@pytest.mark.parametrize("ema", [0.0, 0.5])
@pytest.mark.parametrize("settings", [{"freeze": "norm"}, {"freeze": "backbone"}, {"backbone_lr": 0.01}])
def test_an_interrupted_fine_tuning_goes_on_to_the_same_weights(data, settings, ema):
    recipe = replace(RECIPE, ema=ema, **settings)
    first = Training(network(SE), data, recipe, seed=Seed(0))
    first.epoch()
    state = copy.deepcopy(first.state())
    first.epoch()
    again = Training(network(SE), data, recipe, seed=Seed(0))
    again.load_state(state)
    again.epoch()
    assert not changed(first.model.state_dict(), again.model.state_dict())
    assert not changed(first.result.state_dict(), again.result.state_dict())


def test_plain_and_se_begin_with_the_same_step(data):
    """With SE that is the identity, the first losses of both are equal to the last bit, whatever is frozen."""
    for freeze in ("none", "norm", "backbone"):
        losses = []
        for key in (PLAIN, "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/-"):
            made = network(key)
            made.load_state_dict(network().state_dict(), strict=False)
            warm_start.identity(made, IMAGE)
            training = Training(made, data, replace(RECIPE, batch_size=200, freeze=freeze), seed=Seed(0))
            losses.append(training.epoch()["train_loss"])
        assert losses[0] == losses[1]


def test_recipes_of_earlier_versions_have_the_same_text():
    text = Recipe().text
    assert "freeze" not in text
    assert "backbone_lr" not in text
    assert text.startswith("Recipe(epochs=10, batch_size=128, lr=0.1, momentum=0.9,")
    assert text.endswith("cutout=0, ema=0.0)")
    assert "freeze='norm'" in Recipe(freeze="norm").text
    assert "backbone_lr=0.5" in Recipe(backbone_lr=0.5).text


def test_a_network_of_the_users_that_freezes_parts_keeps_them_frozen(data):
    made = network(SE)
    made.fc.bias.requires_grad_(False)
    before = made.fc.bias.clone()
    training = Training(made, data, replace(RECIPE, freeze="backbone"), seed=Seed(0))
    training.epoch()
    assert torch.equal(made.fc.bias, before)
