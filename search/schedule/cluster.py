"""A Ray cluster that is there already: is it safe to join, do its nodes fit, and is it still there?"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spaces.errors import ENVIRONMENT, UserError

# A cluster that holds no training for so long is gone; nodes that replace others (spot) may take about as long to come.
GONE_SECONDS, LOOK_SECONDS = 30.0, 2.0
PROBE_SECONDS = 60.0


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


def probe(versions: Callable[[], Mapping[str, str]], paths: Sequence[Path], shared: Path) -> bool:
    """Whether every node sees the file ``shared``.

    Raises UserError (code 4), with a table of all nodes, where one differs in a version or lacks one of the paths.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked = {
        node["NodeManagerAddress"] + "/" + node["NodeID"][:6]: look.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(versions, [*paths, shared])
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    }
    answers: dict[str, Any] = {}
    for name, reference in asked.items():
        try:
            answers[name] = ray.get(reference, timeout=PROBE_SECONDS)
        except ray.exceptions.RayError as error:  # most often: senet-search is not installed there
            answers[name] = str(error).strip().splitlines()[-1]
    lines = [f"  {name}: {text}" for name, found in answers.items() if (text := _differences(found, versions(), paths))]
    if lines:
        raise UserError(
            "nodes of the cluster differ from this one:\n" + "\n".join(lines),
            hint="install the same versions and make the data visible at the same path on every node",
            code=ENVIRONMENT,
        )
    return all(str(shared) in found["seen"] for found in answers.values())


def _look(versions: Callable[[], Mapping[str, str]], paths: Sequence[Path]) -> dict[str, Any]:
    """What a node has. Runs there."""
    return {"versions": dict(versions()), "seen": [str(path) for path in paths if path.exists()]}


def _differences(found: Any, here: Mapping[str, str], paths: Sequence[Path]) -> str:
    """In what a node's answer is not what is needed, in a line; empty where nothing is. A text is its error."""
    if isinstance(found, str):
        return found
    other = [
        f"{name} {found['versions'].get(name, 'missing')} (here {version})"
        for name, version in here.items()
        if found["versions"].get(name) != version
    ]
    return ", ".join(other + [f"no {path}" for path in paths if str(path) not in found["seen"]])


@contextmanager
def watched(cpus: int, gpus: float, gone: Callable[[UserError], None]) -> Iterator[None]:
    """Calls ``gone``, once, when for GONE_SECONDS no node could hold a training: Tune would wait for ever."""
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(cpus, gpus, gone, over), name="cluster", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LOOK_SECONDS)


def _watch(cpus: int, gpus: float, gone: Callable[[UserError], None], over: threading.Event) -> None:
    seen = time.monotonic()
    while not over.wait(LOOK_SECONDS):
        if _holds_one(cpus, gpus):
            seen = time.monotonic()
        elif time.monotonic() - seen > GONE_SECONDS:
            what = f"{cpus} CPU cores" + (f" and {gpus:g} GPU" if gpus else "")
            gone(
                UserError(
                    f"for {GONE_SECONDS:.0f} s no node of the Ray cluster had {what} for a training",
                    hint="when it is back, type the same command again to go on",
                    code=ENVIRONMENT,
                )
            )
            return


def _holds_one(cpus: int, gpus: float) -> bool:
    import ray

    has = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in has)
