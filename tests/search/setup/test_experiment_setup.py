"""What only data, network and machine can show is told with the line of the config, before anything is trained."""

from contextlib import closing

import pytest
from PIL import Image
from torch import nn

from search import config
from search.setup import fit_checks
from search.setup.experiment_setup import load, prepare
from search.setup.machine import together
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas import gpus, hardware
from spaces.errors import UserError

DIGITS = "data: {dataset: digits, train: 200}\nmodel: {backbone: cifar_resnet8}\ntrain: {batch_size: 64}\n"

# name: (what stands in the config, key of the fault, a part of the message, a part of the hint)
BAD = {
    "batch": (
        "train: {batch_size: 512}",
        "train.batch_size",
        "512 is more than the 200 images",
        "`train.batch_size: 16`: 12 steps an epoch",
    ),
    "no architecture within the limit": (
        "objectives: [{metric: accuracy}, {metric: macs, limit: 0}]",
        "objectives.1.limit",
        "the least macs overhead is +",
        "raise the limit",
    ),
    "no channel left": ("space: {reduction: [32]}", "space.reduction", "leaves no channel at site 1.0", "at most 16"),
    "stage": ("space: {stages: [4]}", "space.stages", "no stage 4", ""),
    "site": ("space: {sites: ['1.7']}", "space.sites", "no site `1.7`", ""),
    "stages and sites": ("space: {stages: [1], sites: ['2.0']}", "space.sites", "leave no site", ""),
    "no GPU": ("resources: {device: cuda}", "resources.device", "finds no GPU", "device: cpu"),
    "slots": ("resources: {slots: 4000}", "resources.slots", "do not fit", "slots: auto"),
    "slots that fit are named": ("resources: {slots: 4000, cpus_per_slot: 1}", "resources.slots", "4,000", "or less"),
    "share of no GPU": ("resources: {gpus_per_slot: 1}", "resources.gpus_per_slot", "finds no GPU", "train on the CPU"),
    "share of a GPU on the CPU": (
        "resources: {gpus_per_slot: 0.5, device: cpu}",
        "resources.gpus_per_slot",
        "uses no GPU",
        "remove one",
    ),
    "cores": ("resources: {slots: 1, cpus_per_slot: 4000}", "resources.slots", "do not fit", "slots: auto"),
    "training images": ("data: {dataset: digits, train: 5000}", "data.train", "5000", ""),
    "function": ("evaluate: python:no_such_module:train", "evaluate", "no_such_module", ""),
    "SE that cannot start as the identity": (
        "model: {backbone: cifar_resnet8, init: identity}\nspace: {position: [post_addition], gate: [sigmoid]}",
        "space.gate",
        "gate sigmoid at post_addition",
        "sigmoid2",
    ),
    "no pretrained weights": (
        "model: {backbone: cifar_resnet8, init: pretrained}\nspace: {gate: [tanh]}",
        "model.init",
        "no pretrained weights",
        "resnet18",
    ),
    "augmentation of signals": (
        "data: {dataset: waveforms}\nmodel: {backbone: signal_resnet8}\ntrain: {rotation: 5.0}",
        "train.rotation",
        "rotation applies only to image data",
        "rotation: 0",
    ),
    "table": ("evaluate: table:no_such_file.csv", "evaluate", "no_such_file.csv", ""),
}


def experiment(tmp_path, *texts):
    """The config with these lines instead of those of the same keys."""
    lines = {line.split(":")[0]: line for text in (DIGITS, *texts) for line in text.splitlines()}
    (tmp_path / "config.yaml").write_text("\n".join(lines.values()))
    return config.load(tmp_path / "config.yaml")


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_told_at_its_key(tmp_path, monkeypatch, name):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    text, key, part, hint = BAD[name]
    with pytest.raises(UserError) as caught:
        prepare(experiment(tmp_path, text))
    [problem] = caught.value.problems
    assert problem.key == key
    assert part in problem.message
    assert hint in problem.hint


def test_the_start_of_the_weights_reaches_the_trainings(tmp_path):
    start = "model: {backbone: cifar_resnet8, init: identity}"
    prepared = prepare(experiment(tmp_path, start, "space: {gate: [sigmoid2], squeeze: [avg]}"))
    assert prepared.evaluate.task.init == "identity"
    assert prepare(experiment(tmp_path)).evaluate.task.init == "scratch"


def test_images_that_a_network_cannot_take_are_told(tmp_path, monkeypatch):
    from senet_nas.costs import overhead

    with pytest.raises(UserError, match=r"cannot take images of shape \(7, 32, 32\)") as caught:
        from senet_nas.network.build import build

        overhead.count(build("cifar_resnet8/-/-/-", num_classes=10), (7, 32, 32))
    assert caught.value.key == "model.backbone"
    assert "the data have 7 channels, the network takes 3" in caught.value.hint
    with pytest.raises(UserError, match="cannot take images") as caught:
        overhead.count(nn.Sequential(nn.Conv2d(3, 4, 9)), (1, 4, 4))
    assert caught.value.key == "data.image_size"


