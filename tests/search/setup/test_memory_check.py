"""What does not fit into memory is refused before it is allocated, with what fits (fault 22)."""

import re

import pytest
from PIL import Image

from search import config
from search.execute.ray.resources import Slots
from search.full_training import run, training_folder
from search.full_training.plan import plan
from search.setup import memory_check
from search.setup.experiment_setup import prepare
from senet_nas import hardware
from senet_nas.costs import footprint
from senet_nas.data import extent, pictures
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec
from senet_nas.training import evaluate
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
    fits = int(re.search(r"`train.batch_size: (\d+)`, the largest that fits", problem.hint).group(1))
    assert 8 <= fits < 16
    prepare(experiment(f"{big}train: {{batch_size: {fits}}}\nresources: {{slots: 2}}\n"))


@pytest.mark.parametrize("size", [8, 10])
def test_what_the_hint_names_fits_and_one_image_more_does_not(experiment, free, nothing_trains, size) -> None:
    free(size * GB)
    digits = DIGITS.replace("digits", "digits, image_size: 64")
    train = "train: {batch_size: 512}\nresources: {slots: 2}\n"
    with pytest.raises(UserError) as caught:
        prepare(experiment(digits + train))
    fits = int(re.search(r"`train.batch_size: (\d+)`, the largest that fits", caught.value.problems[0].hint).group(1))
    prepare(experiment(digits + train.replace("512", str(fits))))
    with pytest.raises(UserError):
        prepare(experiment(digits + train.replace("512", str(fits + 1))))


def test_a_gpu_is_judged_with_the_batch_that_fits(experiment, monkeypatch) -> None:
    """On pretended free memory: no GPU is asked."""
    found = experiment(DIGITS.replace("digits", "digits, image_size: 32") + "train: {batch_size: 512}\n")
    data = evaluate.images(found.data, str(found.base))
    network = build("cifar_resnet20/" + "/".join("-" * 9), in_channels=1, num_classes=10)
    need = memory_check.Need(found.train, network, data, 2)
    slots = Slots(2, 1, 0.5)
    memory_check.check_gpu(need, 512, slots, 80 * GB)
    free = 2 * (need.training(300).on_device + need.images + memory_check.CONTEXT)
    with pytest.raises(UserError, match="2 of 2 trainings share a GPU") as caught:
        memory_check.check_gpu(need, 512, slots, free)
    assert caught.value.hint == "write `train.batch_size: 300`, the largest that fits"


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


def test_the_blocks_of_a_shared_network_count_once(experiment, free, nothing_trains) -> None:
    """A slot holds the SE blocks of all placements at once, here 0.15 GB with momentum and the copy for evaluation."""
    space = "space: {reduction: [1, 2], position: [pre_addition, identity, post_addition], squeeze: [avg, max]}\n"
    wide = "data: {dataset: digits, train: 600}\nmodel: {backbone: resnet18}\nresources: {slots: 2}\n" + space
    free(0.1 * GB)
    with pytest.raises(UserError) as caught:
        prepare(experiment(wide))
    taken = float(re.search(r"take about ([\d.]+) GB", caught.value.problems[0].message).group(1))
    free((taken + 0.06) * GB)  # the message rounds to 0.05
    prepare(experiment(wide))
    with pytest.raises(UserError, match="the SE blocks of the shared network 0.2 GB") as caught:
        prepare(experiment(f"{wide}search: {{shared: on}}\n"))
    assert "remove `search.shared`" in caught.value.problems[0].hint


def test_a_config_that_fits_is_not_refused(experiment, free) -> None:
    free(4 * GB)
    assert prepare(experiment(DIGITS + "train: {batch_size: 64}\nresources: {slots: 2}\n")).slots.count == 2


def test_images_are_counted_from_the_list_before_one_is_decoded(experiment, images, free, monkeypatch) -> None:
    free(10**7)
    monkeypatch.setattr(pictures, "decoded", lambda *_, **__: pytest.fail("decoded"))
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


PLAIN = "cifar_resnet20/" + "/".join("-" * 9)


@pytest.fixture
def full(experiment):
    """A full training of plain with a batch of 512, on so many devices, tested at further sizes."""
    found = experiment(DIGITS.replace("digits", "digits, image_size: 32") + "train: {batch_size: 512}\n")
    data = evaluate.images(found.data, str(found.base))

    def check(devices=1, sizes=(), device="cpu"):
        memory_check.check_full_training(found, PLAIN, data, device, devices, sizes)

    return check


def test_a_full_training_is_judged_with_the_batch_that_fits(full, free) -> None:
    free(GB)
    with pytest.raises(UserError, match="the training takes about 1.3 GB of memory, but 1.0 GB are free") as caught:
        full()
    assert caught.value.code == ENVIRONMENT
    assert "process" not in caught.value.message
    assert re.fullmatch(r"add --set train.batch_size=\d+, the largest that fits", caught.value.hint)
    free(2 * GB)
    full()


def test_each_device_of_a_full_training_has_a_process(full, free) -> None:
    free(3.5 * GB)
    with pytest.raises(UserError, match="at a batch of 256, .* for its process") as caught:
        full(devices=2)
    fits = int(re.search(r"batch_size=(\d+)", caught.value.hint).group(1))
    assert fits % 2 == 0
    assert 256 < fits < 512
    free(4 * GB)
    full(devices=2)


def test_the_test_at_a_larger_size_is_judged(full, free) -> None:
    free(2 * GB)
    full(sizes=[16])
    with pytest.raises(UserError, match="the test at 512 pixels takes about") as caught:
        full(sizes=[16, 512])
    assert caught.value.hint == "give a smaller --test-size, or leave it out"


def test_a_refused_full_training_leaves_nothing_and_a_finished_one_is_not_judged(tmp_path, free, monkeypatch) -> None:
    (tmp_path / "config.yaml").write_text(DIGITS + "train: {batch_size: 512}\n")
    planned, _ = plan(
        PLAIN, config_path=tmp_path / "config.yaml", overrides=(), pick="best", start="scratch", seed="0", runs=tmp_path
    )
    to = tmp_path / "full"
    free(GB / 10)
    with pytest.raises(UserError, match="the training takes about"):
        run.train(planned, to)
    assert not to.exists()
    to.mkdir()
    training_folder.note(to, {"request": {}, "trained": True})
    with pytest.raises(UserError, match="holds another training"):
        run.train(planned, to)


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


def test_the_extent_of_a_test_at_another_size_is_what_is_read_for_it(tmp_path, images) -> None:
    """A whole data set is read and enlarged for its test images: `train --test-size 1024` on the digits was killed."""
    folder = DataSpec(path="images", image_size=16, streaming="never")
    assert extent.reading_test_images(32, 10, folder, tmp_path) == 3 * 10 * 3 * 32**2
    assert extent.reading_test_images(1024, 359, DataSpec(dataset="digits"), tmp_path) == 15 * 1797 * 1024**2
    assert extent.reading_test_images(1024, 359, DataSpec(dataset="waveforms"), tmp_path) == 0
