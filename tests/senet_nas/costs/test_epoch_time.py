"""`check` measures an epoch within seconds, however large the images are: a batch of them may take half a minute."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from senet_nas.costs import epoch_time
from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Diverged, Recipe


@pytest.fixture(scope="module")
def data():
    return load(DataSpec(dataset="digits", train=800))


class Clock:
    """Time passes only while images are seen in training: so many seconds for each, and once for starting up."""

    def __init__(self, per_image, starting_up=0.0):
        self.now = 0.0
        self.seen = []
        self._per_image = per_image
        self._starting_up = starting_up

    def __call__(self):
        return self.now

    def watch(self, network):
        def look(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if module.training:
                self.seen.append(len(inputs[0]))
                self.now += self._per_image * len(inputs[0]) + self._starting_up
                self._starting_up = 0.0

        network.register_forward_pre_hook(look)
        return network


def measured(data, clock, **changes):
    recipe = replace(Recipe(batch_size=32), **changes)
    return epoch_time.measure(
        lambda: clock.watch(build("cifar_resnet8/-/-/-", in_channels=1, num_classes=10)), data, recipe, clock=clock
    )


@pytest.mark.parametrize("per_image", [0.0001, 0.004, 0.3, 2.0, 50.0])
def test_the_time_is_that_of_all_images_and_is_found_within_seconds(data, per_image):
    clock = Clock(per_image)
    found = measured(data, clock)
    assert found.seconds == pytest.approx(per_image * 800)
    assert clock.now <= max(epoch_time.SECONDS, 2 * per_image * epoch_time.FEWEST)


@pytest.mark.parametrize("starting_up", [0.5, 1.5, 30.0])
def test_what_the_first_epoch_spends_on_starting_up_does_not_count(data, starting_up):
    assert measured(data, Clock(0.001, starting_up)).seconds == pytest.approx(0.8)


def test_fast_trainings_are_measured_on_twelve_batches(data):
    assert measured(data, Clock(0.0001)).images == 12 * 32


def test_slow_trainings_never_see_a_whole_batch(data):
    clock = Clock(3.0)
    assert measured(data, clock, batch_size=256).images == 2
    assert clock.seen == [2, 2]


def test_fewer_images_than_a_measurement_has(data):
    few = data.share(3 / 800)
    assert measured(few, Clock(0.001), batch_size=2).images == 3


def test_a_learning_rate_that_is_too_high_for_two_images_is_no_failure_of_the_measurement(data):
    assert measured(data, Clock(2.0), lr=1e9, warmup=0.0).seconds == pytest.approx(1600)


class FullBatches(nn.Module):
    """A network that computes numbers only from batches of a size or more."""

    def __init__(self, fewest):
        super().__init__()
        self.fewest = fewest
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        y = self.layer(x.flatten(1))
        return y if len(x) >= self.fewest or not self.training else y * float("nan")


def test_a_loss_that_is_not_finite_for_two_images_leads_to_more_images(data):
    found = epoch_time.measure(lambda: FullBatches(32), data, Recipe(batch_size=32), seconds=60.0)
    assert found.images >= 32


def test_a_loss_that_is_not_finite_for_a_batch_is_an_error(data):
    with pytest.raises(Diverged):
        epoch_time.measure(lambda: FullBatches(33), data, Recipe(batch_size=32), seconds=60.0)
