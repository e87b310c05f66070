"""The number of threads of torch in the process of a search belongs to whoever called it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[None]:
    """Gives back the number that was set: images are prepared here for the workers with the threads of a training.

    A search without torch, over a table, does not load it.
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(before)
