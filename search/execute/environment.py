"""The environment of a run: versions, machine, and the git state of the folder of its config."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from senet_nas import hardware, nvidia

# Git gets this many seconds, so that a work tree on a slow disk does not delay a search.
_SECONDS = 10


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a run uses."""
    packages = ("senet-search", "torch", "torchvision", "ray", "optuna", "mlflow")
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}


def machine() -> str:
    """Processor, system and GPUs: results of another machine may differ, and its times do."""
    gpus = nvidia.described(nvidia.visible())
    return ", ".join(
        [platform.machine(), f"{hardware.cores_of_machine()} cores", platform.system(), *([gpus] if gpus else [])]
    )


def git_state(folder: Path) -> dict[str, Any]:
    """The git state of the work tree around a folder: ``commit`` (40 digits), ``branch``, and ``dirty``.

    ``dirty`` says whether a tracked file was changed. Empty without a work tree, a commit, or git.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changed is None:
        return {}
    return {"commit": commit, "branch": _git(folder, "branch", "--show-current") or "", "dirty": bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    # Looking must change nothing: git takes no lock and starts no hook or helper of the tree.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None  # git is not installed, or takes too long
    return found.stdout.strip() if found.returncode == 0 else None
