"""Which runtime quantises where a search is judged in INT8."""

import pytest

from search import Experiment
from search.config import ConfigError
from search.setup import experiment_setup, int8_setup
from search.setup.experiment_setup import prepare
from senet_nas.deploy import runtime_table
from senet_nas.quantised import Quantised
from spaces.errors import ENVIRONMENT, UserError

LEAST = {"data": {"dataset": "digits", "train": 100}, "model": {"backbone": "cifar_resnet8"}}
OPENVINO = {"runtime": "openvino", "precision": "int8"}


def found(**tree):
    return int8_setup.quantised(Experiment.from_dict({**LEAST, **tree}))


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({}, None),
        ({"objectives": ["accuracy_int8", "params"], "latency": OPENVINO}, Quantised("openvino")),
        ({"objectives": ["accuracy_int8", "params", "latency_onnxruntime_int8"]}, Quantised("onnxruntime")),
        (
            {"objectives": ["accuracy", "accuracy_int8", "latency_onnxruntime_int8"], "latency": OPENVINO},
            Quantised("onnxruntime"),
        ),
        ({"record": ["accuracy_int8"], "latency": OPENVINO}, Quantised("openvino", is_needed=False)),
    ],
)
def test_the_first_int8_latency_says_which_runtime(tree, expected):
    assert found(**tree) == expected


@pytest.mark.parametrize(
    ("tree", "key"),
    [({"objectives": ["accuracy_int8", "params"]}, "objectives"), ({"record": ["accuracy_int8"]}, "record")],
)
def test_without_one_the_config_is_refused_at_its_line(tree, key):
    experiment = Experiment.from_dict({**LEAST, **tree})
    with pytest.raises(ConfigError) as caught:
        prepare(experiment)
    assert "no INT8 latency says which runtime quantises" in str(caught.value)
    assert "latency: {runtime: onnxruntime, precision: int8}" in str(caught.value)
    with pytest.raises(UserError) as error:
        int8_setup.quantised(experiment)
    assert error.value.key == key


def test_a_runtime_that_is_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(runtime_table, "missing", lambda packages: packages)
    with pytest.raises(UserError, match="needs openvino, nncf") as caught:
        found(objectives=["accuracy_int8", "params"], latency=OPENVINO)
    assert caught.value.code == ENVIRONMENT
    assert "senet-search[openvino]" in caught.value.hint


def test_the_trainings_of_a_search_get_it():
    experiment = Experiment.from_dict({**LEAST, "objectives": ["accuracy_int8", "params"], "latency": OPENVINO})
    task = experiment_setup._evaluator(experiment).training_task
    assert task.metrics == ("accuracy_int8",)
    assert task.int8 == Quantised("openvino")


def test_early_stopping_is_refused_since_nothing_is_known_before_the_end():
    tree = {**LEAST, "objectives": ["accuracy_int8", "params"], "search": {"halving": 3}}
    with pytest.raises(ConfigError, match="accuracy_int8 is measured when a training ends"):
        Experiment.from_dict(tree)
