"""What `init` suggests: settings that `check` accepts, chosen by the images and by the time on this machine."""

import pytest

from search.cli import init
from search.config import Experiment, load
from search.execute.ray.resources import Slots
from search.setup import suggestion
from search.setup.experiment_setup import prepare
from search.setup.suggestion import NIGHT, suggest
from senet_nas.costs.epoch_time import EpochTime
from senet_nas.data.glance import Glance, glance
from senet_nas.recipe import DataSpec
from spaces import UserError


@pytest.fixture
def clock(monkeypatch):
    """Each epoch takes this many seconds for an image of 64 x 64 pixels; larger images take longer by their area."""
    taken = {"image": 1e-3, "calls": 0}

    def of_plain(backbone, data, recipe, *, device, threads, seconds):
        taken["calls"] += 1
        return EpochTime(taken["image"] * len(data.y_train) * (data.image_size / 64) ** 2, 12)

    monkeypatch.setattr(suggestion, "of_plain", of_plain)
    return taken


def photographs(n=1000, side=300, classes=2):
    counts = {"train": n, "validation": n // 4, "test": n // 4}
    return Glance(counts, tuple(map(str, range(classes))), (n // classes,) * classes, (3, side, side), (side, side), n)


FOLDER = {"dataset": "image_folder", "path": "./images"}


@pytest.fixture
def of(clock, monkeypatch, tmp_path):
    """Suggestions for images that are not there, on a machine with one slot and enough memory."""
    monkeypatch.setattr(suggestion.memory_check, "check_data", lambda *_: None)
    monkeypatch.setattr(suggestion.memory_check, "check_trainings", lambda *_: None)
    monkeypatch.setattr(suggestion, "machine", lambda _: ("cpu", Slots(1, 1)))
    return lambda seen, backbone=None: suggest(FOLDER, seen, backbone, tmp_path)


def value(found, key):
    return found.settings[key][0]


@pytest.mark.parametrize(("per_image", "side"), [(1e-4, 224), (4e-3, 96), (1.0, 64)])
def test_photographs_are_as_large_as_a_night_allows(of, clock, per_image, side):
    clock["image"] = per_image
    found = of(photographs())
    assert value(found, "data.image_size") == side
    assert value(found, "model.backbone") == "resnet18"
    if side < 224:
        larger = suggestion.SIDES[suggestion.SIDES.index(side) - 1]
        assert found.seconds * (larger / side) ** 2 > NIGHT
    assert clock["calls"] <= 2


def test_a_search_that_takes_longer_than_a_night_gets_fewer_trainings(of, clock):
    clock["image"] = 1.0
    slow = of(photographs())
    assert (slow.trainings, value(slow, "data.image_size")) == (32, 64)
    assert slow.seconds > NIGHT
    clock["image"] = 1e-4
    assert of(photographs()).trainings == 64


def test_an_image_is_never_enlarged(of):
    assert value(of(photographs(side=100)), "data.image_size") == 96
    assert value(of(photographs(side=50)), "data.image_size") == 50


def test_small_images_get_a_network_that_keeps_their_resolution(of):
    found = of(photographs(side=32))
    assert (value(found, "data.image_size"), value(found, "model.backbone")) == (32, "cifar_resnet20")
    assert value(of(photographs(side=32), "resnet18"), "model.backbone") == "resnet18"


@pytest.mark.parametrize(
    ("n", "batch", "epochs", "lr"), [(50_000, 128, 10, None), (1000, 64, 40, 0.05), (60, 4, 40, 0.01)]
)
def test_few_images_get_small_batches_and_more_epochs(of, n, batch, epochs, lr):
    found = of(photographs(n))
    assert (value(found, "train.batch_size"), value(found, "train.epochs")) == (batch, epochs)
    assert found.settings.get("train.lr", (None,))[0] == lr


def test_the_time_is_that_of_the_whole_search(of, clock):
    found = of(photographs())
    assert found.seconds_per_training == pytest.approx(1e-3 * 1000 * 40 * (value(found, "data.image_size") / 64) ** 2)
    assert found.seconds == pytest.approx(found.seconds_per_training * 64 / found.slots)
    assert "64 trainings about" in found.time


def test_a_network_of_the_users_own_is_timed_by_check(of, clock):
    found = of(photographs(), "mine:small")
    assert clock["calls"] == 0
    assert "`senet-search check`" in found.time


def test_images_that_do_not_fit_into_memory_are_refused(clock, monkeypatch, tmp_path):
    seen = glance(DataSpec("digits"), tmp_path)
    monkeypatch.setattr("senet_nas.hardware.free_memory", lambda: 1_000_000)
    with pytest.raises(UserError, match="of memory"):
        suggest({"dataset": "digits"}, seen, None, tmp_path)


def test_what_is_written_passes_the_check_and_is_timed_for_real(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suggestion, "QUICK", 0.5)
    for name, full in (("config.yaml", False), ("full.yaml", True)):
        started = init.write_config("digits", None, tmp_path / name, full=full)
        found = load(tmp_path / name)
        assert prepare(found).space.size > 1
        assert found.name == ("full" if full else "digits")
        assert started.suggestion.seconds > 0
        assert found.train.epochs == value(started.suggestion, "train.epochs")
        assert found.budget.trainings == value(started.suggestion, "budget.trainings")
    assert len((tmp_path / "config.yaml").read_text().splitlines()) < 25 < 100
    assert len((tmp_path / "full.yaml").read_text().splitlines()) > 100


@pytest.mark.parametrize(
    ("data", "config", "name"),
    [("digits", "config.yaml", "digits"), ("my birds!", "config.yaml", "my-birds"), ("birds", "wide.yaml", None)],
)
def test_a_run_is_named_after_its_data_unless_its_config_has_a_name(data, config, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if data != "digits":
        (tmp_path / data).mkdir()
    assert init._name(data, tmp_path / config).get("name", (None,))[0] == name


def test_every_suggestion_is_a_setting_of_the_config(of):
    tree = suggestion._tree(FOLDER, of(photographs(60)).settings)
    assert Experiment.from_dict({**tree, "name": "run"}).train.batch_size == 4
