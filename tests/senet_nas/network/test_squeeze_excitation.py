import copy
import pickle

import pytest
import torch
from torch import nn

from senet_nas.network.operators import GATES
from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation, add_output
from tests.senet_nas.covering import OF_CHANNELS, spelt

POSITION = "pre_addition"


def block(channels: int = 6, squeeze: str = "avg", excitation: str = "fc2", gate: str = "sigmoid") -> SqueezeExcitation:
    torch.manual_seed(0)
    return SqueezeExcitation(channels, spelt(squeeze, excitation, gate, POSITION))


@pytest.mark.parametrize("spatial", [(7,), (4, 5), (2, 3, 4), (1, 1)])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("squeeze", OF_CHANNELS)
def test_scales_each_channel_of_any_number_of_dimensions(squeeze: str, gate: str, spatial: tuple[int, ...]) -> None:
    se, x = block(squeeze=squeeze, gate=gate), torch.randn(2, 6, *spatial)
    x.requires_grad_()
    y = se(x)
    y.square().sum().backward()
    assert y.shape == x.shape
    assert all(p.grad is not None and p.grad.isfinite().all() for p in [x, *se.parameters()])
    ratio_NCL = (y / x).flatten(2)
    torch.testing.assert_close(ratio_NCL, ratio_NCL[:, :, :1].expand_as(ratio_NCL))


def test_is_the_formula_of_the_paper() -> None:
    se, x_NCHW = block(), torch.randn(3, 6, 4, 4)
    s_NC = torch.relu(x_NCHW.mean((2, 3)) @ se.fc1.weight.T + se.fc1.bias)
    s_NC = torch.sigmoid(s_NC @ se.fc2.weight.T + se.fc2.bias)
    torch.testing.assert_close(se(x_NCHW), x_NCHW * s_NC[:, :, None, None])


def test_a_hook_on_the_gate_sees_the_factors() -> None:
    se, x_NCHW, seen = block(), torch.randn(3, 6, 4, 4), []
    se.gate.register_forward_hook(lambda module, inputs, output: seen.append(output))
    y_NCHW = se(x_NCHW)
    assert seen[0].shape == (3, 6)
    torch.testing.assert_close(x_NCHW * seen[0][:, :, None, None], y_NCHW)


@pytest.mark.parametrize(("excitation", "expected"), [("fc2", 2 * 6 * 2 + 2 + 6), ("fc2nb", 2 * 6 * 2)])
def test_bias_is_as_the_excitation_says(excitation: str, expected: int) -> None:
    assert sum(p.numel() for p in block(excitation=excitation).parameters()) == expected


def test_keeps_channels_last() -> None:
    x_NCHW = torch.randn(2, 6, 4, 4).to(memory_format=torch.channels_last)
    assert block()(x_NCHW).is_contiguous(memory_format=torch.channels_last)


def test_can_be_copied_and_pickled() -> None:
    se, x_NCHW = block(), torch.randn(2, 6, 4, 4)
    for other in (copy.deepcopy(se), pickle.loads(pickle.dumps(se))):
        assert torch.equal(other(x_NCHW), se(x_NCHW))


def test_an_empty_slot_is_nothing_but_a_place() -> None:
    slot, x_NCHW = Slot(6), torch.randn(2, 6, 4, 4)
    assert slot(x_NCHW) is x_NCHW
    assert not slot.state_dict()
    assert slot.channels == 6


class Doubled(nn.Conv2d):
    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x_NCHW)


@pytest.mark.parametrize("unit", [nn.ReLU(), Doubled(3, 3, 1), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())])
def test_any_module_of_one_tensor_takes_se_behind_it(unit: nn.Module) -> None:
    x_NCHW = torch.randn(2, 3, 4, 4)
    before, keys = unit(x_NCHW).detach(), list(unit.state_dict())
    kind = type(unit)
    assert add_output(unit, 3) is unit
    assert isinstance(unit, kind)
    assert torch.equal(unit(x_NCHW), before)
    assert list(unit.state_dict()) == keys
    unit.output = SqueezeExcitation(3, spelt("avg", "fc2", "sigmoid", "output"))
    expected = unit.output(before)
    torch.testing.assert_close(copy.deepcopy(unit)(x_NCHW), expected)
    torch.testing.assert_close(torch.export.export(unit.eval(), (x_NCHW,)).module()(x_NCHW), expected)
