"""Every known fault of a dataset raises an error when it is loaded; the error names its place and a remedy."""

import gzip
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from senet_nas.data.data_checks import imbalance
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec
from spaces import UserError

N = 6  # images of a class: enough for three sets


def picture(path, seed=None, ending=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = len(str(path)) * 1000 + hash_of(path) if seed is None else seed
    levels = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)
    return path


def hash_of(path):
    return sum(i * byte for i, byte in enumerate(str(path.parts[-3:]).encode()))


def fill(folder, classes=("cat", "dog"), n=N):
    for name in classes:
        for i in range(n):
            picture(folder / name / f"{i}.png")


@pytest.fixture
def root(tmp_path):
    """A good folder of two classes, without sets."""
    fill(tmp_path / "images")
    return tmp_path / "images"


def into_sets(root, names=("train", "val", "test")):
    for name in names:
        shutil.copytree(root, root.parent / "sets" / name)
    shutil.rmtree(root)
    for name in names:
        fill(root.parent / "sets" / name)
    return root.parent / "sets"


FOLDERS = {}


def fault(*parts, hint=""):
    def keep(break_it):
        FOLDERS[break_it.__name__] = (break_it, parts, hint)
        return break_it

    return keep


@fault("no folder", "nothing", hint="train/CLASS/image.jpg")
def missing(root):
    return root / "nothing"


@fault("$SENET_NOWHERE/images", "not set", hint="export it")
def an_unset_variable(root):
    return "$SENET_NOWHERE/images"


@fault("is a file, not a folder", hint="unpack")
def an_archive(root):
    (root / "images.zip").write_bytes(b"PK")
    return root / "images.zip"


@fault("0 class folders", "at least 2")
def empty(root):
    (root / "empty").mkdir()
    return root / "empty"


@fault("0 class folders and 6 loose images", hint="CLASS/image.jpg")
def no_class_folders(root):
    return root / "cat"


@fault("1 class folder")
def one_class(root):
    shutil.rmtree(root / "dog")


@fault("1 class folder")
def litter_is_no_class(root):
    (root / "dog").rename(root / "__MACOSX")


@fault("1 class folder")
def a_hidden_folder_is_no_class(root):
    (root / "dog").rename(root / ".dog")


@fault("no images of cow")
def class_without_images(root):
    (root / "cow").mkdir()


@fault("no images of cow")
def class_of_other_files(root):
    (root / "cow").mkdir()
    (root / "cow" / "labels.txt").write_text("x")


@fault("no images of cow")
def class_of_hidden_images(root):
    picture(root / "cow" / ".0.png")


@fault("1 of 3 classes", "cow (1)", hint="leave these classes out")
def class_of_one_image(root):
    picture(root / "cow" / "0.png")


@fault("8 of 10 classes", "cow0 (1), cow1 (1)", "and 3 more")
def many_classes_of_one_image(root):
    for k in range(8):
        picture(root / f"cow{k}" / "0.png")


@fault("all training images are the same image")
def one_picture_everywhere(root):
    for path in root.rglob("*.png"):
        picture(path, seed=0)


@fault("1 of 12 images cannot be read", "cat/1.png")
def truncated(root):
    whole = (root / "cat" / "1.png").read_bytes()
    (root / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])


@fault("1 of 12 images cannot be read", "cat/1.png")
def a_flipped_byte(root):
    whole = bytearray((root / "cat" / "1.png").read_bytes())
    whole[len(whole) // 2] ^= 255
    (root / "cat" / "1.png").write_bytes(whole)


@fault("1 of 12 images cannot be read", "dog/2.png")
def zero_bytes(root):
    (root / "dog" / "2.png").write_bytes(b"")


@fault("1 of 13 images cannot be read", "dog/page.jpg")
def a_page_instead_of_an_image(root):
    (root / "dog" / "page.jpg").write_text("<html>404</html>")


@fault("1 of 13 images cannot be read", "dog/gone.png")
def a_link_to_nothing(root):
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")


@fault("1 of 13 images cannot be read", "dog/loop.png")
def a_link_to_itself(root):
    (root / "dog" / "loop.png").symlink_to(root / "dog" / "loop.png")


@fault("1 of 13 images cannot be read", "pixels, which Pillow refuses", "dog/bomb.png")
def a_bomb(root):
    """30,000 x 30,000 white pixels in a hundred kilobytes."""
    Image.new("1", (30_000, 30_000), 1).save(root / "dog" / "bomb.png")


@fault("15 of 27 images cannot be read", "and 5 more")
def many_damaged(root):
    for i in range(15):
        (root / "cat" / f"bad{i}.png").write_bytes(b"x")


@fault("holds a set under another name", hint="rename `valid` to `val`")
def set_of_another_name(root):
    return into_sets(root, ("train", "valid"))


@fault("holds a set under another name", hint="`Train` to `train`")
def set_in_capitals(root):
    return into_sets(root, ("Train", "val"))


@fault("holds val and test, but no train", hint="train/CLASS/")
def no_training_set(root):
    return into_sets(root, ("val", "test"))


@fault("do not hold the same classes: cow")
def class_in_validation_alone(root):
    sets = into_sets(root)
    picture(sets / "val" / "cow" / "0.png")
    return sets


@fault("do not hold the same classes: dog")
def class_missing_in_test(root):
    sets = into_sets(root)
    shutil.rmtree(sets / "test" / "dog")
    return sets


@fault("do not hold the same classes: cat, dog")
def an_empty_validation_folder(root):
    sets = into_sets(root)
    shutil.rmtree(sets / "val")
    (sets / "val").mkdir()
    return sets


@fault("no images of dog in", "val")
def class_empty_in_validation(root):
    sets = into_sets(root)
    shutil.rmtree(sets / "val" / "dog")
    (sets / "val" / "dog").mkdir()
    return sets


@pytest.mark.parametrize("name", FOLDERS)
def test_a_fault_of_a_folder_is_told_with_its_place(root, name):
    break_it, parts, hint = FOLDERS[name]
    path = break_it(root) or root
    with pytest.raises(UserError) as caught:
        load(DataSpec(path=str(path), image_size=8))
    assert all(part in caught.value.message for part in parts), caught.value.message
    assert hint in caught.value.hint
    assert caught.value.key == "data.path"


SIZES = {
    "more than there are": ({"train": 40}, "data.train"),
    "nothing left to validate": ({"train": 10}, "data.train"),
    "fewer than classes": ({"train": 1}, "data.train"),
    "more validation than there is": ({"validation": 11, "train": 4}, "data.validation"),
    "validation without a class": ({"validation": 1, "train": 4}, "data.path"),
    "test takes all": ({"test": 0.99}, "data.path"),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_leave_a_set_or_a_class_without_images(root, name):
    sizes, key = SIZES[name]
    with pytest.raises(UserError) as caught:
        load(DataSpec(path=str(root), image_size=8, **sizes))
    assert caught.value.key == key


def write_idx(path, array):
    """The format of Fashion-MNIST: magic number, shape, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def fashion(tmp_path):
    """A small Fashion-MNIST in the real format."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 20)):
        write_idx(tmp_path / "FashionMNIST" / "raw" / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28)))
        write_idx(tmp_path / "FashionMNIST" / "raw" / f"{part}-labels-idx1-ubyte", np.arange(n) % 10)
    return tmp_path / "FashionMNIST" / "raw"


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def no_magic(path):
    path.write_bytes(b"\x00" * 16 + path.read_bytes()[16:])


