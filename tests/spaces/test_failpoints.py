"""Places where a test ends the process or fills the disk."""

import errno
import importlib
import os
import signal

import pytest

from spaces import failpoints
from spaces.failpoints import arm, failpoint


@pytest.fixture(autouse=True)
def disarmed():
    yield
    arm("")


@pytest.fixture
def kills(monkeypatch):
    seen = []
    monkeypatch.setattr(os, "kill", lambda pid, number: seen.append((pid, number)))
    return seen


def test_nothing_happens_unless_asked_for(kills):
    failpoint("here")
    arm("there")
    failpoint("here")
    assert kills == []


@pytest.mark.parametrize(("text", "at"), [("here", 1), ("here:1", 1), ("here:3", 3), ("here:2:kill", 2)])
def test_the_process_ends_when_it_comes_there_for_the_nth_time(kills, text, at):
    arm(text)
    for _ in range(at - 1):
        failpoint("here")
        failpoint("elsewhere")
    assert kills == []
    failpoint("here")
    assert kills == [(os.getpid(), signal.SIGKILL)]
    failpoint("here")
    assert len(kills) == 1


def test_a_full_disk_stays_full(kills):
    arm("here:2:full")
    failpoint("here")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left") as caught:
            failpoint("here")
        assert caught.value.errno == errno.ENOSPC
    failpoint("elsewhere")
    arm("")
    failpoint("here")
    assert kills == []
    assert failpoints.VARIABLE == "SENET_FAILPOINT"


def test_a_process_is_armed_by_its_environment_when_it_begins(kills, monkeypatch):
    monkeypatch.setenv(failpoints.VARIABLE, "here")
    importlib.reload(failpoints)
    failpoints.failpoint("here")
    assert len(kills) == 1
