"""A search over SE in a network for signals, through the real Ray, Optuna and MLflow."""

import json

import pytest

from search.config import ConfigError, load
from search.setup.experiment_setup import prepare
from tests.search.cli.test_cli import ROOT, senet

CONFIG = ROOT / "configs" / "signals.yaml"
SHORT = ("data.train=100", "data.validation=100", "train.epochs=1", "train.batch_size=50", "budget.trainings=8")


@pytest.mark.ray
def test_a_search_over_signals_ends_with_a_front(tmp_path):
    senet("run", str(CONFIG), *(word for text in SHORT for word in ("--set", text)), cwd=tmp_path)
    front = json.loads((tmp_path / "runs" / "signals" / "front.json").read_text())
    assert front["trainings"] == {"finished": 8}
    assert {point["architecture"].split("/")[0] for point in front["points"]} == {"signal_resnet8"}
    assert all(point["params_overhead"] > 0 for point in front["points"] if point["id"] != "a0")


def test_brightness_of_signals_is_refused():
    with pytest.raises(ConfigError, match="jitter applies only to image data"):
        prepare(load(CONFIG, ["train.jitter=0.2"]))


def test_a_network_for_images_is_refused():
    with pytest.raises(ConfigError, match="a network for images"):
        prepare(load(CONFIG, ["model.backbone=cifar_resnet8"]))


def test_overheads_are_those_of_signals():
    prepared = prepare(load(CONFIG))
    assert prepared.images.shape == (1, 500)
    plain = prepared.price(next(iter(prepared.space)))
    assert (plain["params"], plain["macs"]) == (44_564, 3_756_640)
