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

from search.execute import environment as surroundings
from search.execute import remote_store as storage
from spaces.errors import ENVIRONMENT, UserError

# A cluster that holds no training for so long is gone; nodes that replace others (spot) may take about as long to come.
GONE_SECONDS, LOOK_SECONDS = 30.0, 2.0
# Whoever waits for an answer of a cluster whose head is gone waits for ever: after so long we end without it.
LEAVE_SECONDS = 10.0
# A head takes seconds to start; a machine that is there takes no time to be reached.
ANSWER_SECONDS, CONNECT_SECONDS = 20.0, 5.0
HEAD = "start its head there (docs/scaling.md)"
PROBE_SECONDS = 60.0
# The label that Ray gives to each node.
NODE_ID = "ray.io/node-id"
_SAME = "install the same versions and make the data visible at the same path on every node"


@dataclass(frozen=True)
class Needs:
    """What a node must have for a training: these versions and these paths, and the store where there is one.

    ``mark`` is a file of the run's folder with its content: who finds it sees the folder, and not one that is only named so.
    """

    versions: Mapping[str, str]
    paths: tuple[Path, ...]
    mark: tuple[Path, str]
    store: str | None = None

    def lacking(self) -> str:
        """What is missing here, in a line; empty where nothing is. Asked on the node."""
        lines = differences(surroundings.versions(), self.versions)
        lines += [f"no {path}" for path in self.paths if not path.exists()]
        if self.store and (fault := storage.fault(self.store)):
            lines.append(fault)
        return ", ".join(lines)

    def is_shared(self) -> bool:
        """Whether the folder of the run is seen from here."""
        path, content = self.mark
        try:
            return path.read_text() == content
        except OSError:
            return False


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Versions that are not those that are wanted."""
    return [
        f"{name} {found.get(name, 'missing')} (here {version})"
        for name, version in wanted.items()
        if found.get(name) != version
    ]


def silent(address: str) -> OSError | None:
    """Why nothing answers at HOST:PORT; None where something does, and for an address that Ray finds itself."""
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
    """Raises UserError (code 4) where nothing answers at HOST:PORT: Ray itself would ask for minutes, in lines of its own. A
    head that is just starting is waited for."""
    until = time.monotonic() + seconds
    while (error := silent(address)) is not None:
        if time.monotonic() >= until or isinstance(error, socket.gaierror):  # a name that does not exist will not soon
            raise UserError(
                f"no Ray cluster answers at {address}: {error}",
                hint=f"{HEAD}, or mend resources.ray", key="resources.ray", code=ENVIRONMENT,
            ) from error  # fmt: skip
        time.sleep(1)


def secured(address: str, insecure: bool) -> None:
    """Raises UserError (code 4) where the cluster serves whoever asks: who reaches its port runs code on it.

    Asked without a token, by a process of its own: Ray keeps the token of a process for good.
    """
    if insecure:
        return
    where = [] if address == "auto" else ["--address", address]
    asked = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "health-check", *where],
        env={**os.environ, "RAY_AUTH_MODE": "disabled"}, capture_output=True, check=False,
    )  # fmt: skip
    if asked.returncode == 0:
        raise UserError(
            "this Ray cluster asks for no token: whoever reaches its port runs code on it",
            hint="start it with RAY_AUTH_MODE=token (see docs/scaling.md), or set resources.insecure: true",
            key="resources.ray",
            code=ENVIRONMENT,
        )
    os.environ["RAY_AUTH_MODE"] = "token"


def gpus() -> float:
    """GPUs that the nodes of the cluster have, as Ray counts them."""
    return sum(float(node["Resources"].get("GPU", 0)) for node in _alive())


class Nodes:
    """The nodes of a cluster while a search is on it. Whoever does not fit gets no training, now or when it joins.

    ``say`` hears once of each node that is refused.
    """

    def __init__(self, needs: Needs, cpus: int, gpus: float, say: Callable[[str], None]) -> None:
        self._needs, self._cpus, self._gpus, self._say = needs, cpus, gpus, say
        self._asked: dict[str, Any] = {}  # by node, its answer to come
        self._names: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> list[str]:
        """Nodes that must get no training, in the order of their ids."""
        return sorted(self._refused)

    def admit(self) -> None:
        """Asks all nodes that are there, and waits for them. Raises UserError (code 4), with a line for each that differs."""
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
        """Whether some node could hold a training. Asks those that joined since, and hears who has answered."""
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
        """No training is sent to it any more."""
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
        """Nodes that have answered since the last time, with what they lack; ``all_of_them``: also who did not answer."""
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
            except ray.exceptions.RayError as error:  # most often: senet-search is not installed there
                yield node, str(error).strip().splitlines()[-1]


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


@contextmanager
def watched(
    nodes: Nodes, gone: Callable[[UserError], None], left: threading.Event, abandon: Callable[[UserError], None]
) -> Iterator[None]:
    """Calls ``gone``, once, when for GONE_SECONDS no node could hold a training: Tune would wait for ever.

    Where that does not make us leave Ray (``left``) within LEAVE_SECONDS, because a call waits for a head that is not there
    any more, ``abandon`` is called, from the thread that watches.
    """
    over, seen = threading.Event(), [time.monotonic()]
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
    """Notes when a node was last seen that could hold a training. A thread of its own: without a head, Ray never answers."""
    import ray

    while not over.wait(LOOK_SECONDS):
        try:
            if nodes.look():
                seen[0] = time.monotonic()
        except (ray.exceptions.RayError, RuntimeError, OSError):
            continue  # the head did not answer; if it never does again, _watch knows by the time


def _watch(
    seen: list[float], gone: Callable[[UserError], None], over: threading.Event, left: threading.Event,
    abandon: Callable[[UserError], None],
) -> None:  # fmt: skip
    while not over.wait(LOOK_SECONDS / 2):
        if time.monotonic() - seen[0] > GONE_SECONDS:
            error = UserError(
                f"for {GONE_SECONDS:.0f} s no node of the Ray cluster could hold a training, or its head did not answer",
                hint="when it is back, type the same command again to go on",
                code=ENVIRONMENT,
            )
            gone(error)
            if not left.wait(LEAVE_SECONDS):
                abandon(error)
            return
