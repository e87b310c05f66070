"""Odd signals are read with all that they hold, or refused by name; what may be meant otherwise is a caution."""

import warnings

import numpy as np
import pytest

from senet_nas.data.load import load
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from tests.senet_nas.data.odd_signals import NOISE, ODD


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_an_odd_file_of_signals_is_read_right_or_refused(odd, tmp_path):
    """Sets of two shapes gave an internal error, and an offset erased what float64 held."""
    np.savez(tmp_path / "mine.npz", **odd.arrays)
    spec = DataSpec(dataset="signals", path="mine.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if odd.refused:
            with pytest.raises(UserError) as caught:
                load(spec, base=tmp_path)
            assert odd.refused in caught.value.message
            assert caught.value.hint
            assert caught.value.key == "data.path"
            return
        data = load(spec, base=tmp_path)
    said = " ".join(note for note in data.notes if "training images, too" not in note)
    assert odd.says in said if odd.says else not said


def test_litter_in_a_folder_of_classes_is_no_class(tmp_path):
    """`._a.npy` of macOS was read as a class; `B.NPY` was passed over, and nobody said what else was."""
    for name in ("a.npy", "B.NPY"):
        with (tmp_path / name).open("wb") as file:
            np.save(file, NOISE)
    (tmp_path / "._a.npy").write_bytes(b"\0")
    (tmp_path / "notes.txt").write_text("measured in May")
    data = load(DataSpec(dataset="signals", path=str(tmp_path)))
    assert data.classes == ("B", "a")
    said = " ".join(data.notes)
    assert f"skipped 1 hidden or system file beside the signals; the first is {tmp_path}/._a.npy" in said
    assert f"skipped 1 other file beside the signals; the first is {tmp_path}/notes.txt" in said


@pytest.mark.parametrize("names", [("a.npy", "a.NPY"), ("\u00e4.npy", "a\u0308.npy")])
def test_two_files_of_one_class_are_refused(names, tmp_path):
    """Both were classes called `a`, which nobody could tell apart."""
    for name in (*names, "b.npy"):
        with (tmp_path / name).open("wb") as file:
            np.save(file, NOISE)
    with pytest.raises(UserError, match=r"holds two classes called `(a|\u00e4)`") as caught:
        load(DataSpec(dataset="signals", path=str(tmp_path)))
    assert caught.value.key == "data.path"


def test_a_plan_shows_the_shape_of_signals_and_the_size_of_images():
    from search.report.plan_lines import _images
    from search.state.facts import DataFact

    assert _images(DataFact(train=80, shape=(3, 64))).endswith("; (C, L) = (3, 64)")
    assert _images(DataFact(train=80, shape=(3, 8, 8), image_size=8)).endswith("classes; 8 x 8 pixels")
