"""One search at a time in a process: it can be connected to one Ray only."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spaces.errors import ENVIRONMENT, UserError

_turn = threading.Lock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Raises UserError (code ENVIRONMENT) while another search runs in this process."""
    if not _turn.acquire(blocking=False):
        raise UserError(
            "this process runs a search already, in another of its threads",
            hint="wait for it, or start the other one in a process of its own",
            code=ENVIRONMENT,
        )
    try:
        yield
    finally:
        _turn.release()
