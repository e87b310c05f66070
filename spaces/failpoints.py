"""Named places where tests may end the process, to prove that nothing is lost there. Nothing happens unless asked for.

``SENET_FAILPOINT=NAME[:N]`` kills the process with SIGKILL when it comes to the place for the N-th time.
"""

import os
import signal

VARIABLE = "SENET_FAILPOINT"
_name, _, _count = os.environ.get(VARIABLE, "").partition(":")
_left = int(_count or 1)


def failpoint(name: str) -> None:
    """A place between two durable steps."""
    global _left  # noqa: PLW0603 - counts down to one kill in the life of the process
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
