import pytest
from torch import nn

from senet_nas.costs import memory
from senet_nas.network.build import build

PLAIN, SE = "cifar_resnet8/-/-/-", "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"


def pointwise(c_in, c_out):
    return nn.Conv2d(c_in, c_out, 1, bias=False)


def test_at_the_peak_live_weights_the_input_and_two_maps():
    network = nn.Sequential(pointwise(3, 8), nn.ReLU(), pointwise(8, 8))
    maps = 4 * 4 * 100
    assert memory.inference(network, (3, 10, 10), batch=4) == 4 * (24 + 64) + maps * (3 + 8 + 8)


def test_what_a_module_frees_is_not_counted():
    long = nn.Sequential(*[pointwise(8, 8) for _ in range(9)])
    assert memory.inference(long, (8, 10, 10)) == 9 * 4 * 64 + 4 * 100 * (8 * 2 + 8)


@pytest.mark.parametrize("measure", [memory.inference, memory.training])
def test_it_grows_with_the_batch_and_with_se(measure):
    plain, se = (build(key, in_channels=1, num_classes=10) for key in (PLAIN, SE))
    assert measure(se, (1, 16, 16), 8) > measure(plain, (1, 16, 16), 8) > measure(plain, (1, 16, 16), 4)


def test_training_keeps_what_the_backward_pass_needs_and_leaves_the_network_alone():
    network = build(SE, in_channels=1, num_classes=10)
    assert memory.training(network, (1, 32, 32), 64) > 2 * memory.inference(network, (1, 32, 32), 64)
    assert all(parameter.grad is None and not parameter.is_meta for parameter in network.parameters())
