import dataclasses
import json
import re

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config import FIXED, Experiment, differences, load, schema, template, to_yaml, with_trainings
from search.config.render import starter
from spaces.errors import UserError

LEAST = {"data": "digits", "model": {"backbone": "cifar_resnet8"}}
FULL = {
    "name": "1e-3",
    "data": {"path": "./on", "image_size": 32},
    "model": {"backbone": "resnet18"},
    "space": {"sites": ["3.0", "1.10"], "tie": ["gate"], "granularity": "block"},
    "objectives": [{"metric": "accuracy", "goal": "maximize"}, {"metric": "macs", "limit": 2.5}],
    "record": ["macro_f1"],
    "train": {"weight_decay": 1e-7, "milestones": [0.1, 0.2]},
    "tracking": {"uri": "http://me:secret@host:5000", "experiment": "yes"},
}


# Every setting differs from LEAST.
OTHER = {
    "name": "other",
    "data": {"dataset": "table", "path": ".", "image": "file", "label": "kind", "image_size": 16, "resize": 18,
             "color": "rgb", "train": 9, "validation": 9, "test": 0.1, "split_seed": 1, "group": "who"},
    "model": {"backbone": "mine:net", "sites": ["layer*.*"], "init": "pretrained", "weights": "w.pth"},
    "space": {"granularity": "block", "tie": "none", "stages": [1], "sites": ["1.0"], "reduction": [2],
              "position": ["identity"], "squeeze": ["std"], "excitation": ["fcnb"], "gate": ["hard_sigmoid"],
              "operators": ["ese"], "min_hidden": 1},
    "objectives": [{"metric": "accuracy"}, {"metric": "macs"}],
    "search": {
        **{"sampler": "grid", "seed": 1, "tolerance": 1, "min_gain": 1, "level": 0.8},
        **{"confirm": 0.3, "stop": "budget", "worthwhile": 1, "model": "accuracy"},
    },
    "budget": {"trainings": 5, "time": "1h"},
    "train": {"epochs": 1, "batch_size": 2, "lr": 1, "backbone_lr": 0.5, "freeze": "norm",
              "momentum": 0.5, "nesterov": False, "weight_decay": 0,
              "schedule": "step", "milestones": [], "warmup": 1, "label_smoothing": 0.1, "flip": True, "crop": 0,
              "jitter": 0.1, "cutout": 2, "crop_area": 0.1, "crop_ratio": 2, "rotation": 5, "shift": 9,
              "balance": "sampling", "sampling": "balanced", "precision": "bfloat16", "ema": 0.9,
              "cudagraph": "off"},
    "record": ["macro_f1"],
    "evaluate": "python:mine:train",
    "latency": {"device": "cpu", "batch": 8, "threads": 2, "dtype": "float16", "runtime": "compile",
                "precision": "fp16", "seconds": 1.0, "samples": 9},
    "resources": {"slots": 1, "cpus_per_slot": 1, "gpus_per_slot": 0, "device": "cpu"},
    "tracking": {"uri": "http://host:5000", "experiment": "other"},
}  # fmt: skip


@pytest.mark.parametrize("tree", [LEAST, FULL, OTHER])
def test_what_is_written_loads_as_the_same_experiment(tmp_path, tree):
    experiment = Experiment.from_dict(tree)
    path = tmp_path / "other.yaml"
    path.write_text(to_yaml(experiment))
    changed = differences(experiment, load(path))
    assert changed in ([], [("tracking.uri", "http://me:secret@host:5000", "http://me:***@host:5000")])


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(str.strip),
    st.floats(1e-12, 100, exclude_min=True),
    st.integers(1, 10**15),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_setting_survives_the_file(tmp_path_factory, path, lr, train):
    tree = {"data": {"path": path, "train": train}, "model": {"backbone": "resnet18"}, "train": {"lr": lr}}
    file = tmp_path_factory.getbasetemp() / "search.yaml"
    file.write_text(to_yaml(Experiment.from_dict(tree)))
    assert load(file) == Experiment.from_dict(tree)


def test_other_readers_of_yaml_understand_it_too():
    experiment = Experiment.from_dict(LEAST)
    assert yaml.safe_load(to_yaml(experiment)) == experiment.to_dict()


def test_no_password_is_written():
    text = to_yaml(Experiment.from_dict(FULL))
    assert "secret" not in text
    assert "http://me:***@host:5000" in text


# -- template ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["digits", "./flowers", "flowers", "a folder: #1/\u00e4"])
def test_the_template_loads_as_what_was_asked_for(tmp_path, data):
    path = tmp_path / "config.yaml"
    path.write_text(template(data=data, backbone="resnet18"))
    experiment = load(path)
    section = {"dataset": "digits"} if data == "digits" else {"path": data}
    assert experiment == Experiment.from_dict({"name": "config", "data": section, "model": {"backbone": "resnet18"}})


@pytest.mark.parametrize("data", ["digits", "./flowers"])
def test_every_commented_line_of_the_template_shows_its_default(tmp_path, data):
    text = template(data=data, backbone="resnet18")
    opened = re.sub(r"^( *)# (\w+: )", r"\1\2", text.split("\n\n", 1)[1], flags=re.MULTILINE)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    other = tmp_path / "opened.yaml"
    other.write_text(opened)
    assert load(other) == load(path)
    assert not re.search(r"^ *# \w+:", opened, re.MULTILINE)


