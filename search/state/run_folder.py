"""The folder of a run: where everything lies, and the lock that lets one driver in."""

import errno
import fcntl
import json
import os
import re
import shlex
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spaces import durable
from spaces.errors import ENVIRONMENT, UserError, nearest
from spaces.failpoints import failpoint

RUNS = Path("runs")
# Files in the folder of a run whose driver was killed before it had made the ledger.
_FIRST = {"lock", "trainings", "ledger.sqlite-wal", "ledger.sqlite-shm"}
MAKE_ROOM = "make room and type the same command again: nothing that finished is lost"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. Nothing is created until :meth:`create`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def trainings(self) -> Path:
        return self.path / "trainings"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def status(self) -> Path:
        """The file that says how far the run is, for machines that share the folder but cannot read the ledger."""
        return self.path / "status.json"

    @property
    def host(self) -> str:
        """The machine of the last driver; empty if it is not known."""
        try:
            return str(json.loads((self.path / "lock").read_text(errors="replace"))["host"])
        except (OSError, ValueError, KeyError, TypeError):  # none yet, or one that writes it just now
            return ""

    @property
    def log(self) -> Path:
        return self.path / "driver.log"

    @property
    def export(self) -> Path:
        return self.path / "export"

    @property
    def exists(self) -> bool:
        return self.ledger.exists()

    def create(self) -> None:
        """Makes the folder. Raises UserError if that fails, or if it holds something else."""
        self.check()
        if self.path.exists() and not self.exists and {path.name for path in self.path.iterdir()} - _FIRST:
            raise UserError(
                f"{self.path} is not empty and is no run", hint="choose another name", key="name", code=ENVIRONMENT
            )
        make(self.trainings, hint="try --runs DIR")

    @property
    def is_held(self) -> bool:
        """Whether a driver works on the run now."""
        try:
            with (self.path / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def holds(self, config: str) -> bool:
        """Whether this is the text of its config.yaml."""
        return self.config.exists() and self.config.read_bytes() == config.encode()

    def check(self) -> None:
        """Raises UserError (ENVIRONMENT) if the ledger is empty but the run has begun: its results are lost."""
        if self.exists and not self.ledger.stat().st_size and (self.config.exists() or any(self.trainings.glob("*"))):
            raise UserError(
                f"the ledger {self.ledger} is empty, but the run has begun",
                hint="restore it from a copy, or start another run with --new",
                code=ENVIRONMENT,
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; the lock ends with it. Raises UserError that names the holder."""
        try:
            opened = (self.path / "lock").open("a+", errors="replace")
        except OSError as error:
            raise _not_held(self.path, error) from error
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise UserError(
                    f"another senet-search works on {self.path} ({file.read().strip() or 'unknown process'})",
                    hint="wait for it, stop it, or start another run with --new",
                    code=ENVIRONMENT,
                ) from error
            file.seek(0)
            file.truncate()
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
            file.flush()
            failpoint("after_lock")
            yield


def make(path: Path, *, hint: str) -> None:
    """Makes a folder. Raises UserError (ENVIRONMENT) if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create {path}: {error.strerror}", hint=hint, code=ENVIRONMENT) from error


def write(path: Path, content: bytes, *, option: str) -> None:
    """Writes a file to the place that an option gave. Raises UserError if a file cannot be written there."""
    hint = f"choose another place with {option} FILE"
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file", hint=hint)
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}", hint=f"make it first, or {hint}")
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, for example, must not be replaced by a file
            path.write_bytes(content)
        else:
            durable.write(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", hint=hint, code=ENVIRONMENT) from error


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turns the error of a disk that is full, or that may only be read, into a UserError (ENVIRONMENT)."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*durable.NO_ROOM, *durable.ONLY_READ):
            raise
        where = f"cannot write {error.filename or path}: {error.strerror}"
        raise UserError(where, hint=_room(error), code=ENVIRONMENT) from error


def is_only_read(error: UserError) -> bool:
    """Whether an error says that a place may only be read."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in durable.ONLY_READ


def _room(error: OSError) -> str:
    """What helps against this error of a disk."""
    if error.errno == errno.EROFS:
        return "the medium is read-only: mount it writable, or copy the run to another disk"
    if error.errno in durable.ONLY_READ:
        return "ask its owner for permission to write there, or choose another folder"
    return MAKE_ROOM


def _not_held(path: Path, error: OSError) -> UserError:
    """The error for a run whose lock cannot be written."""
    if error.errno == errno.EROFS:
        return UserError(
            f"{path} is on a read-only medium, so nothing can be added to the run",
            hint="`report`, `status`, `compare` and `doctor` read it there; to continue it, copy it to another disk",
            code=ENVIRONMENT,
        )
    if error.errno in durable.ONLY_READ:
        return UserError(f"{path} may not be written to", hint=_room(error), code=ENVIRONMENT)
    return UserError(f"cannot write {path / 'lock'}: {error.strerror}", hint=_room(error), code=ENVIRONMENT)


def find(run: str, runs: Path = RUNS, *, or_else: Collection[str] = ()) -> RunFolder:
    """The folder of an existing run, given its name or its path.

    Raises UserError with the nearest name: of a run, or of ``or_else``, which the caller takes as well.
    """
    for path in (Path(run), runs / run):
        if RunFolder(path).exists:
            return RunFolder(path.resolve())
    guess = nearest(run, [*names(runs), *or_else])
    raise UserError(f"no run `{run}`; {held(runs)}", hint=f"did you mean `{guess}`?" if guess else "")


def held(runs: Path = RUNS) -> str:
    """In words, which runs a folder holds."""
    known = names(runs)
    if known:
        return f"{runs} holds {', '.join(known)}"
    return f"{runs} holds no run yet: `senet-search run config.yaml{option(runs)}`"


def names(runs: Path = RUNS) -> list[str]:
    """The runs below a folder, the latest first."""
    found = [path.parent for path in runs.glob("*/ledger.sqlite")] if runs.is_dir() else []
    return [path.name for path in sorted(found, key=lambda path: (-path.stat().st_mtime, path.name))]


def option(runs: Path) -> str:
    """The option that a command needs to find a run in this folder; empty for the usual folder."""
    return "" if runs.resolve() == RUNS.resolve() else f" --runs {shlex.quote(shown(runs.resolve()))}"


def command(place: RunFolder, name: str, *more: str) -> str:
    """The command that continues a run from the copy of its config; ``name`` is the name in that config."""
    renamed = [] if name == place.name else [f"--set name={place.name}"]
    return _typed(place, *renamed, *more)


def another(place: RunFolder, *more: str) -> str:
    """The command that starts another run from the copy of a run's config, in a folder that has the next number."""
    return _typed(place, *more, "--new")


def _typed(place: RunFolder, *more: str) -> str:
    words = ["senet-search run", shlex.quote(shown(place.config.resolve())), *more]
    return " ".join(words) + option(place.path.parent)


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def fresh(name: str, runs: Path) -> RunFolder:
    """A folder for a new run beside those of the same name: ``name``, ``name-2``, ``name-3``, ..."""
    candidates = (RunFolder((runs / (name if n == 1 else f"{name}-{n}")).resolve()) for n in range(1, 10_000))
    return next(folder for folder in candidates if not folder.path.exists())
