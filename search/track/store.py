"""In which MLflow store a run is tracked, and how a store on this machine is opened. Knows no MLflow."""

import atexit
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from search.config.config_error import redacted
from search.state.facts import Facts
from spaces import durable
from spaces.errors import ENVIRONMENT, UserError

VARIABLE = "MLFLOW_TRACKING_URI"
# Where the address of a store comes from; noted in the ledger.
CONFIG = "config"
NAMED = "variable"
BESIDE = "beside"
DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_SQLITE = "sqlite:///"
# Any other character in a path may mean something in the address of a database.
_PLAIN = re.compile(r"[\w/. -]*")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Store:
    """The address of a store, and where it comes from: ``config``, ``variable`` or ``beside`` the runs."""

    uri: str
    origin: str


def beside(runs: Path) -> str:
    """The address of the store beside the runs."""
    return f"{_SQLITE}{runs.resolve() / DATABASE}"


def store_to_write(uri: str | None, runs: Path, facts: Facts | None = None) -> Store:
    """Where to send a run: its config, the variable, the store that it was sent to before, a store beside the runs.

    Raises UserError (code ENVIRONMENT) if the address had a password, which a run does not keep, and it is not given.
    """
    named = _named()
    if uri is not None:
        return Store(_with_password(uri, named), CONFIG)
    if named:
        return Store(named, NAMED)
    if facts is not None and facts.tracking and _origin(facts) == NAMED:
        return Store(_with_password(facts.tracking, ""), NAMED)
    return Store(beside(runs), BESIDE)


def store_to_read(uri: str | None, runs: Path, facts: Facts) -> Store:
    """Where a run is: the store that it was sent to, whatever the variable names now.

    A run that was not sent yet is looked for where it would be sent.
    """
    if uri is None and facts.tracking:
        if _origin(facts) == BESIDE:
            return Store(beside(runs), BESIDE)
        named = _named()
        return Store(_with_password(facts.tracking, named if redacted(named) == facts.tracking else ""), NAMED)
    return store_to_write(uri, runs, facts)


def store_address(uri: str | None, runs: Path) -> str:
    """Where to track what no run remembers: the config's URI, MLFLOW_TRACKING_URI, or a store beside the runs."""
    return store_to_write(uri, runs).uri


def is_embedded(uri: str) -> bool:
    """Whether a store is a SQLite file."""
    return uri.startswith("sqlite:")


def database(uri: str, runs: Path) -> Path | None:
    """The file of a SQLite store; None for another store, or one in memory."""
    if uri == beside(runs):
        return runs.resolve() / DATABASE
    name = uri.removeprefix(_SQLITE).partition("?")[0]
    return Path(name) if uri.startswith(_SQLITE) and name and ":" not in name else None


def artifact_root(uri: str, runs: Path) -> str | None:
    """Where our own store keeps files (MLflow would put them below the working directory); None for a server."""
    return (runs.resolve() / ARTIFACTS).as_uri() if is_embedded(uri) else None


def opened_uri(uri: str, runs: Path) -> str:
    """The address by which MLflow opens a store. Ours leads through a link if its path has special characters."""
    return f"{_SQLITE}{_plain(runs.resolve()) / DATABASE}" if uri == beside(runs) else uri


def opens_as_typed(uri: str) -> bool:
    """Whether MLflow's own commands open a store by this address: no sign in its path means something else to them."""
    return not is_embedded(uri) or _PLAIN.fullmatch(uri.removeprefix(_SQLITE)) is not None


def reach_loopback_directly() -> None:
    """Exempts this machine from the proxies of the environment, which would look for a server on their own machine."""
    for name in ("no_proxy", "NO_PROXY"):
        known = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*known, *_LOOPBACK]))


@contextmanager
def alone(uri: str, runs: Path) -> Iterator[None]:
    """Two that make the same schema, experiment or tag of a SQLite store at once spoil it for one of them.

    Where nothing may be written, nobody makes anything.
    """
    if not is_embedded(uri) or not runs.is_dir():
        yield
        return
    try:
        file = (runs / ".mlflow.lock").open("a")
    except OSError as error:
        if error.errno not in durable.ONLY_READ:
            raise
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- inside -----------------------------------------------------------------------------------------------------------


def _named() -> str:
    """What the variable names, with an absolute path: another shell has another working directory."""
    uri = os.environ.get(VARIABLE, "").strip()
    path = uri.removeprefix(_SQLITE)
    if uri.startswith(_SQLITE) and path and not path.startswith(("/", "file:", ":memory:")):
        return f"{_SQLITE}{Path(path).absolute()}"
    return uri


def _origin(facts: Facts) -> str:
    """Where the noted address comes from. Older versions did not note it: then its file name decides."""
    is_ours = (facts.tracking or "").startswith(_SQLITE) and (facts.tracking or "").endswith(f"/{DATABASE}")
    return facts.tracking_origin or (BESIDE if is_ours else NAMED)


def _with_password(noted: str, named: str) -> str:
    if "***" not in noted:
        return noted
    if not named:
        raise UserError(
            f"the run is tracked at {noted}, which was kept without its password",
            hint=f"set {VARIABLE} to the whole address",
            code=ENVIRONMENT,
        )
    return named


@cache
def _plain(folder: Path) -> Path:
    """A path to this folder without special characters; a link to it that is removed when this process ends."""
    if _PLAIN.fullmatch(str(folder)):
        return folder
    parent = Path(tempfile.mkdtemp(prefix="senet-store-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    (parent / "runs").symlink_to(folder)
    return parent / "runs"
