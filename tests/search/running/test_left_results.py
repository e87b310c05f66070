"""What workers left: the checkpoints of paused trainings stay when a run is complete, and their size is said."""

import pytest

from search.running.left_results import LeftResults
from spaces import durable


def keep(trainings, uid, size):
    """A checkpoint of the first epoch whose tensors have so many bytes."""
    folder = trainings / uid
    folder.mkdir(parents=True)
    record = {"format": 1, "owner": {}, "epoch": 1, "curve": [{"epoch": 1}], "optimizer": {}, "tensors": ""}
    (folder / "checkpoint-1.safetensors").write_bytes(b"\0" * size)
    durable.write(folder / "checkpoint.json", durable.seal(record))


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, ""),
        (1, "1 paused training keeps its checkpoint (2.0 MB in trainings), so that an extension can continue it"),
        (3, "3 paused trainings keep their checkpoints (6.0 MB in trainings), so that an extension can continue them"),
    ],
)
def test_what_checkpoints_of_paused_trainings_take_is_said(tmp_path, monkeypatch, count, says):
    monkeypatch.chdir(tmp_path)
    uids = [f"u{number}" for number in range(count)]
    for uid in uids:
        keep(tmp_path / "trainings", uid, 2_000_000)
    left = LeftResults(tmp_path / "trainings", None)
    assert left.kept_words([*uids, "elsewhere"]) == says
    assert left.kept_words([]) == ""
