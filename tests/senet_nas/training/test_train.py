import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from senet_nas import gpus
from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Diverged, Recipe, Seed
from senet_nas.training import precision
from senet_nas.training.moving_average import MovingAverage
from senet_nas.training.quality_metrics import metric_of
from senet_nas.training.train import Training, fit, learning_rate
from senet_nas.training.validate import validate
from tests.senet_nas.recipes import OPTIONS

PLAIN = "cifar_resnet8/-/-/-"
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
RECIPE = Recipe(epochs=3, batch_size=64, lr=0.1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    return load(DataSpec(dataset="digits", train=300, validation=200))


def network(key=PLAIN):
    return build(key, in_channels=1, num_classes=10)


def test_it_learns(data):
    epochs = list(fit(network(SE), data, Recipe(epochs=6, batch_size=32, lr=0.1), seed=Seed(0)))
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"] / 2
    assert epochs[-1]["val_accuracy"] > 80


def test_what_is_logged(data):
    (plain, *_), (se, *_) = (list(fit(network(key), data, RECIPE, seed=Seed(0))) for key in (PLAIN, SE))
    common = {"lr", "train_loss", "val_accuracy", "val_log_loss", "val_brier", "grad_norm", "seconds"}
    assert set(plain) == common
    assert set(se) == common | {"gate_mean", "gate_saturation"}
    assert se["grad_norm"] > 0
    assert 0 < se["gate_mean"] < 1
    assert 0 <= se["gate_saturation"] <= 1


def test_the_gradient_norm_is_that_of_the_first_convolution(data):
    training = Training(network(), data, Recipe(epochs=1, batch_size=300), seed=Seed(0))  # one step
    logged = training.epoch()["grad_norm"]
    assert logged == pytest.approx(float(training.model.conv1.weight.grad.norm()))


def test_the_same_seeds_give_the_same_weights_and_a_replicate_others(data):
    def weights(seed):
        model = network()
        list(fit(model, data, RECIPE, seed=seed))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(weights(Seed(0)), weights(Seed(0)))
    assert not torch.equal(weights(Seed(0)), weights(Seed(0, 1)))


@pytest.mark.parametrize(("stop", "name"), [(2, "none"), *((1, name) for name in OPTIONS)])
def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(data, stop, name):
    recipe = replace(RECIPE, **OPTIONS[name])
    whole = Training(network(SE), data, recipe, seed=Seed(0))
    for _ in range(3):
        whole.epoch()
    first = Training(network(SE), data, recipe, seed=Seed(0))
    for _ in range(stop):
        first.epoch()
    state = copy.deepcopy(first.state())
    again = Training(network(SE), data, recipe, seed=Seed(0))
    torch.manual_seed(stop)
    again.load_state(state)
    for _ in range(3 - stop):
        again.epoch()
    for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_dropout_is_the_same_after_a_stop(data):
    def training():
        model = network()
        model.fc = torch.nn.Sequential(torch.nn.Dropout(0.5), model.fc)
        return Training(model, data, RECIPE, seed=Seed(0))

    whole, first, again = training(), training(), training()
    whole.epoch()
    first.epoch()
    again.load_state(copy.deepcopy(first.state()))
    torch.manual_seed(99)  # another process has drawn other numbers
    again.epoch()
    whole.epoch()
    for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_weights_make_each_class_count_the_same_in_the_loss(data):
    rare = data.y_train == data.y_train[0]
    rare[rare.nonzero().flatten()[:3]] = False
    few = replace(data, x_train=data.x_train[~rare], y_train=data.y_train[~rare])
    recipe = Recipe(epochs=1, batch_size=len(few.y_train), balance="weights", label_smoothing=0.1)
    training = Training(network(), few, recipe, seed=Seed(0))
    logits_NK = torch.randn(len(few.y_train), 10, generator=torch.Generator().manual_seed(0))
    each = [F.cross_entropy(logits_NK[few.y_train == k], few.y_train[few.y_train == k]).item() for k in range(10)]
    plain = Training(network(), few, replace(recipe, label_smoothing=0.0), seed=Seed(0))
    assert plain._loss(logits_NK, few.y_train).item() == pytest.approx(sum(each) / 10, rel=1e-5)
    assert training.epoch()["train_loss"] > 0


def test_further_metrics_are_measured_and_their_predictions_kept(data):
    training = Training(network(), data, RECIPE, seed=Seed(0), metrics=("macro_f1", "log_loss"))
    found = training.epoch()
    bare = Training(network(), data, RECIPE, seed=Seed(0))
    same = bare.epoch()
    assert {name: value for name, value in found.items() if name not in ("val_macro_f1", "seconds")} == {
        name: value for name, value in same.items() if name != "seconds"
    }
    assert found["val_macro_f1"] == training.predictions.value(metric_of("macro_f1"))
    assert found["val_log_loss"] == pytest.approx(training.predictions.value(metric_of("log_loss")), abs=1e-5)
    assert bare.predictions is None


def test_divergence_is_an_exception_not_a_number(data):
    with pytest.raises(Diverged, match="lower train.lr"):
        list(fit(network(), data, Recipe(epochs=3, batch_size=32, lr=100.0, weight_decay=1.0), seed=Seed(0)))


def test_cosine_falls_from_the_peak_to_zero():
    recipe = Recipe(epochs=10, lr=0.2)
    assert learning_rate(recipe, 0) == pytest.approx(0.2)
    assert learning_rate(recipe, 5) == pytest.approx(0.1)
    assert learning_rate(recipe, 10) == pytest.approx(0.0)


def test_steps_divide_by_ten_at_the_milestones():
    recipe = Recipe(epochs=10, lr=1.0, schedule="step", milestones=(0.5, 0.75))
    assert [learning_rate(recipe, e) for e in (0, 4.9, 5, 7.5)] == pytest.approx([1, 1, 0.1, 0.01])


def test_warm_up_rises_to_the_peak_and_no_step_is_wasted():
    recipe = Recipe(epochs=10, lr=0.2, warmup=2)
    rates = [learning_rate(recipe, e) for e in (0, 1, 1.99, 2)]
    assert rates == sorted(rates)
    assert rates[0] > 0
    assert rates[-1] == pytest.approx(0.2)


def test_biases_and_normalisation_do_not_decay(data):
    training = Training(network(), data, RECIPE, seed=Seed(0))
    weights, others = training._optimizer.param_groups
    assert all(p.ndim > 1 for p in weights["params"])
    assert others["weight_decay"] == 0
    assert len(weights["params"]) + len(others["params"]) == len(list(training.model.parameters()))


@pytest.mark.parametrize(
    ("limit", "value"), [("EVALUATION_BATCH", 7), ("EVALUATION_SIZE", 7 * 64), ("EVALUATION_SIZE", 1)]
)
def test_validation_counts_every_image_whatever_the_batches(data, monkeypatch, limit, value):
    model = network(SE)
    whole = validate(model, data.x_val, data.y_val, data)
    monkeypatch.setattr(f"senet_nas.training.validate.{limit}", value)
    parts = validate(model, data.x_val, data.y_val, data)
    assert torch.equal(whole.correct, parts.correct)
    assert whole.log_loss == pytest.approx(parts.log_loss, rel=1e-4)
    assert whole.brier == pytest.approx(parts.brier, rel=1e-4)
    assert whole.gates == pytest.approx(parts.gates, rel=0.1)
    assert whole.accuracy == pytest.approx(100 * whole.correct.double().mean().item())
    assert not any(block._forward_hooks for block in model.modules())


def test_the_fused_optimizer_steps_as_the_plain_one_whatever_the_layout(data):
    """Weights lie channels last, gradients may not: one kernel over all of them must not mix up elements."""

    def after(fused):
        training = Training(network(SE), data, Recipe(epochs=1, batch_size=64), seed=Seed(0))
        for group in training._optimizer.param_groups:
            group["fused"] = fused
        training.epoch()
        return training.model.state_dict()

    for ours, theirs in zip(after(True).values(), after(False).values(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_in_bfloat16_it_learns_as_well_and_its_weights_stay_float32(data):
    recipe = Recipe(epochs=6, batch_size=32, lr=0.1, precision="bfloat16")
    training = Training(network(SE), data, recipe, seed=Seed(0))
    seen = set()
    training.model.fc.register_forward_hook(lambda module, inputs, y: seen.add((module.training, y.dtype)))
    epochs = [training.epoch() for _ in range(6)]
    assert seen == {(True, torch.bfloat16), (False, torch.float32)}
    assert epochs[-1]["val_accuracy"] > 80
    assert {p.dtype for p in training.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("wanted", "is_native", "device", "expected"),
    [
        ("auto", True, "cuda", torch.bfloat16),
        ("auto", False, "cuda", torch.float16),
        ("auto", True, "cpu", None),
        ("float32", True, "cuda", None),
        ("bfloat16", False, "cuda", torch.bfloat16),
        ("float16", True, "cpu", torch.float16),
    ],
)
def test_the_number_format_is_one_that_the_device_computes_in_itself(wanted, is_native, device, expected, monkeypatch):
    monkeypatch.setattr(gpus, "has_native_bfloat16", lambda: is_native)
    assert precision.chosen(Recipe(precision=wanted), device) == expected
    assert (precision.scaler(expected, "cpu") is not None) == (expected == torch.float16)


def test_in_float16_it_learns_and_a_step_that_overflows_is_left_out(data):
    short = replace(RECIPE, epochs=4, precision="float16", ema=0.9)
    training = Training(network(SE), data, short, seed=Seed(0))
    training._scaler.scale(torch.zeros(()))  # makes its state
    training._scaler.update(2.0**40)  # so large that gradients overflow, until it was halved often enough
    before = training.model.fc.weight.clone()
    first = training.epoch()
    assert torch.equal(training.model.fc.weight, before)
    assert first["grad_norm"] == 0
    training._scaler.update(2.0**10)
    for _ in range(3):
        last = training.epoch()
    assert last["train_loss"] < 0.95 * first["train_loss"]
    assert 0 < last["grad_norm"] < 100  # of the loss itself, not of the one that was scaled


def test_a_stop_in_float16_changes_nothing(data):
    short = replace(RECIPE, precision="float16")
    whole, first, again = (Training(network(), data, short, seed=Seed(0)) for _ in range(3))
    whole.epoch()
    first.epoch()
    again.load_state(copy.deepcopy(first.state()))
    for training in (whole, again):
        training.epoch()
    assert again._scaler.state_dict() == whole._scaler.state_dict()
    assert torch.equal(again.model.fc.weight, whole.model.fc.weight)


def test_the_average_is_the_one_that_torch_computes(data):
    model = network(SE)
    ours = MovingAverage(model, 0.9)
    torchs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    for _ in range(3):
        with torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                tensor.add_(1)
        ours.count(1)
        ours.average()
        torchs.update_parameters(model)
    expected = torchs.state_dict()
    assert expected.keys() == ours.state_dict().keys()
    assert all(torch.equal(expected[name], value) for name, value in ours.state_dict().items())


def test_validation_is_in_float32_on_a_gpu_too(data, monkeypatch):
    """By default a GPU rounds the factors of convolutions to TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    seen = []
    model = network()
    model.register_forward_hook(lambda *given: seen.append(torch.backends.cudnn.allow_tf32))
    validate(model, data.x_val, data.y_val, data)
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 is True


def test_on_a_cpu_float32_is_the_rule(data):
    ours, theirs = (
        next(iter(fit(network(), data, Recipe(epochs=1, precision=p), seed=Seed(0)))) for p in ("auto", "float32")
    )
    assert ours["train_loss"] == theirs["train_loss"]


def test_a_moving_average_of_the_weights_is_what_is_validated_and_kept(data):
    training = Training(network(), data, Recipe(epochs=1, batch_size=100, lr=0.1, ema=0.5), seed=Seed(0))  # three steps
    after = []
    training._optimizer.register_step_post_hook(lambda *_: after.append(copy.deepcopy(training.model.state_dict())))
    found = training.epoch()
    one, two, three = after
    for name, value in training.result.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, 0.25 * one[name] + 0.25 * two[name] + 0.5 * three[name], atol=1e-6), name
    assert found["val_accuracy"] == validate(training.result, data.x_val, data.y_val, data).accuracy
    assert found["val_log_loss"] != validate(training.model, data.x_val, data.y_val, data).log_loss


def test_without_an_average_the_network_that_trains_is_the_result(data):
    training = Training(network(), data, Recipe(epochs=1, batch_size=100), seed=Seed(0))
    assert training.result is training.model
