"""The model's linear algebra on one thread: it stands beside trainings, which keep the cores busy."""

import threading
from contextlib import ContextDecorator
from functools import cached_property
from pathlib import Path

# A library is found only once it is loaded.
import numpy as np  # noqa: F401
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController


class _OneThread(ContextDecorator):
    """Limits the linear algebra of NumPy and SciPy while anyone in the process is inside.

    The last one to leave gives back what was set. On busy cores threads of linear algebra wait for each other: a fit
    then takes three times as long. A library that is not their own, as in an environment of conda, keeps its threads:
    torch may share it, and trainings and latencies need them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [library.num_threads for library in self._libraries.lib_controllers]
                self._set([1] * len(self._before))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._set(self._before)

    def _set(self, numbers: list[int]) -> None:
        for library, number in zip(self._libraries.lib_controllers, numbers, strict=True):
            library.set_num_threads(number)
            # From 3.8 on only the thread of Python that set the number first could set it again.
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread()

    @cached_property
    def _libraries(self) -> ThreadpoolController:
        """What the wheels of NumPy and SciPy bring. To find them takes milliseconds, to set them microseconds."""
        found = ThreadpoolController().select(user_api="blas")
        return found.select(filepath=[one.filepath for one in found.lib_controllers if _is_own(Path(one.filepath))])


def _is_own(library: Path) -> bool:
    return any(part.partition(".")[0] in {"numpy", "scipy"} for part in library.parts)


one_thread = _OneThread()
