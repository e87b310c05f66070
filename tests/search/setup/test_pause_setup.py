"""Pauses that can never come are refused, and the plan says when they may."""

import pytest

from search.config import ConfigError, Experiment
from search.execute.ray.resources import Slots
from search.planning.training_lengths import Knowledge, allowed
from search.report.plan_lines import plan_lines
from search.setup import pause_setup
from search.setup.experiment_setup import Prepared
from spaces import Site, Space, SpaceSpec

SITES = [Site(f"{stage}.0", stage, {"pre_addition": 16, "post_addition": 16}) for stage in (1, 2, 3)]


class Pausing:
    """An evaluation whose trainings can pause."""

    can_pause = True


def prepared(*, short="on", trainings=64, epochs=16, warmup=1, **search):
    experiment = Experiment.from_dict(
        {
            "data": "digits",
            "model": {"backbone": "cifar_resnet8"},
            "search": {"short": short, **search},
            "budget": {"trainings": trainings},
            "train": {"epochs": epochs, "warmup": warmup},
        }
    )
    space = Space("net", SITES, SpaceSpec(reduction=(4, 16), squeeze=("avg", "max")))
    return Prepared(experiment, space, None, Pausing(), Slots(1, 1, 0.0), "cpu")


@pytest.mark.parametrize(
    ("config", "says", "hint"),
    [
        ({"epochs": 1, "warmup": 0}, "no training can pause", "train.epochs 2 or more"),
        ({"epochs": 2}, "after the warm-up of 1, and train.epochs is 2", "use train.epochs 6 or more"),
        (
            {"trainings": 24},
            "the search may use 12 of 24 trainings, and the first 16 are whole",
            "trainings 33 or more",
        ),
        ({"sampler": "random"}, "the sampler `random` chooses whole trainings only", "knowledge_gradient"),
        ({"sampler": "thompson"}, "the sampler `thompson` chooses whole trainings only", "knowledge_gradient"),
        ({"sampler": "grid"}, "the sampler `grid` chooses whole trainings only", "remove search.short"),
        ({"trainings": 10_000}, "`auto` takes each placement once here", "remove search.short"),
    ],
)
def test_pauses_that_can_never_come_are_refused(config, says, hint):
    with pytest.raises(ConfigError, match="search.short") as caught:
        pause_setup.check(prepared(**config))
    assert says in str(caught.value)
    assert hint in str(caught.value)
    pause_setup.check(prepared(short="off", **config))
    pause_setup.check(prepared())


@pytest.mark.parametrize("confirm", [0.25, 0.5, 0.6])
def test_what_is_suggested_is_the_smallest_budget_with_a_training_that_may_pause(confirm):
    with pytest.raises(ConfigError) as caught:
        pause_setup.check(prepared(trainings=16, confirm=confirm))
    enough = int(str(caught.value).split("use budget.trainings ")[1].split()[0])
    pause_setup.check(prepared(trainings=enough, confirm=confirm))
    with pytest.raises(ConfigError):
        pause_setup.check(prepared(trainings=enough - 1, confirm=confirm))


def test_the_plan_says_after_which_epochs_trainings_may_pause():
    plan = plan_lines(prepared(trainings=100))
    (line,) = [line for line in plan if line.startswith("pauses")]
    told = "once 16 whole trainings have shown that losses tell something"
    assert line == f"pauses    trainings may pause after 2 of 16 epochs, {told}"
    recipe = prepared().experiment.train
    pause = allowed(recipe, Knowledge(target=50, whole=16, short=0.0, p_nothing=0.0))
    assert pause is not None
    assert pause.epoch == 2
    assert not any(line.startswith("pauses") for line in plan_lines(prepared(short="off")))
