import subprocess

from search.execute import environment
from senet_nas import nvidia


def git(folder, *words):
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_the_git_state_is_that_of_the_tree_around_a_folder(tmp_path):
    assert environment.git_state(tmp_path) == {}
    git(tmp_path, "init", "--initial-branch=trunk")
    assert environment.git_state(tmp_path) == {}, "a tree without a commit"
    (tmp_path / "configs").mkdir()
    config = tmp_path / "configs" / "run.yaml"
    config.write_text("name: run")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    state = environment.git_state(config.parent)
    assert (len(state["commit"]), state["branch"], state["dirty"]) == (40, "trunk", False)
    (tmp_path / "untracked").touch()
    assert not environment.git_state(config.parent)["dirty"]
    config.write_text("name: other")
    assert environment.git_state(config.parent) == {**state, "dirty": True}


def test_without_git_there_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.git_state(tmp_path) == {}


def test_the_machine_record_names_gpus(monkeypatch):
    one = nvidia.Gpu(0, "GPU-1", "NVIDIA L4", "570.86", 24 * 10**9, 0)
    monkeypatch.setattr(nvidia, "visible", lambda: (one, one))
    assert environment.machine().endswith(", 2 x NVIDIA L4 (driver 570.86)")
    monkeypatch.setattr(nvidia, "visible", lambda: ())
    assert "NVIDIA" not in environment.machine()
