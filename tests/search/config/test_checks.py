import pytest

from search.config import ConfigError, Experiment, seconds
from search.config.checks import METRICS, NAMES
from search.planning.optuna_study import SAMPLERS
from senet_nas.data.datasets import DATASETS
from senet_nas.network.backbones.table import names
from senet_nas.network.operators import GATES, SQUEEZES
from spaces.errors import UserError

LEAST = {"data": "digits", "model": {"backbone": "cifar_resnet8"}}


def nested(pattern: str, value: object) -> dict:
    """The mapping with a value where a pattern of keys says."""
    for part in reversed(pattern.split(".")):
        value = [value] if part == "*" else {part: value}
    return value


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_every_squeeze_can_be_named(squeeze):
    assert Experiment.from_dict({**LEAST, "space": {"squeeze": [squeeze]}}).space.squeeze == (squeeze,)


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_can_be_named(gate):
    assert Experiment.from_dict({**LEAST, "space": {"gate": [gate]}}).space.gate == (gate,)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_can_be_named(sampler):
    assert Experiment.from_dict({**LEAST, "search": {"sampler": sampler}}).search.sampler == sampler


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_can_be_named(dataset):
    data = {"dataset": dataset, "path": "./images"}
    assert Experiment.from_dict({**LEAST, "data": data}).data.dataset == dataset


@pytest.mark.parametrize("backbone", names())
def test_every_backbone_can_be_named(backbone):
    assert Experiment.from_dict({**LEAST, "model": {"backbone": backbone}}).model.backbone == backbone


@pytest.mark.parametrize("metric", METRICS[1:])
def test_every_measure_can_be_an_objective(metric):
    objectives = [{"metric": "accuracy"}, {"metric": metric, "limit": 5}]
    found = Experiment.from_dict({**LEAST, "objectives": objectives}).objectives
    assert [o.metric for o in found] == ["accuracy", metric]
    assert [(o.direction, o.limit) for o in found] == [("maximize", None), ("minimize", 5)]


@pytest.mark.parametrize("pattern", NAMES)
def test_other_names_are_refused_with_the_nearest(pattern):
    name = next(iter(NAMES[pattern]))
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({**LEAST, **nested(pattern, name + "x")})
    (problem,) = caught.value.problems
    assert f"`{name}x`; allowed: {', '.join(NAMES[pattern])}" in problem.message
    assert problem.hint == f"did you mean `{name}`?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("1h 30m 5s", 5405), ("0.5h", 1800), (None, None)],
)
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "5", "-5m", "30m1h", "1d", "h", "1e3s", "9" * 400 + "h"])
def test_what_is_no_time(text):
    with pytest.raises(UserError, match="is not a duration"):
        seconds(text)


def test_a_backbone_of_a_table_may_be_anything():
    tree = {"data": "digits", "model": {"backbone": "somebody_elses"}, "evaluate": "table:results.csv.gz"}
    assert Experiment.from_dict(tree).model.backbone == "somebody_elses"


@pytest.mark.parametrize("evaluate", ["train", "table:a/b.csv", "python:mine:f", "python:mine.sub_module:f_1"])
def test_sources_of_results(evaluate):
    assert Experiment.from_dict({**LEAST, "evaluate": evaluate}).evaluate == evaluate


@pytest.mark.parametrize(
    ("section", "key", "message", "hint"),
    [
        (
            {"data": {"dataset": "cifar10", "resize": 40}},
            "data.image_size",
            "missing; resize needs it",
            "image_size: 35",
        ),
        ({"data": {"dataset": "cifar10", "resize": 24, "image_size": 32}}, "data.resize", "at least image_size", ""),
        ({"train": {"crop": 4, "crop_area": 0.08}}, "train.crop", "exclude each other", "remove one of them"),
    ],
)
def test_sizes_and_crops_must_agree(section, key, message, hint):
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({**LEAST, **section})
    (problem,) = caught.value.problems
    assert problem.key == key
    assert message in problem.message
    assert hint in problem.hint


def test_sizes_and_crops_that_agree_are_taken():
    found = Experiment.from_dict(
        {
            **LEAST,
            "data": {"dataset": "cifar10", "resize": 40, "image_size": 32},
            "train": {"crop": 0, "crop_area": 0.08},
        }
    )
    assert (found.data.resize, found.train.crop_area) == (40, 0.08)
