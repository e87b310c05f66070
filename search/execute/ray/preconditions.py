"""What must hold before Ray starts, and what is said if it does not start: in seconds and in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spaces.errors import ENVIRONMENT, UserError

# Ray keeps its objects here; on Linux only. Without write access it waits half a minute before it gives up.
SHARED_MEMORY = Path("/dev/shm")
_LONGEST = 300


def is_running() -> bool:
    """Whether this process has connected to a Ray already, as a script or notebook of the user's may have."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def check_no_other(address: str) -> None:
    """Raises UserError if this process has a Ray of the user's and a search with this ``resources.ray`` needs another.

    A process can be connected to one Ray only, and to end the user's would lose the objects that it holds.
    """
    if not is_running() or address == "auto":
        return
    raise UserError(
        f"this process is connected to a Ray already, so the search cannot use resources.ray: {address}",
        hint="call ray.shutdown() before run(), or set resources.ray: auto to search on that Ray "
        "(with resources.insecure: true if it needs no token)",
        code=ENVIRONMENT,
    )


def check_machine() -> None:
    """Raises UserError (code ENVIRONMENT) for what would keep Ray waiting on this machine until it gives up."""
    if sys.platform != "linux":
        return
    if not SHARED_MEMORY.is_dir():
        raise _cannot(f"{SHARED_MEMORY} is missing", f"mount a tmpfs at {SHARED_MEMORY}")
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        raise _cannot(f"{SHARED_MEMORY} may not be written to", "make it writable for this user")


def not_started(error: Exception, address: str = "local") -> UserError:
    """What is said of whatever Ray threw while it started at an address: its first line."""
    if address not in ("local", "auto") and isinstance(error, ConnectionError):
        return UserError(
            f"the Ray cluster at {address} answers, and this machine cannot join it",
            hint="its token and its versions of Ray and Python must be those of this machine (docs/scaling.md)",
            code=ENVIRONMENT,
        )
    if address == "auto" and isinstance(error, ConnectionError):
        return UserError(
            "no Ray cluster runs on this machine, and resources.ray is auto",
            hint="start this machine's node of the cluster (docs/scaling.md), name its head as HOST:PORT, "
            "or remove resources.ray to search on this machine alone",
            code=ENVIRONMENT,
        )
    line = next(filter(None, (line.strip() for line in str(error).splitlines())), type(error).__name__)
    return _cannot(line[:_LONGEST], "docs/troubleshooting.md lists what Ray needs of a machine")


def _cannot(why: str, hint: str) -> UserError:
    return UserError(f"cannot start Ray: {why}", hint=hint, code=ENVIRONMENT)
