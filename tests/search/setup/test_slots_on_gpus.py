"""How trainings are put onto the GPUs of this machine: on pretended numbers of GPUs and cores."""

import math

import pytest

from search import config
from search.execute.ray import runtime
from search.execute.ray.resources import Slots, share_of, sharing, spread
from search.execute.trainer import Trainer
from search.setup import gpu_sharing
from search.setup.machine import idle_gpus, machine
from senet_nas import gpus, hardware
from senet_nas.costs.gpu_use import GpuUse
from senet_nas.data.load import load
from senet_nas.network.build import sites
from senet_nas.recipe import DataSpec, Recipe, Task
from spaces import Space, SpaceSpec
from spaces.errors import UserError

TEXT = "data: digits\nmodel: {{backbone: cifar_resnet8}}\n{more}\nresources: {{{resources}}}\n"


@pytest.fixture
def on(tmp_path, monkeypatch):
    """The device and the slots of a config on a machine with so many GPUs and 64 cores."""

    def slots(resources: str, here: int = 8, cores: int = 64, more: str = ""):
        monkeypatch.setattr(gpus, "count", lambda: here)
        monkeypatch.setattr(hardware, "cores", lambda: cores)
        (tmp_path / "config.yaml").write_text(TEXT.format(resources=resources, more=more))
        experiment = config.load(tmp_path / "config.yaml")
        return (*machine(experiment), experiment)

    return slots


