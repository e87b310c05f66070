"""Starts Ray on this machine, or joins a cluster, and leaves it again.

Ray Tune only schedules. It holds none of our state, retries nothing and writes no checkpoints, because its own restore
lost and repeated finished trials after a SIGKILL: the ledger does all of that.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from search.execute.ray import auth_token, cluster, preconditions, worker_paths
from search.execute.ray.resources import Cluster, Slots
from search.execute.ray.scratch_folder import scratch_folder
from search.execute.signals import Interrupted, Signals
from spaces.errors import UserError

# Set before Tune is imported: else it prints a table of its own, writes files of its own and catches Ctrl-C.
_SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Workers stay in the folder of the command, where code of the user expects relative paths to start.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # The default is 60 s, in which a busy machine may not import torch.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
}
_LOCAL = {
    # With clusters "off", Ray takes 127.0.0.1 for its node, on Linux too, and listens there only. Otherwise its servers
    # listen on every interface, whatever address they are given (seen with 2.60).
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Seconds for which Ray's agents look for their server after the driver was killed; the default is 60.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}
_JOINED = {
    # After this many seconds without its head, Ray ends this process with an exit status and a message of its own; the
    # default is 60. We notice sooner, but must not be interrupted while we write the report.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}


@contextmanager
def running(slots: Slots, signals: Signals, joined: Cluster | None = None) -> Iterator[Path]:
    """Ray for this process: on this machine, or on a cluster that is joined. Yields a scratch folder.

    On this machine Ray listens on loopback only, with a token, without dashboard, usage reports and log lines. The
    folder is removed when Ray ends. ``resources.ray: auto`` uses a Ray to which this process is already connected and
    leaves it as it is. Raises UserError (ENVIRONMENT) if Ray cannot be started.
    """
    preconditions.check_no_other(slots.ray)
    with ExitStack() as stack:
        if joined is not None:
            stack.callback(joined.left.set)
        try:
            scratch = _entered(slots, stack)
        except (UserError, Interrupted):
            raise
        except Exception as error:  # Ray also throws a bare Exception
            raise preconditions.not_started(error, slots.ray) from error
        signals.install()  # Ray took SIGTERM
        yield scratch


def _entered(slots: Slots, stack: ExitStack) -> Path:
    """Starts or joins Ray, and returns the scratch folder; the stack leaves both again."""
    is_ours = not preconditions.is_running()
    _configure(slots)
    scratch = stack.enter_context(scratch_folder())
    if is_ours:
        stack.callback(_leave, slots.is_local)
        _start(slots, scratch)
    return scratch


def _configure(slots: Slots) -> None:
    os.environ.update(_SETTINGS)
    if slots.is_local:
        os.environ.update(_LOCAL)
        preconditions.check_machine()
        auth_token.make_private()
    else:
        os.environ.update(_JOINED)
        cluster.answering(slots.ray)
        cluster.secured(slots.ray, slots.insecure)


def _start(slots: Slots, scratch: Path) -> None:
    import ray

    try:
        ray.init(
            **_where(slots, scratch),
            job_config=worker_paths.job_config(),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except SystemExit as error:  # Ray's answer to SIGTERM while it starts
        raise Interrupted(signal.SIGTERM) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    for name in ("ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # we report a dead worker ourselves, in a line


def _where(slots: Slots, scratch: Path) -> dict[str, Any]:
    """The arguments of ``ray.init``. A cluster knows its own resources; Ray refuses numbers for it."""
    if slots.count is None or not slots.is_local:
        return {"address": slots.ray}
    return {
        "address": "local",
        "num_cpus": slots.count * slots.cpus,
        "num_gpus": slots.gpus_used,
        "include_dashboard": False,
        # Documented in spite of its name. Its public form, RAY_TMPDIR, would stay in the environment of this process.
        "_temp_dir": str(scratch / "ray"),
    }


def _leave(is_local: bool) -> None:
    """Ends Ray in this process. It does not wait for a cluster whose head is gone: that call would never return."""
    import ray

    if is_local:
        ray.shutdown()
        return
    thread = threading.Thread(target=ray.shutdown, name="leave", daemon=True)
    thread.start()
    thread.join(cluster.LEAVE_SECONDS / 2)
    if thread.is_alive():
        atexit.unregister(ray.shutdown)  # Ray registered it, and it would wait for the head again
