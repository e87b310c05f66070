"""What does not fit into memory is refused before it is allocated, with what fits (fault 22)."""

import pytest
from PIL import Image

from search import config
from search.setup import memory_check
from search.setup.experiment_setup import prepare
from senet_nas import hardware
from senet_nas.costs import footprint
from senet_nas.data import extent, image_folder
from senet_nas.recipe import DataSpec
from spaces.errors import ENVIRONMENT, UserError

GB = 10**9
DIGITS = "data: {dataset: digits, train: 600}\nmodel: {backbone: cifar_resnet20}\n"


@pytest.fixture
def experiment(tmp_path):
    def make(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return config.load(path)

    return make


@pytest.fixture
def images(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (9, 9), (200, i, 9)).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


@pytest.fixture
def free(monkeypatch):
    """Pretends that so many bytes are free."""
    return lambda size: monkeypatch.setattr(hardware, "free_memory", lambda: int(size))


@pytest.fixture
def nothing_trains(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a refused config must not allocate")

    monkeypatch.setattr("senet_nas.training.train.Training.__init__", refuse)


def test_large_images_are_refused_with_the_batch_that_fits(experiment, images, free, nothing_trains) -> None:
    """The example of the fault: check was killed at 21 GiB."""
    free(20 * GB)
    big = "data: {path: images, image_size: 1000, streaming: never}\nmodel: {backbone: resnet18}\n"
    asked = experiment(f"{big}train: {{batch_size: 24}}\nresources: {{slots: 2}}\n")
    with pytest.raises(UserError) as caught:
        prepare(asked)
    (problem,) = caught.value.problems
    assert caught.value.code == ENVIRONMENT
    assert problem.key == "train.batch_size"
    for part in ("2 trainings at a time take about", "20.0 GB are free", "at a batch of 24", "weights", "Ray 0.6 GB"):
        assert part in problem.message
    assert "`train.batch_size: 8`" in problem.hint
    prepare(experiment(f"{big}train: {{batch_size: 8}}\nresources: {{slots: 2}}\n"))


def test_what_the_hint_names_fits_and_the_next_larger_batch_does_not(experiment, free, nothing_trains) -> None:
    free(8 * GB)
    train = "train: {batch_size: 512}\nresources: {slots: 2}\n"
    with pytest.raises(UserError) as caught:
        prepare(experiment(DIGITS.replace("digits", "digits, image_size: 64") + train))
    fits = int(caught.value.problems[0].hint.split("batch_size: ")[1].split("`")[0])
    again = DIGITS.replace("digits", "digits, image_size: 64")
    prepare(experiment(again + train.replace("512", str(fits))))
    with pytest.raises(UserError):
        prepare(experiment(again + train.replace("512", str(2 * fits))))


def test_fewer_slots_are_named_where_they_are_enough(experiment, free) -> None:
    free(2.5 * GB)
    with pytest.raises(UserError) as caught:
        prepare(experiment(DIGITS + "train: {batch_size: 64}\nresources: {slots: 2}\n"))
    assert "`resources.slots: 1`" in caught.value.problems[0].hint
    assert "batch_size" not in caught.value.problems[0].hint


def test_without_a_batch_that_fits_the_hint_names_none(experiment, free) -> None:
    free(footprint.PROCESS)
    with pytest.raises(UserError) as caught:
        prepare(experiment(DIGITS + "train: {batch_size: 64}\n"))
    assert caught.value.problems[0].hint == "lower data.image_size, choose a smaller backbone, or free memory"


def test_a_config_that_fits_is_not_refused(experiment, free) -> None:
    free(4 * GB)
    assert prepare(experiment(DIGITS + "train: {batch_size: 64}\nresources: {slots: 2}\n")).slots.count == 2


def test_images_are_counted_from_the_list_before_one_is_decoded(experiment, images, free, monkeypatch) -> None:
    free(10**7)
    monkeypatch.setattr(image_folder, "decoded", lambda *_, **__: pytest.fail("decoded"))
    big = "data: {path: images, image_size: 512, streaming: never}\nmodel: {backbone: resnet18}\n"
    with pytest.raises(UserError, match="40 images of 512 x 512 pixels") as caught:
        prepare(experiment(big))
    (problem,) = caught.value.problems
    assert problem.key == "data.streaming"
    assert "`data.streaming: always`, or write `data.image_size: 160` or less" in problem.hint


def test_a_data_set_that_is_enlarged_is_counted(experiment, free) -> None:
    free(GB)
    with pytest.raises(UserError, match="1797 images of 1000 x 1000 pixels") as caught:
        memory_check.check_data(experiment("data: {dataset: digits, image_size: 1000}\nmodel: {backbone: resnet18}\n"))
    assert caught.value.key == "data.image_size"
    assert "streaming" not in caught.value.hint


def test_results_from_elsewhere_are_not_judged(experiment, free) -> None:
    free(0)
    found = experiment(DIGITS + "evaluate: table:results.csv\n")
    memory_check.check_trainings(found, None, None, "cpu", None)


def test_the_extent_of_images_is_what_they_take(tmp_path, images) -> None:
    spec = DataSpec(path="images", image_size=16, streaming="never")
    found = extent.extent(spec, tmp_path)
    assert (found.n, found.shape, found.decoded) == (40, (3, 16, 16), 40 * 3 * 256)
    assert found.reading == 3 * found.decoded
    assert found.can_stream
    assert not extent.extent(DataSpec(path="images", streaming="always"), tmp_path).can_stream
    assert extent.extent(DataSpec(dataset="waveforms"), tmp_path) is None
