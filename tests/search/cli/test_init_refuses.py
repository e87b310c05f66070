"""``init`` refuses what ``check`` would refuse, and then writes nothing (fault 24)."""

import pytest
from PIL import Image

from search.cli.init import write_config
from spaces.errors import UserError


def test_a_wrong_backbone_is_refused_with_the_nearest(tmp_path) -> None:
    with pytest.raises(UserError, match="unknown backbone `resnet19`") as caught:
        write_config("digits", "resnet19", tmp_path / "config.yaml")
    assert "resnet18" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("data", "backbone"), [("waveforms", "resnet18"), ("digits", "signal_resnet20")])
def test_a_backbone_for_other_data_is_refused(data, backbone, tmp_path) -> None:
    with pytest.raises(UserError, match="for other data"):
        write_config(data, backbone, tmp_path / "config.yaml")
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_the_users_own_may_be_written_later(tmp_path) -> None:
    write_config("digits", "mine:small", tmp_path / "config.yaml")
    assert "mine:small" in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize("names", [[], ["a.png"], ["notes.txt", "cat/a.gifx", "dog/b.gifx"]])
def test_a_folder_without_classes_is_refused_and_nothing_is_written(names, tmp_path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in names:
        (images / name).parent.mkdir(exist_ok=True)
        if name.endswith("png"):
            Image.new("RGB", (8, 8)).save(images / name)
        else:
            (images / name).write_text("x")
    with pytest.raises(UserError) as caught:
        write_config(str(images), None, tmp_path / "config.yaml")
    assert caught.value.key == "data.path"
    assert not (tmp_path / "config.yaml").exists()
