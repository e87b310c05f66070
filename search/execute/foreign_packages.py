"""Whether our packages are the ones that are loaded: other distributions own packages of the same names.

Hugging Face's ZeroGPU support installs a package called ``spaces``. This file imports nothing of ours, so that it works
even then.
"""

import importlib.metadata
import importlib.util
from pathlib import Path

_NAME = "spaces"
# A distribution that owns a package called as one of ours.
_OTHER = "spaces"
_REINSTALL = (
    f"install senet-search into an environment without it, or: pip uninstall {_OTHER}, "
    "then pip install --force-reinstall --no-deps senet-search"
)


def remedy() -> str:
    """What to do: without another distribution, a file on the search path is in the way."""
    return _REINSTALL if _owner() else "rename that file, or take its folder out of PYTHONPATH"


def shadowed() -> str:
    """A sentence if the package ``spaces`` that is found here is not ours; empty if it is."""
    try:
        found = importlib.util.find_spec(_NAME)
    except (ImportError, ValueError) as error:
        return f"the package `{_NAME}` cannot be found: {error}"
    origin = getattr(found, "origin", None)
    if origin and _is_ours(Path(origin)):
        return ""
    return f"the package `{_NAME}` in {origin or 'no file'} is not that of senet-search{_owner()}"


def at_risk() -> str:
    """A sentence if another distribution owns the files of our package, although ours are there now; or empty."""
    owner = _owner()
    return f"two distributions own the package `{_NAME}`{owner}; the one that is installed last wins" if owner else ""


def _is_ours(init: Path) -> bool:
    try:
        return "Architecture" in init.read_text(encoding="utf-8") and (init.parent / "placements.py").is_file()
    except (OSError, UnicodeDecodeError):
        return False


def _owner() -> str:
    """The other distribution, if it is installed, in words that follow a name."""
    try:
        version = importlib.metadata.version(_OTHER)
    except importlib.metadata.PackageNotFoundError:
        return ""
    return f", the distribution `{_OTHER}` {version} (Hugging Face ZeroGPU) has the same name"
