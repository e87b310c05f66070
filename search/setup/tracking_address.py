"""Is an address of a tracking store one that MLflow can know? Read from the text alone; nothing is asked."""

import re
from urllib.parse import urlsplit

from search import config
from spaces.errors import UserError, nearest

KEY = "tracking.uri"
# The schemes of MLflow's stores: a server, a database, a folder.
TRACKERS = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks", "databricks-uc")
SERVERS = ("http", "https")
DATABASES = ("postgresql", "mysql", "mssql")
_EXAMPLE = "write for example http://localhost:5000, or leave it out"


def check_tracking(uri: str | None) -> None:
    """Raises UserError for an address that MLflow does not know, or whose host or port cannot be one.

    Not a check of the config: a run that began with such an address can still be read.
    """
    if uri is None or uri == "databricks":
        return
    scheme, found, rest = uri.partition(":")
    kind = scheme.partition("+")[0]  # a driver may follow, as in mysql+pymysql
    if kind == "sqlite" and rest.strip("/") in ("", ":memory:"):
        raise UserError(
            f"`{uri}` is a database in memory: no other command could read it",
            hint="name a file: sqlite:////folder/mlflow.db, or leave it out",
            key=KEY,
        )
    if not found or not rest or kind not in TRACKERS:
        raise _unknown(uri, kind if found else "")
    _check_place(uri, kind)


# -- inside -----------------------------------------------------------------------------------------------------------


def _unknown(uri: str, kind: str) -> UserError:
    """The error for an address of another kind."""
    allowed = ", ".join(f"{name}:" for name in TRACKERS)
    guess = nearest(kind, TRACKERS) if kind else None
    hint = f"did you mean `{guess}:`?" if guess else _EXAMPLE
    shown = config.redacted(uri)
    meant = re.fullmatch(r"(https?)([;.]?/+)(.+)", uri)  # the colon is missing, or another sign stands in its place
    if meant:
        address = f"{meant[1]}://{meant[3]}"
        shown = config.redacted(address).replace("://", meant[2], 1)
        fault = _fault_of_a_host(address) or _fault_of_a_port(urlsplit(address).netloc)
        hint = _EXAMPLE if fault else f"did you mean `{config.redacted(address)}`?"
    return UserError(
        f"`{shown}` is not an address that MLflow knows; allowed: {allowed}",
        hint=hint,
        key=KEY,
    )


def _check_place(uri: str, kind: str) -> None:
    """Raises UserError if the host of a server, or the port of a server or a database, cannot be one."""
    problem = ""
    if kind in SERVERS:
        problem = _fault_of_a_host(uri) or _fault_of_a_port(urlsplit(uri).netloc)
    elif kind in DATABASES:  # a database without a host is on this machine, or named by the driver
        _, _, place = uri.partition("://")
        problem = _fault_of_a_port(re.split(r"[/?]", place.partition("@")[2] or place)[0])
    if problem:
        raise UserError(f"`{config.redacted(uri)}` {problem}", hint=_hint(kind), key=KEY)


def _fault_of_a_host(uri: str) -> str:
    """Why the host of a web address cannot be one; empty if it can."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:  # brackets around what is no IPv6 address
        return f"is not a web address: {error}"
    if "@" in uri and "@" not in parts.netloc:  # nothing of it may be shown: it may be a part of the password
        return "has a sign in its password that ends the host: write %23 for #, %2F for / and %3F for ?"
    host = parts.hostname
    if not host:
        return "names no host"
    try:
        host.removesuffix(".").encode("idna")
    except UnicodeError:
        return f"names a host that cannot be one: `{host}`"
    return f"names a host that cannot be one: `{host}`" if re.search(r"\s", host) else ""


def _fault_of_a_port(place: str) -> str:
    """Why the port of ``user:password@host:port`` cannot be one; empty if it can, and without a port."""
    _, colon, port = place.rpartition("@")[2].rpartition("]")[2].rpartition(":")
    if not colon or not port:
        return ""
    if port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535:
        return ""
    return f"names port {port}; ports are the numbers 1 to 65535"


def _hint(kind: str) -> str:
    if kind in SERVERS:
        return _EXAMPLE
    return f"write for example {kind}://user@host/database, or leave it out"
