"""Can runs be tracked in a store? Asked before a run begins, of every kind of store, and within seconds."""

import os
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from search.config.config_error import redacted
from search.setup.tracking_address import check_tracking
from search.track.client import connect, error_line, load
from search.track.store import BESIDE, CONFIG, VARIABLE, Store, database
from spaces.errors import ENVIRONMENT, UserError

# Seconds in which a store must answer. MLflow itself tries a database again for minutes.
PATIENCE = 30.0
_CONNECT_SECONDS = 5.0
LATER = "a run keeps everything, and `senet-search sync RUN` sends it later"
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_store(store: Store, runs: Path) -> None:
    """Raises UserError if nothing can be tracked in the store. Makes no store that is not there.

    Code BAD_INPUT for an address in the config that MLflow does not know, else ENVIRONMENT.
    """
    check_address(store)
    file = database(store.uri, runs)
    if file is not None:
        _check_folder(file, store)
        if not file.exists():
            return  # it is made when it is needed
    silent = _silent_host(store.uri)
    if silent is not None:
        raise _unusable(store, f"{_host(store.uri)} does not answer: {silent}", _mend_host(store, silent))
    error = _answer(store.uri, runs)
    if isinstance(error, _Silent):
        text = f"MLflow has no answer from {redacted(store.uri)} within {PATIENCE:.0f} s"
        raise UserError(text, hint=f"type this again; {LATER}", code=ENVIRONMENT)
    if error is not None:
        raise _unusable(store, error_line(error), _hint(store, error))


def check_address(store: Store) -> None:
    """Raises UserError for an address that MLflow does not know: BAD_INPUT if it is the config's, else ENVIRONMENT."""
    if store.origin == CONFIG:
        check_tracking(store.uri)
        return
    try:
        check_tracking(store.uri)
    except UserError as error:
        raise UserError(
            f"{VARIABLE}: {error.message}", hint=f"{_mend(store)}, or unset it", code=ENVIRONMENT
        ) from error


def _check_folder(file: Path, store: Store) -> None:
    """A SQLite store is made where it is missing, so its folder must be there; the runs folder is made as well."""
    folder = file.parent
    if store.origin == BESIDE:
        folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not folder.is_dir():
        raise _unusable(store, f"there is no folder {folder}", f"make it, or {_mend(store)}")
    if not os.access(folder, os.W_OK):
        raise _unusable(store, f"{folder} may not be written to", f"make it writable, or {_mend(store)}")


def _silent_host(uri: str) -> Exception | None:
    """Why the host of a database cannot be reached; None if it can, and for a store without one."""
    address = _address(uri)
    if address is None:
        return None
    try:
        socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        return error
    return None


def _address(uri: str) -> tuple[str, int] | None:
    """Host and port of a database; None for another store, and where only its driver knows them."""
    try:
        parts = urlsplit(uri)
        kind = parts.scheme.partition("+")[0]
        if kind not in _PORTS or not parts.hostname:
            return None
        return parts.hostname, parts.port or _PORTS[kind]
    except ValueError:  # a password with characters that mean something in an address
        return None


def _host(uri: str) -> str:
    address = _address(uri)
    return f"{address[0]}:{address[1]}" if address else redacted(uri)


class _Silent(Exception):
    """A store that neither answers nor refuses."""


def _answer(uri: str, runs: Path) -> Exception | None:
    """What the store's client throws; None if it answers."""
    try:
        load()  # the time that this takes is ours, not the store's
    except ImportError as error:
        return error
    thrown: list[Exception | None] = []

    def ask() -> None:
        try:
            connect(uri, runs)
            thrown.append(None)
        except Exception as error:  # each store throws what its own client throws
            thrown.append(error)

    asking = threading.Thread(target=ask, name="ask-store", daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return thrown[0] if thrown else _Silent()


def _hint(store: Store, error: Exception) -> str:
    """What helps; only what is sure to be true of this error."""
    if isinstance(error, UserError):
        return error.hint
    if isinstance(error, ModuleNotFoundError):
        return f"install the driver of this database (the module {error.name}), or {_mend(store)}"
    if store.uri.startswith("databricks"):
        return f"configure the access to Databricks, or {_mend(store)}"
    if store.uri.startswith("http"):
        return f"{_mend_host(store, error)}; {LATER}"
    return _mend(store)


def _mend_host(store: Store, error: Exception) -> str:
    """What helps against a host that does not answer: only a refused connection says that nothing listens there."""
    said = str(error)
    if isinstance(error, ConnectionRefusedError) or "Connection refused" in said:
        return f"start the server, or {_mend(store)}"
    if isinstance(error, socket.gaierror) or "Failed to resolve" in said:
        return f"look whether the name of the host is right, and {_mend(store)} if it is not"
    return _mend(store)


def _mend(store: Store) -> str:
    if store.origin == BESIDE:
        return "choose another runs folder with --runs DIR"
    return "mend tracking.uri" if store.origin == CONFIG else f"mend {VARIABLE}"


def _unusable(store: Store, why: str, hint: str) -> UserError:
    return UserError(f"MLflow cannot use {redacted(store.uri)}: {why}", hint=hint, code=ENVIRONMENT)
