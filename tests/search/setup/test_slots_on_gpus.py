"""How trainings are put onto the GPUs of this machine: on pretended numbers of GPUs and cores."""

import math
from types import SimpleNamespace

import pytest

from search import config
from search.execute.ray import runtime
from search.execute.ray.resources import Slots, share_of, sharing, spread
from search.execute.trainer import Trainer
from search.running.resume_checks import check_same_group
from search.setup import gpu_sharing
from search.setup.machine import idle_gpus, machine
from search.state.facts import Facts, SlotsFact
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
    "two for each": ("gpus_per_slot: 2", 8, (4, 1, 8)),
    "two for each of few": ("gpus_per_slot: 2, slots: 3", 8, (3, 1, 6)),
    "all for one": ("gpus_per_slot: 8", 8, (1, 1, 8)),
}


@pytest.mark.parametrize("name", CASES)
def test_trainings_are_spread(on, name):
    resources, here, expected = CASES[name]
    device, slots, _ = on(resources, here)
    assert device == "cuda"
    assert (slots.count, slots.on_one_gpu, slots.gpus_used) == expected


def test_a_run_keeps_the_number_of_gpus_of_its_trainings():
    def check(before, now, trains=True, has_results=True):
        ledger = SimpleNamespace(
            facts=Facts(slots=SlotsFact(gpus=before)),
            trainings=[SimpleNamespace(state="finished" if has_results else "failed")],
        )
        prepared = SimpleNamespace(evaluate=SimpleNamespace(trains_networks=trains), slots=Slots(1, 1, now))
        check_same_group(prepared, ledger)

    for before, now in ((0.25, 1.0), (0.0, 0.5), (2.0, 2.0)):
        check(before, now)
    check(2.0, 1.0, trains=False)
    check(2.0, 1.0, has_results=False)
    for before, now in ((2.0, 1.0), (1.0, 2.0), (0.5, 4.0)):
        with pytest.raises(UserError, match="which changes results"):
            check(before, now)


GROUPS_REFUSED = {
    "gpus_per_slot: 16": "16 GPUs, but this machine has 8 GPUs",
    "gpus_per_slot: 3": "128 images cannot be shared by 3 GPUs",
    "gpus_per_slot: 2, slots: 5": "do not fit",
    "gpus_per_slot: 2, ray: 'head:6379'": "those of this machine",
}


@pytest.mark.parametrize("resources", GROUPS_REFUSED)
def test_what_cannot_train_on_several_gpus_is_refused(on, resources):
    with pytest.raises(UserError, match=GROUPS_REFUSED[resources]):
        on(resources)


def test_a_shared_network_does_not_train_on_several_gpus(on):
    with pytest.raises(UserError, match="a shared network trains on one GPU"):
        on("gpus_per_slot: 2", more="search: {shared: 'on'}")


def test_gpus_that_no_group_takes_are_named(on):
    _, slots, experiment = on("gpus_per_slot: 3", more="train: {batch_size: 120}")
    assert (slots.count, slots.gpus_used) == (2, 6)
    assert idle_gpus(experiment, slots).startswith("2 of 8 GPUs of this machine would stand idle: use another")


def test_a_slot_of_several_gpus_holds_none_itself(tmp_path, monkeypatch):
    from ray import tune

    from search.execute.ray import driver
    from search.execute.ray.group_trainer import GroupTrainer

    given = {}
    monkeypatch.setattr(tune, "with_parameters", lambda slot, **more: given.update(more))
    monkeypatch.setattr(tune, "with_resources", lambda slot, resources: resources)
    loop = SimpleNamespace(rungs=())
    task = Task(DataSpec(dataset="digits"), Recipe(), device="cuda")
    found = driver._trainable(loop, Trainer(task), tmp_path, Slots(2, 8, 4.0), None, tmp_path)
    assert found == {"cpu": 8}
    assert isinstance(given["evaluate"], GroupTrainer)
    assert (given["evaluate"].devices, given["evaluate"].task.threads, given["gpu_share"]) == (4, 2, 0.0)
    assert driver._trainable(loop, Trainer(task), tmp_path, Slots(2, 8, 1.0), None, tmp_path) == {"cpu": 8, "gpu": 1.0}


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