# Resources, GPUs: slots, trainings on a GPU, GPUs that Ray may fill.
CASES = {
    "one each": ("slots: auto", 8, (8, 1, 8)),
    "a quarter, as many as fit": ("gpus_per_slot: 0.25", 8, (32, 4, 8)),
    "eight quarters are spread": ("gpus_per_slot: 0.25, slots: 8", 8, (8, 1, 8)),
    "three of 0.3 fit on each": ("gpus_per_slot: 0.3", 8, (24, 3, 8)),
    "more slots than GPUs share them": ("slots: 12", 8, (12, 2, 6)),
    "few slots": ("slots: 2", 8, (2, 1, 2)),
    "twice as many": ("slots: 16", 8, (16, 2, 8)),
    "one GPU": ("slots: 3", 1, (3, 3, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_trainings_are_spread(on, name):
    resources, here, expected = CASES[name]
    device, slots, _ = on(resources, here)
    assert device == "cuda"
    assert (slots.count, slots.on_one_gpu, slots.gpus_used) == expected


@pytest.mark.parametrize("trainings", range(1, 65))
def test_shares_in_ten_thousandths_fit_and_one_more_does_not(trainings):
    share = share_of(trainings)
    assert sharing(share) == trainings
    assert math.floor(1e4 / (share * 1e4)) == trainings


@pytest.mark.parametrize(("share", "expected"), [(1.0, 1), (0.5, 2), (0.34, 2), (1 / 3, 3), (0.3, 3), (0.1, 10)])
def test_a_gpu_holds_whole_trainings(share, expected):
    assert sharing(share) == expected


def test_spreading_leaves_no_gpu_empty_if_the_slots_are_a_multiple():
    for count in (8, 16, 24, 64):
        assert Slots(count, 1, spread(count, 8)).gpus_used == 8


def test_ray_gets_as_many_gpus_as_are_used(on, tmp_path):
    _, slots, _ = on("gpus_per_slot: 0.3")
    assert runtime._where(slots, tmp_path)["num_gpus"] == 8
    _, slots, _ = on("slots: 2")
    assert runtime._where(slots, tmp_path)["num_gpus"] == 2


REFUSED = {
    "a GPU that is not used": ("device: cuda, gpus_per_slot: 0", 8, "would train on the CPU"),
    "too many quarters": ("slots: 33, gpus_per_slot: 0.25", 8, "do not fit"),
    "26 of 0.3": ("slots: 26, gpus_per_slot: 0.3", 8, "do not fit"),
    "no GPU": ("gpus_per_slot: 1", 0, "no GPU here"),
    "more slots than cores": ("slots: 65", 8, "do not fit"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(on, name):
    resources, here, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        on(resources, here)


def test_a_function_of_the_users_gets_gpus_where_the_config_says_cuda(on):
    device, slots, _ = on("device: cuda", more="evaluate: python:mine:function")
    assert (device, slots.count, slots.gpus) == ("cuda", 8, 1.0)
    device, slots, experiment = on("slots: 8", more="evaluate: python:mine:function")
    assert (device, slots.gpus) == ("cpu", 0.0)
    assert "8 of 8 GPUs of this machine would stand idle: give each training" in idle_gpus(experiment, slots)


@pytest.mark.parametrize(
    ("resources", "caution"),
    [
        ("slots: auto", ""),
        ("slots: 2", "6 of 8 GPUs of this machine would stand idle: use `resources.slots: 8`"),
        ("slots: 9", "3 of 8 GPUs of this machine would stand idle: use `resources.slots: 16`"),
        ("device: cpu", ""),
    ],
)
def test_idle_gpus_are_a_caution(on, resources, caution):
    _, slots, experiment = on(resources)
    assert idle_gpus(experiment, slots).startswith(caution)
    assert bool(idle_gpus(experiment, slots)) == bool(caution)


def test_few_cores_leave_gpus_idle_and_say_so(on):
    _, slots, experiment = on("cpus_per_slot: auto", cores=4)
    assert slots.count == 4
    assert idle_gpus(experiment, slots).startswith("4 of 8 GPUs")


class Prepared:
    """What settles the slots of a search, without a GPU: the space, the images, and a measurement that is made up."""

    space = Space("cifar_resnet8", sites("cifar_resnet8"), SpaceSpec())
    data = load(DataSpec(dataset="digits", train=64, validation=40))
    evaluate = Trainer(Task(DataSpec(dataset="digits"), Recipe(batch_size=32)))

    def settled(self, on, resources, monkeypatch, *, has_mps=True, busy=0.24):
        _, slots, experiment = on(resources)
        monkeypatch.setattr(gpus, "total_memory", lambda device: 80 * 10**9)
        monkeypatch.setattr(gpus, "has_mps", lambda: has_mps)
        use = GpuUse(10**9, busy, 0.01)
        return gpu_sharing.settled(experiment, self.space, self.data, self.evaluate, slots, measure=lambda job: use)


def test_what_plain_takes_decides_how_many_share_a_gpu(on, monkeypatch):
    slots, said = Prepared().settled(on, "slots: auto", monkeypatch)
    assert (slots.count, slots.cpus, slots.on_one_gpu, slots.gpus_used) == (32, 2, 4, 8)
    assert said == "a training of plain takes 1.0 GB of a GPU, busy for 24% of the time: 4 of them share it"


def test_without_mps_each_gets_a_gpu_and_mps_is_named(on, monkeypatch):
    slots, said = Prepared().settled(on, "slots: auto", monkeypatch, has_mps=False)
    assert (slots.count, slots.on_one_gpu) == (8, 1)
    assert "each has a GPU for itself; 4 trainings would share a GPU if CUDA's MPS ran" in said


@pytest.mark.parametrize("resources", ["slots: 8", "gpus_per_slot: 0.5", "cpus_per_slot: 2", "device: cpu"])
def test_what_the_config_says_is_not_measured(on, monkeypatch, resources):
    before = on(resources)[1]
    assert Prepared().settled(on, resources, monkeypatch) == (before, "")


def test_a_training_is_told_its_share(on):
    trainer = Prepared.evaluate.with_slots(2, 0.25)
    assert (trainer.task.threads, trainer.task.gpu_share) == (2, 0.25)
    assert Prepared.evaluate.with_slots(2, 0.0).task.gpu_share == 1.0


def test_trainings_that_take_turns_are_a_caution(on, monkeypatch):
    monkeypatch.setattr(gpus, "has_mps", lambda: False)
    _, shared, _ = on("slots: 16")
    assert gpu_sharing.without_mps(shared).startswith("2 trainings share a GPU and take turns")
    assert gpu_sharing.without_mps(on("slots: 8")[1]) == ""
    monkeypatch.setattr(gpus, "has_mps", lambda: True)
    assert gpu_sharing.without_mps(shared) == ""


def test_mps_is_seen_where_its_daemon_listens(tmp_path):
    environ = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    assert not gpus.has_mps(environ)
    (tmp_path / "control").touch()
    assert gpus.has_mps(environ)
