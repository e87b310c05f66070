"""In what a run happens: versions, machine, and the git state of the folder that its config lies in."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

# A work tree on a slow disk must not keep a search waiting.
_SECONDS = 10


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    packages = ("senet-search", "torch", "torchvision", "ray", "optuna", "mlflow")
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def git_state(folder: Path) -> dict[str, Any]:
    """``{"commit": 40 digits, "branch": name, "dirty": whether a tracked file was changed}`` of the work tree around a folder.

    Empty where there is none, it has no commit yet, or git cannot say.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changed is None:
        return {}
    return {"commit": commit, "branch": _git(folder, "branch", "--show-current") or "", "dirty": bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    # No lock is taken and no hook or helper of the tree is started: to look must change nothing.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git on this machine, or a tree that takes too long to look at
    return found.stdout.strip() if found.returncode == 0 else None
