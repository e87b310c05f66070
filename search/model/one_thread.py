"""The model's linear algebra on one thread: it stands beside trainings, which keep the cores busy."""

from contextlib import ContextDecorator
from functools import cache
from pathlib import Path

# A library is found only once it is loaded.
import numpy as np  # noqa: F401
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController


def one_thread() -> ContextDecorator:
    """Limits the linear algebra of NumPy and SciPy in this process, and afterwards gives back what was set.

    On busy cores its threads wait for each other: a fit then takes three times as long. A library that is not their
    own, as in an environment of conda, keeps its threads: torch may share it, and trainings and latencies need them.
    """
    limited: ContextDecorator = _own_libraries().wrap(limits=1)
    return limited


@cache
def _own_libraries() -> ThreadpoolController:
    """What the wheels of NumPy and SciPy bring. Found once, which takes milliseconds; a limit takes microseconds."""
    found = ThreadpoolController().select(user_api="blas")
    return found.select(filepath=[one.filepath for one in found.lib_controllers if _is_own(Path(one.filepath))])


def _is_own(library: Path) -> bool:
    return any(part.partition(".")[0] in {"numpy", "scipy"} for part in library.parts)
