"""Ray Tune schedules: workers that live for the whole search take one training after the other. The one door to ray.

Tune only schedules. It holds no state of ours, retries nothing and writes no checkpoints: the ledger does all of that
(its own restore lost and repeated finished trials after a SIGKILL). A class trainable with reused actors costs 0.02 s
between trainings; a function with reuse can hang the experiment; a fresh actor costs 5 s.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.execute.evaluator import Evaluator
from search.execute.ray import cluster, reaper
from search.execute.ray.cluster import Nodes
from search.execute.ray.resources import Cluster, Job, Slots
from search.execute.signals import Interrupted, Signals
from search.loop import Loop
from senet_nas.recipe import Report
from spaces import scratch
from spaces.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from search.execute.ray.adapters import LoopSearcher

# Tune prints a table of its own, writes files of its own and catches Ctrl-C unless told not to, before it is imported.
_SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # else 60, in which a busy machine may not import torch
}
_LOCAL = {
    # With clusters "off" Ray takes 127.0.0.1 for its node, on Linux too, and listens there alone. Otherwise its servers
    # listen on every interface, whatever address it is given (seen with 2.60).
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # After a SIGKILL of the driver its agents look for their dead server for so many seconds before they end: else 60.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}


_JOINED = {
    # Without its head Ray ends this process after 60 s, with an exit status and a message of its own. We are faster, but
    # must not be interrupted while the books are closed.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}


SCRATCH = "senet-"
# Tune keeps about 35 kB of every trial until it ends, and writes all of them into its snapshots. So it ends after so many
# trainings, and at least so many of each slot, and starts anew: all slots wait for the last one then, and load their libraries.
SEGMENT, SEGMENT_OF_A_SLOT = 1000, 20


@contextmanager
def running(slots: Slots, signals: Signals, joined: Cluster | None = None) -> Iterator[Path]:
    """Ray on this machine, for this process alone: loopback, token, no dashboard, no usage reports, no log lines. Or a
    cluster that is there already, joined.

    Yields a folder for scratch that goes when Ray goes. Raises UserError (code 4) where Ray cannot be started.
    """
    os.environ.update(_SETTINGS)
    if slots.is_local:
        os.environ.update(_LOCAL)
        _private_token()
    else:
        os.environ.update(_JOINED)
        cluster.answering(slots.ray)
        cluster.secured(slots.ray, slots.insecure)
    import ray

    with _scratch() as scratch:
        try:
            _start(slots, scratch)
            signals.install()  # Ray took SIGTERM
            yield scratch
        except (OSError, RuntimeError, ValueError, ConnectionError) as error:
            if ray.is_initialized():
                raise
            raise UserError(
                f"cannot start Ray: {error}", hint="see docs/troubleshooting.md", code=ENVIRONMENT
            ) from error
        finally:
            _leave(slots.is_local)
            if joined is not None:
                joined.left.set()


def _leave(is_local: bool) -> None:
    """Ends Ray here. From a cluster whose head is gone there is no leave to take: it is not waited for."""
    import ray

    if is_local:
        ray.shutdown()
        return
    thread = threading.Thread(target=ray.shutdown, name="leave", daemon=True)
    thread.start()
    thread.join(cluster.LEAVE_SECONDS / 2)
    if thread.is_alive():
        atexit.unregister(ray._private.worker.shutdown)  # it would wait for the head again, at the end


def settled(slots: Slots, device: str) -> Slots:
    """The slots with what the nodes of a joined cluster have: no share of a GPU where none has one.

    Raises UserError (code 4) where the device must be one.
    """
    if not slots.gpus or cluster.gpus():
        return slots
    if device == "cuda":
        raise UserError(
            "resources.device is cuda, but no node of the cluster has a GPU",
            hint="use `device: cpu`, or start its nodes with --num-gpus where Ray does not see them",
            key="resources.device", code=ENVIRONMENT,
        )  # fmt: skip
    return replace(slots, gpus=0.0)


def _start(slots: Slots, scratch: Path) -> None:
    import ray

    try:
        ray.init(**_where(slots, scratch), log_to_driver=False, logging_level=logging.ERROR)
    except SystemExit as error:  # how Ray answers SIGTERM while it starts
        raise Interrupted(signal.SIGTERM) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    for name in ("ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a dead worker is told by us, in a line


def _where(slots: Slots, scratch: Path) -> dict[str, Any]:
    """A cluster knows its own resources; Ray refuses to be told them."""
    if slots.count is None or not slots.is_local:
        return {"address": slots.ray}
    return {
        "address": "local", "num_cpus": slots.count * slots.cpus, "num_gpus": math.ceil(slots.count * slots.gpus),
        "include_dashboard": False, "_temp_dir": str(scratch / "ray"),
    }  # fmt: skip


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that goes with this process; those that killed ones left go first. A lock tells who lives."""
    where = _short() or tempfile.gettempdir()
    scratch.sweep(SCRATCH, where)
    folder, lock = scratch.create(SCRATCH, where)
    try:
        with lock, _reaped(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _reaped(scratch: Path) -> Iterator[None]:
    """What is started in here ends with this process, also where that is killed."""
    command = [sys.executable, "-I", reaper.__file__, str(scratch)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[reaper.VARIABLE] = str(scratch)
    try:
        yield
    finally:
        os.environ.pop(reaper.VARIABLE, None)
        process.communicate()  # closes the pipe, for which it waits


def _short() -> str | None:
    """Where scratch lies: a socket's path may have 107 bytes, of which Ray's own names take about 75."""
    return "/tmp" if len(tempfile.gettempdir()) > 16 and Path("/tmp").is_dir() else None


def drive(
    loop: Loop, evaluate: Evaluator, trainings: Path, slots: Slots, scratch: Path, signals: Signals,
    joined: Cluster | None = None,
) -> None:  # fmt: skip
    """Runs the loop on a running Ray to its end, or until a signal comes.

    Raises what the loop raised: UserError (code 3) where every training fails, (code 4) where a cluster is gone or its nodes
    do not fit.
    """
    from ray import tune

    from search.execute.ray.adapters import Abroad, LoopSearcher, Slot, request

    nodes = Nodes(joined.needs, slots.cpus, slots.gpus, joined.say) if joined else None
    if nodes is not None:
        nodes.admit()
    store = joined.store if joined else None
    abroad = Abroad(joined.needs, store) if joined else None
    resources = {"cpu": slots.cpus, "gpu": slots.gpus} if slots.gpus else {"cpu": slots.cpus}
    trainable = tune.with_resources(
        tune.with_parameters(Slot, evaluate=evaluate, trainings=trainings, abroad=abroad, rungs=loop.rungs),
        partial(request, cpus=slots.cpus, gpus=slots.gpus) if joined else resources,
    )
    length = max(SEGMENT, SEGMENT_OF_A_SLOT * (slots.count or 0))
    searcher = LoopSearcher(loop, trainings, length, nodes, store)

    def gone(error: UserError) -> None:
        searcher.error = searcher.error or error
        _stop(loop)

    watching: AbstractContextManager[None] = nullcontext()
    if nodes is not None and joined is not None:
        watching = cluster.watched(nodes, gone, joined.left, joined.abandon)
    with signals.stopping(lambda: _stop(loop)), watching:
        for number in itertools.count():
            _segment(trainable, searcher, slots, scratch / "tune" / str(number))
            if not searcher.begin_segment():
                break
    if searcher.error is not None:
        raise searcher.error


def together(job: Job, slots: Slots, scratch: Path) -> Iterator[Report]:
    """One training on as many devices as there are slots, on a running Ray; a report after each epoch.

    Raises what the training raises; UserError (code 4) where one of its processes is lost.
    """
    from search.execute.ray import train_group as group

    assert slots.count is not None
    resources: dict[str, float] = {"CPU": slots.cpus, **({"GPU": slots.gpus} if slots.gpus else {})}
    return group.reports(job, slots.count, resources, scratch)


def _segment(trainable: Any, searcher: LoopSearcher, slots: Slots, folder: Path) -> None:
    """One experiment of Tune: it ends when its searcher has no more for it."""
    from ray import tune

    from search.execute.ray.adapters import EarlyStops

    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=-1, search_alg=searcher, scheduler=EarlyStops(searcher), reuse_actors=True,
            max_concurrent_trials=slots.count,
        ),
        run_config=tune.RunConfig(
            name="segment", storage_path=str(folder), verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)  # what Tune wrote of it


def _stop(loop: Loop) -> None:
    """Tune ends gracefully on SIGUSR1, whatever else is set, once it has a handler for it."""
    loop.stop()
    if signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, signal.SIG_IGN):
        os.kill(os.getpid(), signal.SIGUSR1)


def _private_token() -> None:
    """Makes the token that Ray's processes know each other by, readable for its owner alone: Ray would let all read it."""
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        return
    path = Path.home() / ".ray" / "auth_token"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o600)
        else:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
    except OSError as error:
        raise UserError(
            f"cannot write {path}, which Ray needs: {error.strerror}",
            hint="set HOME to a writable folder",
            code=ENVIRONMENT,
        ) from error