def test_what_is_odd_about_the_images_is_part_of_what_is_known(tmp_path):
    for name, levels in (("cat", range(0, 120, 10)), ("dog", range(120, 240, 10))):
        (tmp_path / "images" / name).mkdir(parents=True)
        for level in levels:
            Image.new("L", (8, 8), level).save(tmp_path / "images" / name / f"{level}.png")
    (tmp_path / "images" / "cat" / "notes.txt").write_text("x")
    found = prepare(experiment(tmp_path, "data: {path: ./images, image_size: 8}", "train: {batch_size: 2}"))
    assert any("skipped" in note for note in found.images.notes)


@pytest.mark.parametrize(
    ("lines", "device", "count", "message", "hint"),
    [
        ((), "cpu", 3, "a batch of 64 images cannot be shared by 3 devices", "train.batch_size=63"),
        ((), "cpu", 64, "64 devices were asked for, but this machine has 4 CPU cores", "give fewer to --devices"),
        ((), "cuda", 4, "4 devices were asked for, but this machine has 2 GPUs", "resources.device=cpu"),
    ],
)
def test_devices_that_are_not_there_are_told(tmp_path, monkeypatch, lines, device, count, message, hint):
    monkeypatch.setattr(hardware, "cores", lambda: 4)
    monkeypatch.setattr(gpus, "count", lambda: 2)
    with pytest.raises(UserError, match=message) as caught:
        together(experiment(tmp_path, *lines), device, count)
    assert hint in caught.value.hint


def test_devices_of_a_cluster_are_as_many_as_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "count", lambda: 2)
    there = together(experiment(tmp_path, "resources: {ray: auto, gpus_per_slot: 0.5}"), "cpu", 16)
    assert (there.count, there.cpus, there.gpus, there.ray) == (16, 1, 1.0, "auto")
    on_cpus = together(experiment(tmp_path, "resources: {ray: auto, device: cpu, cpus_per_slot: 2}"), "cpu", 16)
    assert (on_cpus.count, on_cpus.cpus, on_cpus.gpus) == (16, 2, 0.0)


def test_devices_share_the_cores_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "cores", lambda: 4)
    monkeypatch.setattr(gpus, "count", lambda: 2)
    known = experiment(tmp_path)
    slots = [together(known, device, 2) for device in ("cpu", "cuda")]
    assert [(s.count, s.cpus, s.gpus, s.is_local) for s in slots] == [(2, 2, 0.0, True), (2, 2, 1.0, True)]


@pytest.mark.parametrize("uri", ["foo", "htp://host:5000", "http:", "./mlruns"])
def test_an_address_that_mlflow_does_not_know_is_told_before_anything_is_trained(tmp_path, uri):
    with pytest.raises(UserError) as caught:
        prepare(experiment(tmp_path, f"tracking: {{uri: '{uri}'}}"))
    assert caught.value.key == "tracking.uri"
    assert "allowed: http:, https:, sqlite:" in caught.value.problems[0].message


@pytest.mark.parametrize(
    "uri", ["http://h:5000", "sqlite:///x.db", "postgresql://u@h/d", "mysql+pymysql://u@h/d", "databricks", "file:///x"]
)
def test_addresses_that_mlflow_knows_are_taken(tmp_path, uri):
    assert prepare(experiment(tmp_path, f"tracking: {{uri: '{uri}'}}")).experiment.tracking.uri == uri


@pytest.mark.parametrize(
    ("n", "largest", "better"), [(2, 2, 2), (15, 8, 2), (64, 64, 8), (77, 64, 8), (127, 64, 8), (200, 128, 16)]
)
def test_batch_sizes_that_fit(n, largest, better):
    assert (fit_checks.power_of_two(n), fit_checks.fitting_batch(n)) == (largest, better)


def test_a_limit_is_told_at_its_line_wherever_accuracy_stands(tmp_path):
    with pytest.raises(UserError) as caught:
        prepare(experiment(tmp_path, "objectives: [{metric: macs, limit: 0}, {metric: accuracy}]"))
    assert caught.value.key == "objectives.0.limit"


def test_the_copy_of_a_config_in_a_run_starts_where_the_run_was_begun(tmp_path, monkeypatch):
    """So that the command that the report names goes on with the run, from any folder."""
    project, place = tmp_path / "project", RunFolder(tmp_path / "runs" / "mine")
    project.mkdir()
    place.create()
    place.config.write_text(DIGITS)
    with closing(Ledger(place.ledger)) as ledger:
        assert load(place.config).base == tmp_path  # begun before runs remembered where
        ledger.note(Facts(base=str(project)))
    assert load(place.config).base == project
    assert load(project.parent / "runs" / "mine" / "config.yaml", ["train.epochs=1"]).base == project
