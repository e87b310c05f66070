import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from search.config import ConfigError, Experiment, load
from search.results.objectives import DEFAULT
from senet_nas.recipe import Recipe
from spaces import SpaceSpec
from spaces.errors import ENVIRONMENT

LEAST = "data: digits\nmodel:\n  backbone: cifar_resnet8\n"
CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "first.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_least_config_has_every_default(write):
    experiment = load(write(LEAST))
    assert experiment.name == "first"
    assert experiment.data.dataset == "digits"
    assert experiment.model.init == "scratch"
    assert (experiment.space, experiment.objectives, experiment.train) == (SpaceSpec(), DEFAULT, Recipe())
    search, budget, resources = experiment.search, experiment.budget, experiment.resources
    assert (search.sampler, search.seed, search.tolerance, search.min_gain, search.level) == ("auto", 0, 0.1, 0.05, 0.9)
    assert (budget.trainings, budget.time) == (64, None)
    assert (resources.slots, resources.cpus_per_slot, resources.gpus_per_slot) == ("auto", "auto", "auto")
    assert (resources.device, experiment.evaluate) == ("auto", "train")
    assert (experiment.tracking.uri, experiment.tracking.experiment) == (None, None)


def test_every_kind_of_value_is_read(write):
    experiment = load(
        write(
            LEAST
            + """
name: 2nd.run-1
space: {tie: [reduction, gate], stages: [1, 3], sites: ['3.0'], reduction: [2, 8], min_hidden: 2}
objectives:
  - metric: accuracy
    goal: maximize
  - {metric: macs, limit: 1e-1}
train: {lr: 1e-3, epochs: 2, nesterov: false, milestones: [0.25], flip: true, crop: null}
resources: {slots: 2, gpus_per_slot: 0.5, cpus_per_slot: auto}
budget: {time: 1h30m}
tracking: {uri: 'http://localhost:5000'}
"""
        )
    )
    assert experiment.name == "2nd.run-1"
    assert experiment.space == SpaceSpec(
        tie=("reduction", "gate"), stages=(1, 3), sites=("3.0",), reduction=(2, 8), min_hidden=2
    )
    assert experiment.objectives[1].limit == 0.1
    assert experiment.train == Recipe(lr=0.001, epochs=2, nesterov=False, milestones=(0.25,), flip=True)
    assert (experiment.resources.slots, experiment.resources.gpus_per_slot) == (2, 0.5)
    assert experiment.budget.time == "1h30m"


@pytest.mark.parametrize(
    ("short", "dataset", "path"),
    [
        ("cifar10", "cifar10", None),
        ("./flowers", "image_folder", "./flowers"),
        ("/data/flowers", "image_folder", "/data/flowers"),
        ("..", "image_folder", ".."),
        ("~/flowers", "image_folder", "~/flowers"),
        ("{path: flowers}", "image_folder", "flowers"),
    ],
)
def test_data_may_be_written_short(write, short, dataset, path):
    data = load(write(f"data: {short}\nmodel: {{backbone: resnet18}}")).data
    assert (data.dataset, data.path) == (dataset, path)


def test_an_empty_section_has_its_defaults(write):
    experiment = load(write(LEAST + "train:\nsearch:\n  # seed: 1\nobjectives:\nname:\nevaluate: null"))
    assert experiment == load(write(LEAST))


@pytest.mark.parametrize(
    "text",
    ["---\n" + LEAST, LEAST + "...\n", LEAST.replace("\n", "\r\n"), "\ufeff" + LEAST, "%YAML 1.2\n---\n" + LEAST],
)
def test_harmless_variations(write, text):
    assert load(write(text)) == load(write(LEAST))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my images (2).yaml", "my-images-2"),
        ("_x.yaml", "x"),
        ("\u00e4.yaml", "search"),
        ("a" * 90 + ".yaml", "a" * 64),
        ("v1.2.yml", "v1.2"),
    ],
)
def test_the_name_is_made_from_that_of_the_file(write, file, name):
    assert load(write(LEAST, file)).name == name


def test_relative_paths_start_at_the_file(write):
    path = write(LEAST)
    assert load(path).base == path.parent
    assert load(str(path)).base == path.parent
    tree = {"data": "digits", "model": {"backbone": "resnet18"}}
    assert Experiment.from_dict(tree, base="there").base == Path("there")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads(path):
    experiment = load(path)
    assert experiment.model.backbone in path.read_text()
    assert path.read_text().startswith("# ")


def test_there_are_configs():
    assert "demo.yaml" in [path.name for path in CONFIGS]


# -- overrides --------------------------------------------------------------------------------------------------------


