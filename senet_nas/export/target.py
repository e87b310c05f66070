"""The folder of an export: it appears complete or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from senet_nas.export import record
from spaces import UserError, durable


def check(target: Path, force: bool) -> None:
    """Raises UserError unless an export may be written to ``target``; ``force`` replaces only an earlier export."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; an export is a folder")
    if not target.exists() or not any(target.iterdir()):
        return
    if not force:
        raise UserError(
            f"{target} is not empty", hint="choose another folder, or replace it: --force (in Python: force=True)"
        )
    if not (target / record.NAME).is_file():
        raise UserError(f"{target} holds other files than an export; it is not replaced", hint="choose another folder")


@contextmanager
def workspace(target: Path) -> Iterator[Path]:
    """An empty folder beside the target, removed at the end together with what a killed export to ``target`` left."""
    prefix = f".{target.name}-export-"
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as folder:
        work = Path(folder) / "new"
        work.mkdir()
        yield work


def move(work: Path, target: Path) -> None:
    """Brings the finished folder to the disk and renames it to ``target``; an earlier export goes with ``work``."""
    for path in work.iterdir():
        durable.sync(path)
    durable.sync(work)
    if target.exists():
        target.rename(work.parent / "old")
    work.rename(target)
    durable.sync(target.parent)
