"""A Ray cluster that is there already: is it safe to join, do its nodes fit, and is it still there?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.execute import environment, remote_store
from spaces.errors import ENVIRONMENT, UserError

# A cluster on which no training could run for this long is gone; spot nodes may take about as long to be replaced.
GONE_SECONDS = 30.0
LOOK_SECONDS = 2.0
# Calls to a cluster whose head has died never return: after this long we end without an answer.
LEAVE_SECONDS = 10.0
# A head takes seconds to start; a machine that runs is reached at once.
ANSWER_SECONDS = 20.0
CONNECT_SECONDS = 5.0
# What Ray says of a wrong token, or of none.
_REFUSED = b"AuthenticationError"
HEAD = "start its head there (docs/scaling.md)"
# Seconds in which all nodes must answer what they lack.
PROBE_SECONDS = 60.0
# The label that Ray gives to each node.
NODE_ID = "ray.io/node-id"
_SAME = "install the same versions and make the data visible at the same path on every node"


@dataclass(frozen=True)
class Needs:
    """What a node must have for a training: versions, paths, and access to the store, if there is one.

    ``mark`` is a file of the run folder and its content: a node that finds both sees this folder, not another of its
    name.
    """

    versions: Mapping[str, str]
    paths: tuple[Path, ...]
    mark: tuple[Path, str]
    store: str | None = None

    def lacking(self) -> str:
        """What is missing on the node that runs this, in a line; empty if nothing is."""
        lines = differences(environment.versions(), self.versions)
        lines += [f"no {path}" for path in self.paths if not path.exists()]
        if self.store and (fault := remote_store.fault(self.store)):
            lines.append(fault)
        return ", ".join(lines)

    def is_shared(self) -> bool:
        """Whether the node that runs this sees the run folder."""
        path, content = self.mark
        try:
            return path.read_text() == content
        except OSError:
            return False


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """A line for each version that differs from the wanted one."""
    return [
        f"{name} {found.get(name, 'missing')} (here {version})"
        for name, version in wanted.items()
        if found.get(name) != version
    ]


def silent(address: str) -> OSError | None:
    """Why nothing answers at HOST:PORT; None if something does, and for an address that Ray finds itself."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return error
    except (OverflowError, UnicodeError) as error:  # no port, no name
        return socket.gaierror(str(error))
    return None


def answering(address: str, seconds: float = ANSWER_SECONDS) -> None:
    """Waits for a cluster at HOST:PORT. Raises UserError (code ENVIRONMENT) if nothing answers within ``seconds``.

    Ray itself would ask for minutes, and write log lines of its own.
    """
    until = time.monotonic() + seconds
    while (error := silent(address)) is not None:
        if time.monotonic() >= until or isinstance(error, socket.gaierror):  # an unknown name stays unknown
            raise UserError(
                f"no Ray cluster answers at {address}: {error}",
                hint=f"{HEAD}, or mend resources.ray",
                key="resources.ray",
                code=ENVIRONMENT,
            ) from error
        time.sleep(1)


def secured(address: str, insecure: bool) -> None:
    """Raises UserError (code ENVIRONMENT) if the cluster needs no token, or refuses the one of this machine.

    Without one, anyone who can reach its port can run code. Other processes ask it, because Ray keeps the token of a
    process for good, and repeats a log line each second while it is refused.
    """
    if insecure:
        return
    without, with_token = (_asking(address, mode) for mode in ("disabled", "token"))
    said = with_token.communicate()[1]
    without.communicate()
    if without.returncode == 0:
        raise UserError(
            "this Ray cluster needs no token: anyone who can reach its port can run code on it",
            hint="start it with RAY_AUTH_MODE=token (see docs/scaling.md), or set resources.insecure: true",
            key="resources.ray",
            code=ENVIRONMENT,
        )
    if with_token.returncode and _REFUSED in said:
        raise UserError(
            f"the Ray cluster at {address} refuses the token of this machine",
            hint="set RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) as its nodes have it (see docs/scaling.md)",
            key="resources.ray",
            code=ENVIRONMENT,
        )
    os.environ["RAY_AUTH_MODE"] = "token"


def _asking(address: str, mode: str) -> subprocess.Popen[bytes]:
    """A process that asks a cluster whether it is well, with the token of this machine or without."""
    where = [] if address == "auto" else ["--address", address]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ray.scripts.scripts", "health-check", *where],
        env={**os.environ, "RAY_AUTH_MODE": mode},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def gpus() -> float:
    """The number of GPUs of all nodes of the cluster, as Ray counts them."""
    return sum(float(node["Resources"].get("GPU", 0)) for node in _alive())


