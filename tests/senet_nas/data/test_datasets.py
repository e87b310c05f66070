import numpy as np
import pytest
from PIL import Image

from senet_nas.data.datasets import DATASETS
from senet_nas.recipe import DataSpec
from spaces import UserError


def picture(path, mode="RGB", size=(20, 14), value=128):
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.full((size[1], size[0]), value, dtype=np.uint8)
    Image.fromarray(levels).convert(mode).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            for i in range(3):
                picture(tmp_path / part / name / f"{i}.png", value=50 * i)
    return tmp_path


def read(root, **spec):
    return DATASETS["image_folder"].load(DataSpec(path=str(root), **{"image_size": 8, **spec}), root)


def test_every_dataset_describes_itself_and_names_the_path_it_needs(tmp_path):
    for name, dataset in DATASETS.items():
        assert dataset.description
        if dataset.needs_path:
            with pytest.raises(UserError) as caught:
                dataset.load(DataSpec(dataset=name, path="nowhere"), tmp_path)
            assert caught.value.key == "data.path"
            assert "nowhere" in caught.value.message
            assert caught.value.hint


def test_digits_come_with_the_installation(tmp_path):
    raw = DATASETS["digits"].load(DataSpec(dataset="digits"), tmp_path)
    assert raw.train[0].shape == (1797, 8, 8, 1)
    assert raw.train[0].dtype == np.uint8
    assert (raw.train[0].min(), raw.train[0].max()) == (0, 255)
    assert raw.classes == tuple("0123456789")


def test_a_folder_with_parts_keeps_them(folder):
    raw = read(folder)
    assert raw.train[0].shape == (6, 8, 8, 3)
    assert raw.validation[0].shape == (6, 8, 8, 3)
    assert raw.test is None
    assert raw.classes == ("cat", "dog")
    assert raw.train[1].tolist() == [0, 0, 0, 1, 1, 1]


def test_a_folder_of_classes_alone_is_all_to_be_split(folder):
    raw = read(folder / "train")
    assert raw.train[0].shape[0] == 6
    assert raw.validation is None


def test_grey_only_where_all_images_are(folder):
    for path in (folder / "train").rglob("*.png"):
        picture(path, mode="L")
    assert read(folder / "train").train[0].shape[-1] == 1
    assert read(folder / "train", color="rgb").train[0].shape[-1] == 3
    picture(folder / "train" / "cat" / "0.png", mode="RGB")
    assert read(folder / "train").train[0].shape[-1] == 3


@pytest.mark.parametrize(
    ("mode", "ending"), [("L", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "jpg"), ("1", "png"), ("I;16", "png")]
)
def test_all_kinds_of_images_become_colour(folder, mode, ending):
    path = folder / "train" / "cat" / f"extra.{ending}"
    if mode == "I;16":
        Image.fromarray(np.full((14, 20), 60_000, dtype=np.uint16)).save(path)
    else:
        picture(path, mode=mode)
    assert read(folder, color="rgb").train[0].shape == (7, 8, 8, 3)


def test_what_is_no_image_is_passed_over(folder):
    for name in ("Thumbs.db", ".hidden.png", "notes.txt"):
        (folder / "train" / "cat" / name).write_text("no image")
    assert len(read(folder).train[1]) == 6


def no_folder(root):
    return root / "nothing"


def no_classes(root):
    (root / "empty").mkdir()
    return root / "empty"


def one_class(root):
    picture(root / "one" / "cat" / "0.png")
    return root / "one"


def empty_class(root):
    (root / "train" / "cow").mkdir()
    (root / "val" / "cow").mkdir()
    return root


def other_classes(root):
    picture(root / "val" / "cow" / "0.png")
    return root


def damaged(root):
    whole = (root / "train" / "cat" / "1.png").read_bytes()
    (root / "train" / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    (root / "train" / "dog" / "2.png").write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (no_folder, ["no folder", "nothing"]),
        (no_classes, ["0 class folders", "at least 2"]),
        (one_class, ["1 class folder"]),
        (empty_class, ["no images of cow"]),
        (other_classes, ["do not hold the same classes: cow"]),
        (damaged, ["2 of 6 images cannot be read", "cat/1.png", "dog/2.png"]),
    ],
)
def test_faults_are_told_with_their_paths(folder, break_it, says):
    with pytest.raises(UserError) as caught:
        read(break_it(folder))
    assert caught.value.key == "data.path"
    assert all(part in caught.value.message for part in says)


def test_many_damaged_images_are_counted_and_ten_are_named(folder):
    for i in range(15):
        (folder / "train" / "cat" / f"bad{i}.png").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        read(folder)
    assert "15 of 21" in caught.value.message
    assert caught.value.message.count(".png (") == 10
    assert "and 5 more" in caught.value.message


def write_idx(path, array):
    """The format of Fashion-MNIST: magic number, shape, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def test_fashion_mnist_is_read_from_torchvisions_folder(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    for part, n in (("train", 12), ("t10k", 6)):
        write_idx(raw / f"{part}-images-idx3-ubyte", np.arange(n * 28 * 28).reshape(n, 28, 28) % 256)
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(n) % 10)
    found = DATASETS["fashion_mnist"].load(DataSpec(dataset="fashion_mnist", path=str(tmp_path)), tmp_path)
    assert found.train[0].shape == (12, 28, 28, 1)
    assert found.test[0].shape == (6, 28, 28, 1)
    assert len(found.classes) == 10


def test_pictures_of_phones_are_turned_upright(folder):
    """Orientation 6: the camera was turned, so the left half of the file is the top half of the picture."""
    levels = np.zeros((16, 16), dtype=np.uint8)
    levels[:, :8] = 255
    image = Image.fromarray(levels)
    exif = image.getexif()
    exif[274] = 6
    image.save(folder / "train" / "cat" / "0.png", exif=exif)
    x_HW = read(folder, color="grey").train[0][0][..., 0]
    assert x_HW[:4].mean() > 240
    assert x_HW[4:].mean() < 15