def test_the_template_names_every_setting_and_the_schema():
    text = template(data="digits", backbone="resnet18")
    assert text.startswith("# yaml-language-server: $schema=./senet-search.schema.json\n")
    experiment = Experiment.from_dict(LEAST)
    for key, value in experiment.to_dict().items():
        for name in value if isinstance(value, dict) else [key]:
            assert re.search(rf"^ *(# )?{name}:", text, re.MULTILINE), name
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 120


# -- schema -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("text", [to_yaml(Experiment.from_dict(FULL)), template(data="digits", backbone="resnet18")])
def test_the_schema_accepts_what_loads(validator, text):
    assert list(validator.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"trails": 1},
        {"train": {"epochs": 0}},
        {"space": {"squeeze": ["mx"]}},
        {"search": {"sampler": "x"}},
        {"resources": {"slots": 0}},
        {"model": {}},
        {"data": 5},
        {"objectives": [{"metric": "1acc"}]},
        {"name": "a/b"},
    ],
)
def test_the_schema_refuses_what_does_not_load(validator, change):
    assert not validator.is_valid({**LEAST, **change})


def test_the_schema_explains_every_setting():
    found = schema()
    sections = [found, *found["$defs"].values()]
    assert all("description" in key for section in sections for key in section["properties"].values())
    assert found["required"] == ["data", "model"]
    json.dumps(found)


# -- differences ------------------------------------------------------------------------------------------------------


def test_differences_name_each_setting():
    old = Experiment.from_dict(LEAST)
    change = {"train": {"epochs": 3}, "space": {"reduction": [2]}, "budget": {"trainings": 9}}
    new = Experiment.from_dict({**LEAST, **change})
    assert differences(old, new) == [
        ("space.reduction", [4, 16], [2]),
        ("budget.trainings", 64, 9),
        ("train.epochs", 10, 3),
    ]
    assert differences(old, old) == []


def test_what_may_change_while_a_run_goes_on():
    settings = differences(Experiment.from_dict(LEAST), Experiment.from_dict(OTHER))
    assert sorted(key for key, _, _ in settings if key not in FIXED) == [
        "budget.time",
        "budget.trainings",
        "name",
        "resources.cpus_per_slot",
        "resources.device",
        "resources.gpus_per_slot",
        "resources.slots",
        "search.confirm",
        "search.level",
        "search.model",
        "search.stop",
        "search.tolerance",
        "search.worthwhile",
        "tracking.experiment",
        "tracking.uri",
        "train.cudagraph",
    ]


def test_what_may_not():
    settings = differences(Experiment.from_dict(LEAST), Experiment.from_dict(OTHER))
    # Only our own training is stopped early, and the other experiment has another.
    halved = differences(
        Experiment.from_dict(LEAST), Experiment.from_dict({**LEAST, "search": {"halving": 3, "shared": "on"}})
    )
    described = {"dataset": "none", "channels": 3, "image_size": 16, "classes": 2}
    for more in ({"path": ".", "time": "day"}, {"path": ".", "folds": 5}):
        settings += differences(Experiment.from_dict(LEAST), Experiment.from_dict({**LEAST, "data": more}))
    own = Experiment.from_dict({**LEAST, "data": described, "evaluate": "python:mine:train"})
    settings += differences(Experiment.from_dict(LEAST), own)
    assert {key for key, _, _ in [*settings, *halved]} >= FIXED


@pytest.mark.parametrize(
    ("text", "expected"),
    [("80", 80), ("+20", 84), (" +4 ", 68), ("4", 4)],
)
def test_a_budget_of_the_command_line(text, expected):
    experiment = Experiment.from_dict(LEAST, base="here")
    extended = with_trainings(experiment, text)
    assert extended.budget.trainings == expected
    assert dataclasses.replace(extended, budget=experiment.budget) == experiment
    assert extended.base == experiment.base


@pytest.mark.parametrize("text", ["", "+", "many", "-4", "3", "1e3", "+99999999", "9999999", "\u0664", "+0"])
def test_what_is_no_budget(text):
    with pytest.raises(UserError, match="--trainings"):
        with_trainings(Experiment.from_dict(LEAST), text)


SET = {"name": ("birds", ""), "train.batch_size": (8, "because")}


def test_the_template_sets_a_batch_size_and_says_why(tmp_path):
    (tmp_path / "config.yaml").write_text(template(data="digits", backbone="resnet18", settings=SET))
    assert load(tmp_path / "config.yaml").train.batch_size == 8
    assert re.search(r"^  batch_size: 8 +# because$", (tmp_path / "config.yaml").read_text(), re.MULTILINE)


def test_a_short_config_holds_the_settings_alone_with_their_reasons(tmp_path):
    remark = "word " * 40
    text = starter(data="./birds", settings={**SET, "model.backbone": ("resnet18", "for images")}, remarks=[remark])
    (tmp_path / "config.yaml").write_text(text)
    found = load(tmp_path / "config.yaml")
    assert found == Experiment.from_dict(
        {"name": "birds", "data": {"path": "./birds"}, "model": {"backbone": "resnet18"}, "train": {"batch_size": 8}}
    )
    assert re.search(r"^  batch_size: 8 +# because$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("word") == 40
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 8


def test_the_template_and_the_short_config_mean_the_same(tmp_path):
    settings = {**SET, "model.backbone": ("resnet18", "")}
    (tmp_path / "short.yaml").write_text(starter(data="digits", settings=settings))
    (tmp_path / "full.yaml").write_text(template(data="digits", backbone="resnet18", settings=SET))
    assert load(tmp_path / "short.yaml") == load(tmp_path / "full.yaml")