IDX = {
    "images cut": ("train-images-idx3-ubyte", cut, "damaged"),
    "images without magic number": ("train-images-idx3-ubyte", no_magic, "damaged"),
    "labels empty": ("train-labels-idx1-ubyte", lambda p: p.write_bytes(b""), "damaged"),
    "images missing": ("t10k-images-idx3-ubyte", os.unlink, "no FashionMNIST in"),
    "fewer labels than images": (
        "train-labels-idx1-ubyte",
        lambda p: write_idx(p, np.arange(50) % 10),
        "60 images but 50",
    ),
    "a label that is no class": ("train-labels-idx1-ubyte", lambda p: write_idx(p, np.arange(60) % 11), "outside 0..9"),
    "a class without images": (
        "train-labels-idx1-ubyte",
        lambda p: write_idx(p, np.arange(60) % 9),
        "1 of 10 classes .*: Ankle boot",
    ),
}


@pytest.mark.parametrize("name", IDX)
def test_a_fault_of_a_downloaded_set_is_told(fashion, name):
    file, break_it, part = IDX[name]
    break_it(fashion / file)
    with pytest.raises(UserError, match=part) as caught:
        load(DataSpec(dataset="fashion_mnist", path=str(fashion.parent.parent)))
    assert caught.value.key == "data.path"


def test_an_archive_of_cifar_that_is_not_the_published_one_is_not_even_opened(tmp_path):
    """Its files are pickles: torchvision opens them only where their MD5 is the published one."""
    import pickle

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "bitten"),)

    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (batches / name).write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(UserError, match="no CIFAR10 in"):
        load(DataSpec(dataset="cifar10", path=str(tmp_path)))
    assert not (tmp_path / "bitten").exists()


def notes(root, **spec):
    return " ".join(load(DataSpec(path=str(root), image_size=8, **spec)).notes)


def test_a_good_folder_gives_no_note(root):
    assert notes(root) == ""


def test_images_that_train_and_validate_are_counted(root):
    sets = into_sets(root)
    shutil.copy(sets / "train" / "cat" / "0.png", sets / "val" / "cat" / "0.png")
    shutil.copy(sets / "train" / "dog" / "1.png", sets / "test" / "dog" / "5.png")
    assert notes(sets).count("1 of 12 different") == 2


def test_other_files_are_counted(root):
    (root / "cat" / "notes.txt").write_text("x")
    (root / "readme.md").write_text("x")
    assert "skipped 2 files" in notes(root)


def test_a_rare_class_is_named(root):
    data = load(DataSpec(path=str(root), image_size=8))
    assert imbalance(data.y_train.numpy(), data.classes) == ""
    fill(root, ("cow",), n=70)
    data = load(DataSpec(path=str(root), image_size=8))
    assert imbalance(data.y_train.numpy(), data.classes).startswith("class cow has ")


def test_variables_and_home_are_filled_in(root, monkeypatch):
    monkeypatch.setenv("SENET_IMAGES", str(root.parent))
    monkeypatch.setenv("HOME", str(root.parent))
    for path in ("$SENET_IMAGES/images", "~/images"):
        assert len(load(DataSpec(path=path, image_size=8)).classes) == 2


def test_a_class_may_be_called_like_a_set(root):
    (root / "cat").rename(root / "valid")
    (root / "dog").rename(root / "test")
    assert load(DataSpec(path=str(root), image_size=8)).classes == ("test", "valid")


def test_a_class_may_be_a_link_to_a_folder(root):
    (root / "dog").rename(root.parent / "elsewhere")
    (root / "dog").symlink_to(root.parent / "elsewhere")
    assert load(DataSpec(path=str(root), image_size=8)).classes == ("cat", "dog")
