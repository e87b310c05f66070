"""Named places where tests end the process or fill the disk, to prove that nothing is lost there.

``SENET_FAILPOINT=NAME[:N[:ACTION]]`` acts when the process reaches the place for the N-th time. ``kill``, the default,
ends it with SIGKILL; ``full`` raises the OSError of a full disk, from then on. Without the variable nothing happens.
"""

import errno
import os
import signal

VARIABLE = "SENET_FAILPOINT"
_name = _action = ""
_left = 0


def arm(text: str) -> None:
    """Arm a failpoint as the variable does: ``NAME[:N[:ACTION]]``."""
    global _name, _left, _action  # noqa: PLW0603 - one process, one failpoint
    _name, count, _action = [*text.split(":"), "", ""][:3]
    _left = int(count or 1)


def failpoint(name: str) -> None:
    """A place between two durable steps."""
    global _left  # noqa: PLW0603 - counts down to one kill in the life of the process
    if name == _name:
        _left -= 1
        if _left <= 0 and _action == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get(VARIABLE, ""))