class Nodes:
    """The nodes of a cluster during a search. A node that does not fit gets no training, also if it joins later.

    ``say`` hears once of each node that is refused.
    """

    def __init__(self, needs: Needs, cpus: int, gpus: float, say: Callable[[str], None]) -> None:
        self._needs = needs
        self._cpus = cpus
        self._gpus = gpus
        self._say = say
        self._asked: dict[str, Any] = {}  # by node: the reference to its answer
        self._names: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> list[str]:
        """Ids of the nodes that must get no training, in order."""
        return sorted(self._refused)

    def admit(self) -> None:
        """Asks all nodes, and waits. Raises UserError (code ENVIRONMENT) with a line for each that does not fit."""
        import ray

        self._ask(_alive())
        if waiting := list(self._asked.values()):
            ray.wait(waiting, num_returns=len(waiting), timeout=PROBE_SECONDS)
        lines = [f"  {self._names[node]}: {fault}" for node, fault in self._answers(all_of_them=True) if fault]
        if lines:
            raise UserError(
                "nodes of the cluster differ from this one:\n" + "\n".join(lines), hint=_SAME, code=ENVIRONMENT
            )

    def look(self) -> bool:
        """Whether a training could run on some node. Asks new nodes, and takes in the answers that came."""
        alive = _alive()
        self._ask(alive)
        for node, fault in self._answers():
            if fault:
                self.refuse(node, fault)
        return any(
            node["Resources"].get("CPU", 0) >= self._cpus and node["Resources"].get("GPU", 0) >= self._gpus
            for node in alive
            if node["NodeID"] not in self._refused
        )

    def refuse(self, node: str, fault: str) -> None:
        """Sends no more trainings to a node."""
        if node not in self._refused:
            self._refused[node] = fault
            name = self._names.get(node, node[:6])
            self._say(f"caution   node {name} joined and gets no training: {fault}; {_SAME}")

    def _ask(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        for node in nodes:
            if node["NodeID"] in self._names or not node["Resources"].get("CPU"):
                continue
            self._names[node["NodeID"]] = f"{node['NodeManagerAddress']}/{node['NodeID'][:6]}"
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ask = ray.remote(num_cpus=0, max_retries=0)(Needs.lacking).options(scheduling_strategy=there)
            self._asked[node["NodeID"]] = ask.remote(self._needs)

    def _answers(self, *, all_of_them: bool = False) -> Iterator[tuple[str, str]]:
        """The nodes that answered since the last call, and what they lack; ``all_of_them``: also those that did not."""
        import ray

        waiting = list(self._asked.values())
        ready = set(ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]) if waiting else set()
        for node, answer in list(self._asked.items()):
            if answer not in ready and not all_of_them:
                continue
            del self._asked[node]
            try:
                yield node, ray.get(answer, timeout=1)
            except ray.exceptions.GetTimeoutError:
                yield node, f"no answer within {PROBE_SECONDS:.0f} s"
            except ray.exceptions.RayError as error:  # most often, senet-search is not installed there
                yield node, str(error).strip().splitlines()[-1]


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


@contextmanager
def watched(
    nodes: Nodes, gone: Callable[[UserError], None], left: threading.Event, abandon: Callable[[UserError], None]
) -> Iterator[None]:
    """Calls ``gone``, once, if no training could run on any node for GONE_SECONDS: Tune would wait forever.

    If Ray is not left (``left``) within LEAVE_SECONDS after that, because a call waits for a dead head, it calls
    ``abandon`` from the watching thread.
    """
    over = threading.Event()
    seen = [time.monotonic()]
    for name, work in (
        ("nodes", lambda: _look(nodes, seen, over)),
        ("cluster", lambda: _watch(seen, gone, over, left, abandon)),
    ):
        threading.Thread(target=work, name=name, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look(nodes: Nodes, seen: list[float], over: threading.Event) -> None:
    """Notes when a training could last run on a node. A thread of its own: without a head, Ray never answers."""
    import ray

    while not over.wait(LOOK_SECONDS):
        try:
            if nodes.look():
                seen[0] = time.monotonic()
        except (ray.exceptions.RayError, RuntimeError, OSError):
            continue  # the head did not answer; _watch notices if it never does


def _watch(
    seen: list[float],
    gone: Callable[[UserError], None],
    over: threading.Event,
    left: threading.Event,
    abandon: Callable[[UserError], None],
) -> None:
    while not over.wait(LOOK_SECONDS / 2):
        if time.monotonic() - seen[0] > GONE_SECONDS:
            error = UserError(
                f"for {GONE_SECONDS:.0f} s no node of the Ray cluster could hold a training, "
                "or its head did not answer",
                hint="when it is back, type the same command again to continue",
                code=ENVIRONMENT,
            )
            gone(error)
            if not left.wait(LEAVE_SECONDS):
                abandon(error)
            return
