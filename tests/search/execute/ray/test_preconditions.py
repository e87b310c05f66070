"""Whatever keeps Ray from starting is said in one line, with exit 4 and a hint that is true, within seconds."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from search import Experiment, run
from search.execute.ray import auth_token, cluster, preconditions, runtime
from search.execute.ray.resources import Slots
from search.execute.signals import Signals
from spaces.errors import ENVIRONMENT, UserError

CONFIG = {"name": "mine", "data": {"dataset": "digits", "train": 300}, "model": {"backbone": "cifar_resnet8"}}
OWN_RAY = """
import ray, sys
from pathlib import Path
from search import Experiment, run
from spaces.errors import UserError

def gain(architecture, seed):
    yield {"epoch": 1, "val_accuracy": 90.0}

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
kept = ray.put("an object of the user's")
config = {"name": "mine", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "budget": {"trainings": 4}}
config["evaluate"] = "python:own_results:gain"
try:
    run(Experiment.from_dict(config), runs="local")
except UserError as error:
    print(error.code, error.message, Path("local").exists())
run(Experiment.from_dict({**config, "resources": {"ray": "auto", "insecure": True}}), runs="auto")
print(ray.get(kept), Path("auto/mine/report.html").exists())
"""


def start():
    with runtime.running(Slots(1, 1), Signals()):
        pass


@pytest.fixture
def private(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))


class TheirRay:
    """Ray as a script of the user's has started it. Nothing may end it."""

    def is_initialized(self):
        return True


def test_a_ray_of_the_users_is_refused_before_anything_is_touched(tmp_path, monkeypatch):
    """b39ef70 raised RuntimeError and shut the user's Ray down."""
    monkeypatch.setitem(sys.modules, "ray", TheirRay())
    with pytest.raises(UserError, match="connected to a Ray already") as caught:
        run(Experiment.from_dict(CONFIG), runs=tmp_path / "runs")
    assert caught.value.code == ENVIRONMENT
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UserError, match="connected to a Ray already"), runtime.running(Slots(1, 1), Signals()):
        pass


@pytest.mark.ray
def test_a_ray_of_the_users_stays_and_a_search_can_use_it(tmp_path):
    (tmp_path / "own_results.py").write_text(
        "def gain(architecture, seed):\n    yield {'epoch': 1, 'val_accuracy': 90.0 + hash(architecture) % 7 / 10}\n"
    )
    (tmp_path / "script.py").write_text(OWN_RAY)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, used = done.stdout.splitlines()[-2:]
    assert refused.startswith("4 this process is connected to a Ray already")
    assert refused.endswith("False")
    assert used == "an object of the user's True"


THROWN = {
    "a bare exception": Exception("The current node timed out during startup.\nThis could happen because"),
    "nothing said": Exception(),
    "a key": KeyError("getpwuid(): uid not found: 12345"),
    "a time-out": TimeoutError("no answer"),
    "an attribute": AttributeError("'NoneType' object has no attribute 'address_info'"),
    "an assertion": AssertionError(),
    "the system": OSError(28, "No space left on device"),
}


@pytest.mark.parametrize("what", THROWN)
def test_whatever_ray_throws_at_its_start_is_one_line(monkeypatch, private, what):
    """b39ef70 caught four types of errors; Ray throws a bare Exception."""

    def init(*_, **__):
        raise THROWN[what]

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(UserError) as caught, runtime.running(Slots(1, 1), Signals()):
        pass
    assert caught.value.code == ENVIRONMENT
    assert caught.value.message.startswith("cannot start Ray: ")
    assert len(caught.value.message) > len("cannot start Ray: ")
    assert "\n" not in caught.value.message


def test_a_cluster_that_does_not_run_is_said_in_our_words(monkeypatch, private):
    """Ray's own words name an option `--address` that no command has."""

    def init(*_, **__):
        raise ConnectionError("Could not find any running Ray instance. Please specify the one to connect to by ...")

    monkeypatch.setattr("ray.init", init)
    slots = Slots(None, 1, ray="auto", insecure=True)
    says = pytest.raises(UserError, match="no Ray cluster runs on this machine")
    with says as caught, runtime.running(slots, Signals()):
        pass
    assert caught.value.code == ENVIRONMENT
    assert "resources.ray" in caught.value.hint


def test_a_cluster_that_cannot_be_joined_is_named():
    error = preconditions.not_started(ConnectionError("Failed to connect to Ray cluster"), "10.0.0.1:6379")
    assert "10.0.0.1:6379 answers, and this machine cannot join it" in error.message


REFUSED = (1, b"ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: missing or incorrect")


@pytest.mark.parametrize(
    ("without", "with_token", "said"),
    [
        ((0, b""), (0, b""), "needs no token"),
        (REFUSED, REFUSED, "refuses the token of this machine"),
        (REFUSED, (0, b""), None),
        (REFUSED, (1, b"a time-out of a busy head"), None),  # joining it will tell
    ],
)
def test_a_cluster_is_asked_for_its_token_before_it_is_joined(monkeypatch, private, without, with_token, said):
    """A wrong token printed twenty lines of Ray's log, and that Ray "failed to connect"."""
    answers = {"disabled": without, "token": with_token}

    def asking(address, mode):
        status, text = answers[mode]
        return SimpleNamespace(returncode=status, communicate=lambda: (None, text))

    monkeypatch.setattr(cluster, "_asking", asking)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    if said is None:
        cluster.secured("10.0.0.1:6379", insecure=False)
        assert os.environ["RAY_AUTH_MODE"] == "token"
        return
    with pytest.raises(UserError, match=said) as caught:
        cluster.secured("10.0.0.1:6379", insecure=False)
    assert (caught.value.code, caught.value.key) == (ENVIRONMENT, "resources.ray")


@pytest.mark.parametrize("mode", [None, 0o500])
def test_shared_memory_that_cannot_be_used_is_named_at_once(tmp_path, monkeypatch, private, mode):
    """Ray itself waits for half a minute and names nothing."""
    folder = tmp_path / "shm"
    if mode is not None:
        folder.mkdir()
        monkeypatch.setattr("os.access", lambda path, mode: Path(path) != folder)
    monkeypatch.setattr(preconditions, "SHARED_MEMORY", folder)
    began = time.monotonic()
    with pytest.raises(UserError, match=f"cannot start Ray: {folder} (is missing|may not be written to)") as caught:
        start()
    assert caught.value.code == ENVIRONMENT
    assert time.monotonic() - began < 5


def test_a_user_without_a_home_is_told_to_set_it(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(auth_token, "Path", SimpleNamespace(home=home))
    with pytest.raises(UserError, match="cannot start Ray: HOME is not set") as caught:
        auth_token.make_private()
    assert "set HOME" in caught.value.hint


def test_an_unknown_user_without_a_home_is_told_to_set_it_at_once(tmp_path):
    """Fault 18, in earnest: Ray's bare exception escaped after 40 s."""
    program = "from search.execute.ray import auth_token; auth_token.make_private()"
    unknown = ["unshare", "--user", "--map-user=54321", "--map-group=54321", "env", "-u", "HOME"]
    if subprocess.run([*unknown, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a user namespace")
    done = subprocess.run(
        [*unknown, sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last == "spaces.errors.UserError: cannot start Ray: HOME is not set, and user 54321 has no home folder"


def test_no_folder_for_temporary_files_is_one_line(monkeypatch, private):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(UserError, match="cannot start Ray: .*No usable temporary directory") as caught:
        start()
    assert caught.value.code == ENVIRONMENT
