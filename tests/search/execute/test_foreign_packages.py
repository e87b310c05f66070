"""A package of somebody else that is called as one of ours is noticed before it does harm (fault 12)."""

import os
import subprocess
import sys
from pathlib import Path

from search.execute import foreign_packages
from spaces.errors import ENVIRONMENT

ROOT = Path(__file__).parents[3]


def test_our_own_packages_are_found_in_silence():
    assert foreign_packages.shadowed() == ""
    assert foreign_packages.at_risk() == ""


def other_distribution(folder: Path) -> None:
    """Hugging Face's distribution `spaces`, as it lies in site-packages."""
    (folder / "spaces-0.30.dist-info").mkdir()
    (folder / "spaces-0.30.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: spaces\nVersion: 0.30\n")


def command(folder: Path) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join([str(folder), str(ROOT)])
    code = "import sys; sys.argv = ['senet-search', 'list', 'gates']; from search.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_a_foreign_package_ends_every_command_with_one_sentence(tmp_path):
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "__init__.py").write_text("GPU = None\n")
    other_distribution(tmp_path)
    done = command(tmp_path)
    assert done.returncode == ENVIRONMENT
    assert f"`spaces` in {tmp_path}/spaces/__init__.py is not that of senet-search" in done.stderr
    assert "spaces` 0.30 (Hugging Face ZeroGPU)" in done.stderr
    assert "pip uninstall spaces" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_no_distribution_owns_is_not_to_be_uninstalled(tmp_path):
    (tmp_path / "spaces.py").write_text("GPU = None\n")
    done = command(tmp_path)
    assert done.returncode == ENVIRONMENT
    assert "PYTHONPATH" in done.stderr
    assert "pip uninstall" not in done.stderr


def test_a_distribution_that_could_replace_our_files_is_a_caution(tmp_path):
    other_distribution(tmp_path)
    done = command(tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("caution:") == 1
    assert "two distributions own the package `spaces`" in done.stderr
