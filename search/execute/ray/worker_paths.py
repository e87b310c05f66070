"""Where the processes of Ray stand, and where they look for modules: as the command does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.job_config import JobConfig

_INSTALLED = ("site-packages", "dist-packages")


def job_config() -> JobConfig:
    """The settings of a job of Ray whose workers find our packages and those that are installed, and nothing before.

    Left to itself, Ray puts the folder of the command first: a file search.py or numpy.py there would end every worker.
    Packages that run from a checkout lie where nothing is installed, so that folder is handed on.
    """
    from ray.job_config import JobConfig

    home = Path(__file__).parents[3]
    return JobConfig(_py_driver_sys_path=_Closed([] if home.name in _INSTALLED else [str(home)]))


def enter(folder: Path) -> None:
    """Makes the folder of the command this process's own, where code of the user expects relative paths to start.

    A node of a cluster that does not have it stays where it is.
    """
    if folder.is_dir():
        os.chdir(folder)


class _Closed(list[str]):
    """A list to which Ray adds its folders in vain. It counts as given even if it is empty."""

    def __bool__(self) -> bool:
        return True

    def extend(self, folders: Iterable[str]) -> None:
        """Adds nothing."""
