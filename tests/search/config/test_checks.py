import pytest

from search.config import ConfigError, Experiment, seconds
from search.config.checks import NAMES
from search.planning.optuna_study import SAMPLERS
from senet_nas.costs.measures import MEASURES
from senet_nas.data.datasets import DATASETS
from senet_nas.network.backbones.table import names
from senet_nas.network.operators import GATES
from senet_nas.network.squeezes import CHANNELS, SQUEEZES
from senet_nas.training.quality_metrics import METRICS
from spaces.errors import UserError
from spaces.spelling import EXCITATIONS, OPERATORS

LEAST = {"data": "digits", "model": {"backbone": "cifar_resnet8"}}


def nested(pattern: str, value: object) -> dict:
    """The mapping with a value where a pattern of keys says."""
    for part in reversed(pattern.split(".")):
        value = [value] if part == "*" else {part: value}
    return value


@pytest.mark.parametrize("squeeze", [name for name, row in SQUEEZES.items() if row.leaves == CHANNELS])
def test_every_squeeze_can_be_named(squeeze):
    assert Experiment.from_dict({**LEAST, "space": {"squeeze": [squeeze]}}).space.squeeze == (squeeze,)


@pytest.mark.parametrize("excitation", EXCITATIONS)
def test_every_excitation_can_be_named(excitation):
    assert Experiment.from_dict({**LEAST, "space": {"excitation": [excitation]}}).space.excitation == (excitation,)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_can_be_named(operator):
    assert Experiment.from_dict({**LEAST, "space": {"operators": [operator]}}).space.operators == (operator,)


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_can_be_named(gate):
    assert Experiment.from_dict({**LEAST, "space": {"gate": [gate]}}).space.gate == (gate,)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_can_be_named(sampler):
    assert Experiment.from_dict({**LEAST, "search": {"sampler": sampler}}).search.sampler == sampler


DESCRIBED = {"dataset": "none", "channels": 3, "image_size": 32, "classes": 2}


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_can_be_named(dataset):
    path = {} if DATASETS[dataset].ignores_path else {"path": "./images"}
    data = {"dataset": dataset, **path}
    if DATASETS[dataset].is_empty:
        data = {**DESCRIBED, "dataset": dataset}
    found = Experiment.from_dict({**LEAST, "data": data, "evaluate": "python:mine:train"})
    assert found.data.dataset == dataset


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"data": DESCRIBED, "evaluate": "train"}, "`none` has no images to train on"),
        ({"data": {**DESCRIBED, "classes": None}}, "missing; the networks are built for it"),
        ({"data": {"dataset": "none", "channels": 3, "classes": 2}}, "missing; the networks are built for it"),
        ({"data": {"dataset": "digits", "channels": 3}}, "applies only to `dataset: none`"),
        ({"data": {"dataset": "digits", "classes": 3}}, "applies only to `dataset: none`"),
    ],
)
def test_inputs_are_described_only_for_a_function_that_reads_its_own_data(tree, says):
    with pytest.raises(ConfigError, match=says):
        Experiment.from_dict({**LEAST, "evaluate": "python:mine:train", **tree})


@pytest.mark.parametrize("backbone", names())
def test_every_backbone_can_be_named(backbone):
    assert Experiment.from_dict({**LEAST, "model": {"backbone": backbone}}).model.backbone == backbone


@pytest.mark.parametrize("metric", MEASURES)
def test_every_measure_can_be_an_objective(metric):
    objectives = [{"metric": "accuracy"}, {"metric": metric, "limit": 5}]
    found = Experiment.from_dict({**LEAST, "objectives": objectives}).objectives
    assert [o.metric for o in found] == ["accuracy", metric]
    assert [(o.direction, o.limit) for o in found] == [("maximize", None), ("minimize", 5)]


@pytest.mark.parametrize("metric", [*METRICS, "recall@cat"])
def test_every_metric_can_decide(metric):
    found = Experiment.from_dict({**LEAST, "objectives": ["params", metric], "record": [metric]})
    assert [o.metric for o in found.objectives] == [metric, "params"]  # the quality comes first
    assert found.objectives[0].quality.name == metric
    assert found.record == (metric,)
    step = found.objectives[0].quality.step
    thresholds = (found.search.worthwhile, found.search.tolerance, found.search.min_gain)
    assert thresholds == pytest.approx((0.2 * step, 0.1 * step, 0.05 * step))


OWN = {**LEAST, "evaluate": "python:mine:train"}


def test_a_metric_of_ones_own_says_what_is_better_and_in_which_unit():
    mine = {"metric": "mean_iou", "goal": "maximize", "unit": "%", "format": ".1f"}
    found = Experiment.from_dict({**OWN, "objectives": [mine, "params"]})
    metric = found.objectives[0].quality
    assert (metric.column, metric.title, metric.shown(61.26), metric.gain_unit) == (
        "val_mean_iou",
        "mean iou",
        "61.3 %",
        "points",
    )
    assert found.search.worthwhile == 0.2
    error = {"metric": "val_error", "goal": "minimize", "unit": "mm"}
    found = Experiment.from_dict({**OWN, "objectives": [error, "params"], "search": {"worthwhile": 0.4}})
    assert (found.objectives[0].quality.column, found.search.min_gain, found.search.tolerance) == (
        "val_error",
        0.1,
        0.2,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objectives": ["balanced_acuracy", "params"]}, "did you mean `balanced_accuracy`?"),
        ({"objectives": ["zzz", "params"]}, "a metric of your own needs `evaluate: python:...`"),
        ({"objectives": ["recall@", "params"]}, "unknown metric `recall@`"),
        ({"objectives": [{"metric": "auroc", "goal": "minimize"}, "params"]}, "`auroc` can only be maximized"),
        ({"objectives": [{"metric": "auroc", "unit": "%"}, "params"]}, "`auroc` has its own unit"),
        ({"objectives": [{"metric": "auroc", "limit": 3}, "params"]}, "auroc has no overhead to limit"),
        ({"objectives": ["auroc", "auroc", "params"]}, "`auroc` is an objective twice"),
        ({"objectives": ["auroc"]}, "a cost is missing"),
        ({"objectives": ["params"]}, "a quality such as accuracy is missing"),
        ({"record": ["acc"]}, "unknown metric `acc`"),
        ({**OWN, "objectives": ["mean_iou", "params"]}, "missing; `mean_iou` is a metric of your own"),
        (
            {**OWN, "objectives": [{"metric": "mean_iou", "goal": "maximize"}, "params"]},
            "search.worthwhile: missing; it is in the unit of mean_iou",
        ),
    ],
)
def test_mistakes_about_metrics_are_named(change, said):
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({**LEAST, **change})
    assert said in str(caught.value)


@pytest.mark.parametrize("pattern", NAMES)
def test_other_names_are_refused_with_the_nearest(pattern):
    name = next(iter(NAMES[pattern]))
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({**LEAST, **nested(pattern, name + "x")})
    (problem,) = caught.value.problems
    assert f"`{name}x`; allowed: {', '.join(NAMES[pattern])}" in problem.message
    assert problem.hint.startswith(f"did you mean `{name}`?")


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