def test_overrides_win_and_the_last_one_most(write):
    overrides = ["train.lr=1e-3", "train.lr=0.5", "space.reduction=[2, 4]", "name=other", "budget.time = 5m"]
    experiment = load(write(LEAST + "train: {lr: 0.1, epochs: 3}"), [*overrides, "data=./x"])
    assert (experiment.train.lr, experiment.train.epochs) == (0.5, 3)
    assert (experiment.space.reduction, experiment.name) == ((2, 4), "other")
    assert (experiment.budget.time, experiment.data.path) == ("5m", "./x")


def test_overrides_reach_into_short_forms_lists_and_whole_sections(write):
    text = LEAST + "objectives: [{metric: accuracy}, {metric: macs}]"
    overrides = ["data.split_seed=7", "objectives.1.limit=5", "search={seed: 3}", "train="]
    experiment = load(write(text), overrides)
    assert (experiment.data.dataset, experiment.data.split_seed) == ("digits", 7)
    assert (experiment.objectives[1].limit, experiment.search.seed) == (5, 3)


def test_an_override_mends_what_the_file_has_wrong(write):
    assert load(write(LEAST + "train: {epochs: many}"), ["train.epochs=3"]).train.epochs == 3


def test_a_mistake_later_than_loading_names_the_override(write):
    error = load(write(LEAST), ["space.reduction=[32]"]).problem_at("space.reduction", "32 is too large")
    assert str(error).startswith("error: --set space.reduction=[32]  space.reduction: 32 is too large\n")


# -- mistakes that are found later ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "place", "line"),
    [
        ("space.reduction", ":5:14", "  reduction: [4, 32]"),
        ("space.reduction.1", ":5:18", "  reduction: [4, 32]"),
        ("space.gate", ":4:1", "space:"),
        ("space", ":4:1", "space:"),
        ("data.path", ":1:1", "data: digits"),
        ("data.dataset", ":1:7", "data: digits"),
    ],
)
def test_a_mistake_found_later_has_its_place(write, key, place, line):
    path = write(LEAST + "space:\n  reduction: [4, 32]\n")
    error = load(path).problem_at(key, "it does not fit", "make it smaller")
    head, excerpt, marks, end = str(error).splitlines()
    assert head == f"error: {path}{place}  {key}: it does not fit"
    assert excerpt.endswith(f" | {line}")
    assert marks.endswith("^ make it smaller")
    assert end == "1 error. Nothing was started."
    assert isinstance(error, ConfigError)
    assert (error.key, error.code) == (key, 2)


def test_a_mistake_about_a_default_has_no_line(write):
    path = write(LEAST)
    error = load(path).problem_at("resources.device", "no GPU", "use cpu", code=ENVIRONMENT)
    assert str(error) == f"error: {path}  resources.device: no GPU\n  hint: use cpu\n1 error. Nothing was started."
    assert error.code == ENVIRONMENT


# -- as Python --------------------------------------------------------------------------------------------------------


def test_experiments_are_equal_where_their_settings_are(write):
    one, other = load(write(LEAST, "a.yaml"), ["name=x"]), load(write("# moved\n" + LEAST, "b.yaml"), ["name=x"])
    assert one == other
    assert hash(one) == hash(other)
    assert one != load(write(LEAST))


def test_an_experiment_from_python(write):
    tree = {
        "data": {"path": Path("flowers")},
        "model": {"backbone": "resnet18"},
        "space": {"reduction": (4, 8)},
        "objectives": ({"metric": "accuracy"}, {"metric": "macs"}),
    }
    experiment = Experiment.from_dict(tree)
    assert (experiment.name, experiment.data.path, experiment.space.reduction) == ("search", "flowers", (4, 8))
    assert Experiment.from_dict(experiment.to_dict()) == experiment


def test_an_experiment_crosses_processes(write):
    experiment = load(write(LEAST))
    assert pickle.loads(pickle.dumps(experiment)) == experiment


def test_reading_a_config_loads_nothing_heavy():
    code = (
        "import sys, search.config; search.config.load(sys.argv[1]); search.config.schema(); "
        "print([name for name in ('torch', 'torchvision', 'ray', 'optuna', 'mlflow', 'numpy', 'sklearn', 'PIL') "
        "if name in sys.modules])"
    )
    demo = next(path for path in CONFIGS if path.name == "demo.yaml")
    answer = subprocess.run([sys.executable, "-c", code, demo], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_accuracy_is_the_first_objective_wherever_it_was_written(write):
    """The samplers read it there."""
    written = Experiment.load(
        write(
            "data: digits\nmodel: {backbone: cifar_resnet8}\n"
            "objectives: [{metric: params}, {metric: accuracy}, {metric: macs, limit: 2}]\n"
        )
    )
    assert [objective.metric for objective in written.objectives] == ["accuracy", "params", "macs"]
