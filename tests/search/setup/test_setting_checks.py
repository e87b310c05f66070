"""Values that cannot be meant: impossible ones are refused, odd ones are a caution (fault 24)."""

from dataclasses import replace

import pytest

from search import config
from search.setup.experiment_setup import prepare
from search.setup.setting_checks import odd_settings
from senet_nas.recipe import Recipe
from spaces.errors import UserError

DIGITS = "data: {dataset: digits, train: 200}\nmodel: {backbone: cifar_resnet8}\n"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lr": 50.0}, "train.lr is 50: trainings are likely to diverge"),
        ({"momentum": 0.999}, "train.momentum is 0.999"),
        ({"weight_decay": 0.5}, "train.weight_decay is 0.5"),
        ({"label_smoothing": 0.9}, "train.label_smoothing is 0.9"),
        ({"jitter": 0.95}, "train.jitter is 0.95"),
        ({"warmup": 10.0}, "never reaches train.lr"),
        ({"schedule": "step", "milestones": (0.75, 0.5)}, "repeat or do not rise"),
        ({"milestones": (0.3, 0.6)}, "no effect with `train.schedule: cosine`"),
        ({"backbone_lr": 0.2}, "train.backbone_lr is 0.2, more than train.lr (0.1)"),
    ],
)
def test_an_odd_setting_is_a_caution(changed, says) -> None:
    (caution,) = odd_settings(replace(Recipe(), **changed))
    assert says in caution


def test_usual_settings_are_no_caution() -> None:
    assert odd_settings(Recipe()) == []
    assert odd_settings(Recipe(lr=1.0, warmup=5.0, schedule="step", label_smoothing=0.1, jitter=0.4)) == []


@pytest.mark.parametrize(
    ("setting", "key", "hint"),
    [
        ("crop: 8", "train.crop", "`train.crop: 1`"),
        ("cutout: 8", "train.cutout", "`train.cutout: 4` or less"),
    ],
)
def test_augmentation_must_leave_something_of_the_image(setting, key, hint, tmp_path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{DIGITS}train: {{batch_size: 64, {setting}}}\n")
    with pytest.raises(UserError) as caught:
        prepare(config.load(path))
    (problem,) = caught.value.problems
    assert problem.key == key
    assert hint in problem.hint
